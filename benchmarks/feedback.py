"""Does feedback lead where the ama wants? A simulated one with a hidden preference marks the better of two takes.

    python -m benchmarks feedback [--sessions 8] [--seeds 5] [--mistakes 0]

A tiny voice is taught for some seconds on a made-up instrument. Then, session by session, the ama hears the voice as
it plays now, and variations of it with four knobs moved at random (brightness, noise, attack, vibrato), until one
pleases clearly better; it marks three parts of that take good and three of the plain one bad, and feedback turns the
knobs. Where none of twenty pleases better the ama is content, and says nothing. It hears with measures of its own
(centroid of the whole spectrum, harmonicity by autocorrelation, 10 to 90 % rise, spread of the pitch), none of them
those of `amadeus.feedback`. Score: 0 where it began, 1 where the ama would have it.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from amadeus.errors import AmadeusError

if TYPE_CHECKING:
    from amadeus.v1.profiles_pb2 import PlayerProfile
    from amadeus.voice.player import Voice

SAMPLE_RATE = 16_000
STEPS = 150
PITCHES, VELOCITIES = (60, 64, 67, 62, 65, 59), (90, 100, 60, 110, 80, 64)
CLEAR = 0.12  # less in score is no difference to mark
MAX_VARIATIONS = 20

# What each ama would like, as knobs; it knows only how that sounds.
PREFERENCES: dict[str, dict[str, float]] = {
    "darker, less breathy": {"brightness": -0.7, "noise_gain_db": -9.0},
    "brighter, deeper vibrato": {"brightness": 0.6, "vibrato_scale": 2.0},
    "breathier, faster attacks": {"noise_gain_db": 8.0, "attack_scale": 0.4},
}
HEARD_BY = {
    "brightness": "centroid_octaves",
    "noise_gain_db": "harmonicity_db",
    "attack_scale": "rise_octaves",
    "vibrato_scale": "pitch_spread_cents",
}
VARIED = {
    "brightness": 0.4,
    "noise_gain_db": 5.0,
    "attack_scale": 0.8,  # octaves
    "vibrato_scale": 0.6,
}


class Session(NamedTuple):
    """One session: the score after it, how many knobs were turned, and how long it took."""

    score: float
    n_turned: int
    duration_s: float


def build_parser() -> argparse.ArgumentParser:
    """Describes the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks feedback")
    parser.add_argument("--sessions", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument(
        "--mistakes", type=float, default=0.0, help="share of wrong marks"
    )
    return parser


def main(argv: list[str]) -> int:
    """Runs the benchmark and prints its table."""
    options = build_parser().parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    started_at = time.perf_counter()
    try:
        with tempfile.TemporaryDirectory() as folder:
            voice = teach_tiny_voice(Path(folder) / "voice")
            taught_s = time.perf_counter() - started_at
            rows = {
                (name, seed): run(
                    voice,
                    wish,
                    seed=seed,
                    n_sessions=options.sessions,
                    mistakes=options.mistakes,
                )
                for name, wish in PREFERENCES.items()
                for seed in range(options.seeds)
            }
    except AmadeusError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    _print_table(rows)
    total_s = time.perf_counter() - started_at
    print(f"{total_s:.0f} s, {taught_s:.0f} s of them for a voice of {STEPS} steps")
    return 0


def run(
    voice: "Voice",
    wish: Mapping[str, float],
    *,
    seed: int,
    n_sessions: int,
    mistakes: float = 0.0,
) -> list[Session]:
    """Lets an ama give feedback, session after session."""
    from amadeus.feedback.judgement import judge
    from amadeus.personality.profiles import settle_player_profile

    rng = np.random.default_rng(seed)
    profile = settle_player_profile(voice.personality.player_profile)
    ama = Ama(voice, profile, wish)
    memories: dict = {}
    sessions = []
    for _ in range(n_sessions):
        started_at = time.perf_counter()
        marked = _mark(voice, ama, profile, rng, mistakes)
        if marked is None:
            break
        takes, regions = marked
        judgement = judge(
            takes, regions, voice=voice, player_profile=profile, memories=memories
        )
        profile, memories = judgement.player_profile, judgement.memories
        duration_s = time.perf_counter() - started_at
        sessions.append(Session(ama.score(profile), len(judgement.turns), duration_s))
    return sessions


class Ama:
    """Who has a wish, and ears of its own."""

    def __init__(
        self, voice: "Voice", profile: "PlayerProfile", wish: Mapping[str, float]
    ) -> None:
        """Learns how what it would like sounds."""
        from amadeus.feedback.steps import with_values

        self._voice = voice
        self._heard = [HEARD_BY[knob] for knob in wish]
        self._start = self._listen(profile)
        self._wanted = self._listen(with_values(profile, wish))

    def score(self, profile: "PlayerProfile") -> float:
        """0 as it began, 1 as it is wished."""
        return self.judge(self._listen(profile))

    def judge(self, heard: Mapping[str, float]) -> float:
        """Scores what was heard."""
        missing = [
            (heard[name] - self._wanted[name])
            / (self._start[name] - self._wanted[name])
            for name in self._heard
        ]
        return 1 - float(np.linalg.norm(missing) / np.sqrt(len(missing)))

    def _listen(self, profile: "PlayerProfile") -> dict[str, float]:
        from amadeus.play.perform import perform_score

        return hear(perform_score(self._voice, tune(), player_profile=profile).audio)


def tune():
    """Six notes, two of them soft; each as long as a vibrato takes to be heard."""
    from amadeus.play.notation import Note, Score

    return Score(
        notes=tuple(
            Note(1.2 * i, 1.2 * i + 1.0, pitch, velocity)
            for i, (pitch, velocity) in enumerate(zip(PITCHES, VELOCITIES, strict=True))
        )
    )


def hear(audio: np.ndarray) -> dict[str, float]:
    """Measures a take of `tune`, note by note, as `amadeus.feedback` does not."""
    notes = [
        audio[round(1.2 * i * SAMPLE_RATE) : round((1.2 * i + 1.0) * SAMPLE_RATE)]
        for i in range(len(tune().notes))
    ]
    heard = [
        _hear_note(np.asarray(note, np.float64), 440 * 2 ** ((pitch - 69) / 12))
        for note, pitch in zip(notes, PITCHES, strict=True)
    ]
    return {name: float(np.median([note[name] for note in heard])) for name in heard[0]}


def _hear_note(note: np.ndarray, f0_hz: float) -> dict[str, float]:
    middle = note[len(note) // 3 :]
    power = np.abs(np.fft.rfft(middle * np.hanning(len(middle)))) ** 2
    frequencies = np.fft.rfftfreq(len(middle), 1 / SAMPLE_RATE)
    amplitude = np.sqrt(power)
    centroid_hz = float(frequencies @ amplitude / amplitude.sum())
    lags, strengths = _autocorrelate(middle, f0_hz)
    cents = 1200 * np.log2(np.median(lags) / lags)
    strength = float(np.clip(np.median(strengths), 1e-4, 1 - 1e-6))
    level = np.sqrt(np.convolve(note**2, np.ones(320) / 320, mode="same"))
    top = np.quantile(level, 0.95)
    rise = np.argmax(level > 0.9 * top) - np.argmax(level > 0.1 * top)
    return {
        "centroid_octaves": float(np.log2(centroid_hz)),
        "harmonicity_db": 10 * float(np.log10(strength / (1 - strength))),
        "rise_octaves": float(np.log2(max(rise, 16) / SAMPLE_RATE)),
        "pitch_spread_cents": float(np.diff(np.quantile(cents, [0.16, 0.84]))[0] / 2),
    }


def _autocorrelate(sound: np.ndarray, f0_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """Period in samples near that of the note, and strength of the periodicity, every 10 ms."""
    size = 640
    starts = np.arange(0, len(sound) - 2 * size, 160)
    first = np.lib.stride_tricks.sliding_window_view(sound, size)[starts]
    second = np.lib.stride_tricks.sliding_window_view(sound, 2 * size)[starts]
    n_fft = 4 * size
    cross = np.fft.irfft(
        np.conj(np.fft.rfft(first, n_fft)) * np.fft.rfft(second, n_fft), n_fft
    )[:, :size]
    energy = np.cumsum(np.pad(second**2, ((0, 0), (1, 0))), axis=1)
    local = energy[:, size : 2 * size] - energy[:, :size]
    normal = cross / np.sqrt(np.maximum(local * local[:, :1], 1e-12))
    low, high = (round(SAMPLE_RATE / f0_hz * share) for share in (0.8, 1.25))
    best = normal[:, low:high].argmax(axis=1) + low
    rows = np.arange(len(best))
    below, at, above = (normal[rows, best + step] for step in (-1, 0, 1))
    offset = 0.5 * (below - above) / np.minimum(below - 2 * at + above, -1e-9)
    return best + np.clip(offset, -0.5, 0.5), at


def _mark(voice, ama: Ama, profile, rng: np.random.Generator, mistakes: float):
    """Plays until a take is clearly better than the plain one, and marks three parts of each; None if none is."""
    from amadeus.feedback.regions import Region

    plain, score = _play(voice, ama, profile)
    for _ in range(MAX_VARIATIONS):
        varied, other_score = _play(voice, ama, _vary(profile, rng))
        if other_score >= score + CLEAR:
            break
    else:
        return None
    better = 0 if rng.random() < mistakes else 1
    regions = [
        Region(take, 2.4 * part, 2.4 * part + 2.3, take == better)
        for take in range(2)
        for part in range(3)
    ]
    return [plain, varied], regions


def _play(voice, ama: Ama, profile):
    """A take, and what the ama thinks of it."""
    from amadeus.feedback.takes import listen_to
    from amadeus.play.perform import perform_score

    performance = perform_score(voice, tune(), player_profile=profile)
    return listen_to(performance), ama.judge(hear(performance.audio))


def _vary(profile, rng: np.random.Generator):
    from amadeus.feedback.steps import knob_range, place, value_at, with_values

    values = {}
    for knob, size in VARIED.items():
        there = place(knob, getattr(profile, knob)) + size * rng.uniform(-1, 1)
        values[knob] = value_at(knob, float(np.clip(there, *knob_range(knob))))
    return with_values(profile, values)


def teach_tiny_voice(path: Path) -> "Voice":
    """Teaches a voice of the preset `tiny` a made-up wind instrument, and loads it."""
    from amadeus.personality import content, profiles
    from amadeus.v1 import personality_pb2, profiles_pb2
    from amadeus.voice.export import export
    from amadeus.voice.player import Voice
    from amadeus.voice.training import train_on_passages

    profile = profiles.complete_learner_profile(
        profiles_pb2.LearnerProfile(
            preset=profiles_pb2.PRESET_TINY,
            sample_rate=SAMPLE_RATE,
            step_count=STEPS,
            reverb_duration_s=0.05,
            crop_duration_s=0.5,
            seed=1,
        )
    )
    passages = _passages(profile)
    result = train_on_passages(
        passages[:-1],
        passages[-1:],
        profile=profile,
        checkpoint_path=path.with_name("checkpoint"),
        emit=lambda **_: None,
    )
    personality = personality_pb2.Personality(
        deu="tiny",
        generation=1,
        learner_profile=profile,
        player_profile=profiles.complete_player_profile(),
        statistics=_statistics(passages),
    )
    personality.digest = content.digest(
        result.model.weights(),
        profile,
        personality.player_profile,
        personality.statistics,
    )
    export(result.model, path, personality)
    content.write_personality(path, personality)
    return Voice.load(path)


def _passages(profile) -> list:
    from amadeus.features import Features
    from amadeus.features.loudness import compute_loudness
    from amadeus.personality import profiles
    from amadeus.voice.sampler import Passage

    spec, rng = profiles.spec(profile), np.random.default_rng(7)
    passages = []
    for number, pitch in enumerate((55, 57, 59, 60, 62, 64, 65, 67, 69, 61)):
        audio, f0_hz = _blow(pitch, rng)
        loudness_db = compute_loudness(
            audio, sample_rate=SAMPLE_RATE, frame_rate=spec.frame_rate
        )
        frames = np.minimum(np.arange(len(loudness_db)) * spec.hop_size, len(f0_hz) - 1)
        features = Features(
            f0_hz[frames].astype(np.float32),
            (loudness_db > -60).astype(np.float32),
            loudness_db,
        )
        passages.append(Passage(audio, features, str(number), f"{number}.wav", 0, spec))
    return passages


def _blow(pitch_midi: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Four notes of rising loudness, brighter and less breathy the louder."""
    times_s = np.arange(6 * SAMPLE_RATE) / SAMPLE_RATE
    f0_hz = 440 * 2 ** ((pitch_midi - 69) / 12 + 15 / 1200 * np.sin(33 * times_s))
    phase = 2 * np.pi * np.cumsum(f0_hz) / SAMPLE_RATE
    age_s = times_s % 1.5
    shape = np.clip(np.minimum(age_s / 0.1, (1.2 - age_s) / 0.1), 0, 1)
    level = 0.05 * (1 + times_s // 1.5) * shape
    tones = [level ** (1 + 0.12 * k) * 0.6**k * np.sin(k * phase) for k in range(1, 14)]
    breath = 0.04 * np.sqrt(level) * shape * rng.normal(size=len(times_s)) * 0.3
    audio = 2 * np.sum(tones, axis=0) + breath
    return (audio / 1.5).astype(np.float32), f0_hz


def _statistics(passages: Sequence) -> "object":
    from amadeus.v1 import personality_pb2

    loudness_db = np.concatenate([p.features.loudness_db for p in passages])
    sounding = loudness_db[loudness_db > -60]
    return personality_pb2.Statistics(
        sounding_duration_s=len(sounding) / 100,
        voiced_duration_s=len(sounding) / 100,
        pitch_quantiles_midi=np.linspace(55, 69, 15),
        loudness_quantiles_db=np.quantile(sounding, np.linspace(0, 1, 41)),
        silence_loudness_db=-80,
        note_shape=personality_pb2.NoteShape(
            note_count=40,
            attack_duration_s=0.1,
            attack_depth_db=25,
            decay_duration_s=0.1,
            decay_depth_db=2,
            release_duration_s=0.2,
            soft_loudness_db=float(np.quantile(sounding, 0.2)),
            loud_loudness_db=float(np.quantile(sounding, 0.95)),
            vibrato_rate_hz=5.5,
            vibrato_depth_cents=20,
            vibrato_delay_s=0.2,
            legato_duration_s=0.05,
        ),
    )


def _print_table(rows: Mapping[tuple[str, int], list[Session]]) -> None:
    n_sessions = max(len(sessions) for sessions in rows.values())
    print(f"\n{'':28}seed  score after each session{' ' * (6 * n_sessions - 22)}better")
    n_better = n_all = 0
    for (name, seed), sessions in rows.items():
        scores = [0.0, *(session.score for session in sessions)]
        better = sum(np.diff(scores) > 0)
        n_better, n_all = n_better + better, n_all + len(sessions)
        curve = " ".join(f"{score:5.2f}" for score in scores[1:])
        curve += "   -  " * (n_sessions - len(sessions))
        print(f"{name:28}{seed:4}  {curve}   {better}/{len(sessions)}")
    lasts = [sessions[-1].score if sessions else 0.0 for sessions in rows.values()]
    turned = [session.n_turned for sessions in rows.values() for session in sessions]
    took = [session.duration_s for sessions in rows.values() for session in sessions]
    print(
        f"\nbetter in {n_better} of {n_all} sessions ({n_better / n_all:.0%}); at the end {min(lasts):.2f} at "
        f"worst, {np.median(lasts):.2f} in the middle; a session turns {np.mean(turned):.1f} knobs and takes "
        f"{np.median(took):.2f} s"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
