"""How true a resynthesis is: every fault one can hear, measured, for any number of systems side by side.

    python -m benchmarks judge RECORDINGS [--voice FOLDER] [--pitch-seconds 60] [--limit-seconds 300]

Judges a voice on recordings, beside the ceiling: the same recordings resynthesised with their own true
harmonic amplitudes. All measures are better when lower:

    spectral_loss            as `ddsp.losses.SpectralLoss`, both sounds at 16 kHz
    f0_error_semitones       pitch by CREPE full where it is sure of the original's; outliers left out, as ddsp does
    f0_error_all_semitones   the same with the outliers
    f0_outlier_ratio         share of those frames that are more than half an octave off
    loudness_error_db        A-weighted loudness, as `ddsp.spectral_ops.compute_loudness`
    silence_dbfs             level where the original stays below -70 dBFS for 0.3 s or more
    gap_excess_db            level in the gaps between notes above the original's, the median gap
    gap_buzz_excess_db       the same of lines in the spectrum
    gap_buzz_worst_db        the same, the gap that nine of ten are better than
    attack_error_ms          difference of the attacks' lengths, the median note
    onset_error_ms           displacement of the onsets, the median note
    silence_probe_dbfs       level a second and more after a note that is followed by silence
    folding_db               energy folded back at Nyquist, against that of the harmonics
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from amadeus.audio import AudioSpec
from amadeus.audio.write import resample
from amadeus.errors import AmadeusError
from amadeus.features.attacks import compare_attacks
from amadeus.features.loudness import compute_loudness
from amadeus.features.notes import detect_notes
from amadeus.features.silence import FLOOR_DBFS, silent_stretches
from amadeus.features.types import Features
from amadeus.features.voicing import signed_f0
from benchmarks.measures import probes
from benchmarks.measures.gaps import compare_gaps
from benchmarks.measures.pitch import JUDGE_SPEC, Judge, compare_pitch

if TYPE_CHECKING:
    from amadeus.v1 import profiles_pb2
    from amadeus.voice.sampler import Passage

PITCH_S = 60.0  # CREPE full takes two to three times as long
LOSS_WINDOW_S = 20.0  # bounds memory
GOAL = {  # what "true sound" means
    "f0_error_semitones": 0.15,
    "f0_outlier_ratio": 0.02,
    "loudness_error_db": 2.0,
    "silence_dbfs": -70.0,
    "silence_probe_dbfs": -70.0,
    "attack_error_ms": 15.0,
}


class Pair(NamedTuple):
    """A recording and what a system made of it.

    Attributes:
      name: Of the recording.
      original: Shape [n_samples].
      resynthesis: Aligned with it. Shape [n_samples], or less.
      spec: The clock of both and of `features`.
      features: Of the original.
    """

    name: str
    original: np.ndarray
    resynthesis: np.ndarray
    spec: AudioSpec
    features: Features


def judge(
    pairs: Iterable[Pair],
    *,
    threshold: float = 0.5,
    pitch_s: float = PITCH_S,
    cache_path: Path | None = None,
    pitch_judge: Judge | None = None,
) -> dict[str, float]:
    """Measures all that recordings can show.

    Args:
      pairs: Recordings and their resyntheses.
      threshold: Confidence from which a frame of `features` is voiced.
      pitch_s: Sound whose pitch is judged at most, in s; 0 leaves pitch out.
      cache_path: Folder that keeps the pitch found, so that systems share that of the originals.
      pitch_judge: Who hears the pitch, instead of CREPE full.

    Returns:
      Metrics by name; one that nothing can be said about is left out.
    """
    pairs = [_trim(pair) for pair in pairs]
    metrics = {
        "spectral_loss": _spectral_loss(pairs),
        "loudness_error_db": _loudness_error_db(pairs),
        "silence_dbfs": _silence_dbfs(pairs),
        **_between_and_before_notes(pairs, threshold),
    }
    if pitch_s > 0:
        listener = pitch_judge or Judge(cache_path)
        metrics |= _pitch_errors(pairs, listener, pitch_s)
    return {name: value for name, value in metrics.items() if np.isfinite(value)}


def probe(
    play: probes.Play,
    *,
    spec: AudioSpec,
    f0_range_hz: tuple[float, float],
    loudness_db: float = -20.0,
) -> dict[str, float]:
    """Measures what only questions of our own can show: silence after a note, and folding.

    Args:
      play: From f0_hz and loudness_db [n_frames] to audio [n_frames * hop_size].
      spec: The clock of the voice.
      f0_range_hz: Pitches the voice has learned, lowest and highest.
      loudness_db: A loudness it has learned.
    """
    middle_hz = float(np.sqrt(f0_range_hz[0] * f0_range_hz[1]))
    return {
        "silence_probe_dbfs": probes.probe_silence(
            play, spec=spec, f0_hz=middle_hz, loudness_db=loudness_db
        ),
        "folding_db": probes.probe_folding(
            play, spec=spec, f0_range_hz=f0_range_hz, loudness_db=loudness_db
        ),
    }


def probe_learned(
    play: probes.Play, pairs: Sequence[Pair], *, threshold: float = 0.5
) -> dict[str, float]:
    """Probes a voice in the range of pitch and at the loudness that `pairs` have."""
    f0_hz = np.concatenate([signed_f0(p.features, threshold=threshold) for p in pairs])
    loudness_db = np.concatenate([p.features.loudness_db for p in pairs])
    voiced = f0_hz > 0
    if not voiced.any():
        return {}
    low_hz, high_hz = np.quantile(f0_hz[voiced], [0.05, 0.95])
    return probe(
        play,
        spec=pairs[0].spec,
        f0_range_hz=(float(low_hz), float(high_hz)),
        loudness_db=float(np.median(loudness_db[voiced])),
    )


def unanswered(passages: Iterable["Passage"]) -> list[Pair]:
    """Takes the passages of a practice's records, for `answers` and `ceiling` to answer."""
    return [
        Pair(p.name, np.asarray(p.audio), np.zeros(0, np.float32), p.spec, p.features)
        for p in passages
    ]


def ceiling(
    pairs: Iterable[Pair],
    *,
    n_harmonics: int,
    n_noise_bands: int,
    threshold: float = 0.5,
) -> list[Pair]:
    """Answers each recording with its own harmonic amplitudes and noise; see `measures.ceiling`."""
    from benchmarks.measures.ceiling import resynthesize

    return [
        pair._replace(
            resynthesis=resynthesize(
                pair.original,
                signed_f0(pair.features, threshold=threshold),
                spec=pair.spec,
                n_harmonics=n_harmonics,
                n_noise_bands=n_noise_bands,
            )
        )
        for pair in pairs
    ]


def answers(
    pairs: Iterable[Pair], play: probes.Play, *, threshold: float = 0.5
) -> Iterator[Pair]:
    """Lets a voice answer each recording from its features."""
    for pair in pairs:
        f0_hz = signed_f0(pair.features, threshold=threshold)
        # control i is reached at the end of block i: that is centred frame i + 1
        yield pair._replace(resynthesis=play(f0_hz[1:], pair.features.loudness_db[1:]))


def print_table(systems: Mapping[str, Mapping[str, float]]) -> None:
    """Prints one row a metric and one column a system, the goals beside them."""
    names = list(
        dict.fromkeys(name for metrics in systems.values() for name in metrics)
    )
    print(
        f"\n{'':24}" + "".join(f"{system:>12}" for system in systems) + f"{'goal':>12}"
    )
    for name in names:
        cells = "".join(_cell(metrics.get(name)) for metrics in systems.values())
        print(f"{name:24}{cells}{_cell(GOAL.get(name))}".rstrip())


def build_parser() -> argparse.ArgumentParser:
    """Describes the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks judge")
    parser.add_argument("recordings", nargs="+", help="files, folders or globs")
    parser.add_argument("--voice", type=Path, help="folder of an exported voice")
    parser.add_argument("--pitch-seconds", type=float, default=PITCH_S)
    parser.add_argument("--limit-seconds", type=float, default=300.0)
    parser.add_argument("--learner", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--cache", type=Path, help="folder that keeps CREPE's answers")
    return parser


def main(argv: list[str]) -> int:
    """Runs the benchmark and prints its table."""
    options = build_parser().parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        _run(options)
    except AmadeusError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    return 0


def _run(options: argparse.Namespace) -> None:
    from amadeus.personality import profiles

    profile = profiles.complete_learner_profile(
        profiles.parse_learner_settings(options.learner)
    )
    play: Callable[..., np.ndarray] | None = None
    if options.voice:
        from amadeus.voice.player import Voice

        voice = Voice.load(options.voice)
        learned = voice.personality.learner_profile
        profile, play = profiles.complete_learner_profile(learned), voice.render
    pairs = _listen(options.recordings, profile, options.limit_seconds)
    threshold = profile.f0_confidence_threshold
    rules = {
        "threshold": threshold,
        "pitch_s": options.pitch_seconds,
        "cache_path": options.cache,
    }
    systems = {}
    if play:
        systems["voice"] = judge(answers(pairs, play, threshold=threshold), **rules)
        systems["voice"] |= probe_learned(play, pairs, threshold=threshold)
    best = ceiling(
        pairs,
        n_harmonics=profile.harmonic_count,
        n_noise_bands=profile.noise_band_count,
        threshold=threshold,
    )
    systems["ceiling"] = judge(best, **rules)
    print_table(systems)


def _listen(
    recordings: Sequence[str], profile: "profiles_pb2.LearnerProfile", limit_s: float
) -> list[Pair]:
    from amadeus.audio import decode
    from amadeus.audio.recordings import find_recordings
    from amadeus.features.extract import extract, make_tracker
    from amadeus.personality import profiles

    spec, tracker = profiles.spec(profile), make_tracker(profile)
    pairs: list[Pair] = []
    for path in find_recordings(recordings):
        audio = decode.read(path, sample_rate=spec.sample_rate)
        left = round(limit_s * spec.sample_rate) - sum(len(p.original) for p in pairs)
        if left < spec.sample_rate:
            break
        audio = audio[:left]
        features = extract(audio, profile=profile, tracker=tracker)
        pairs.append(Pair(path.name, audio, np.zeros(0), spec, features))
    return pairs


def _trim(pair: Pair) -> Pair:
    """Cuts both sounds to the same length."""
    n_samples = min(len(pair.original), len(pair.resynthesis))
    sounds = (
        np.asarray(sound[:n_samples], np.float32)
        for sound in (pair.original, pair.resynthesis)
    )
    return pair._replace(**dict(zip(("original", "resynthesis"), sounds, strict=True)))


def _views(pair: Pair) -> tuple[np.ndarray, np.ndarray]:
    """Both sounds at 16 kHz, so that voices of any rate are measured alike."""
    rate = JUDGE_SPEC.sample_rate
    if pair.spec.sample_rate == rate:
        return pair.original, pair.resynthesis
    return tuple(
        resample(sound, from_rate=pair.spec.sample_rate, to_rate=rate)
        for sound in (pair.original, pair.resynthesis)
    )


def _spectral_loss(pairs: Sequence[Pair]) -> float:
    """Mean over time, so a short recording weighs less."""
    import tensorflow as tf

    from amadeus.dsp.spectral_loss import spectral_loss

    total = weight = 0.0
    size = round(LOSS_WINDOW_S * JUDGE_SPEC.sample_rate)
    for pair in pairs:
        original, answer = _views(pair)
        for start in range(0, len(original), size):
            window = slice(start, start + size)
            loss = spectral_loss(
                tf.constant(original[None, window]), tf.constant(answer[None, window])
            )
            n_samples = len(original[window])
            total, weight = total + float(loss) * n_samples, weight + n_samples
    return total / weight if weight else np.nan


def _loudness_error_db(pairs: Sequence[Pair]) -> float:
    errors = []
    for pair in pairs:
        curves_db = (
            compute_loudness(
                sound,
                sample_rate=pair.spec.sample_rate,
                frame_rate=pair.spec.frame_rate,
            )
            for sound in (pair.original, pair.resynthesis)
        )
        errors.append(np.abs(np.subtract(*curves_db)))
    return float(np.concatenate(errors).mean()) if errors else np.nan


def _silence_dbfs(pairs: Sequence[Pair]) -> float:
    heard = [
        np.square(pair.resynthesis[start:end], dtype=np.float64)
        for pair in pairs
        for start, end in silent_stretches(
            pair.original, sample_rate=pair.spec.sample_rate
        )
    ]
    if not heard:
        return np.nan
    power = float(np.concatenate(heard).mean())
    return 10 * np.log10(max(power, 10 ** (FLOOR_DBFS / 10)))


def _between_and_before_notes(
    pairs: Sequence[Pair], threshold: float
) -> dict[str, float]:
    gaps, attacks = [], []
    for pair in pairs:
        notes = detect_notes(pair.features, spec=pair.spec, threshold=threshold)
        sounds = (pair.original, pair.resynthesis)
        gaps.append(compare_gaps(*sounds, notes, spec=pair.spec))
        attacks.append(compare_attacks(*sounds, notes, spec=pair.spec))
    return {
        "gap_excess_db": _quantile([gap.level_db for gap in gaps], 0.5),
        "gap_buzz_excess_db": _quantile([gap.buzz_db for gap in gaps], 0.5),
        "gap_buzz_worst_db": _quantile([gap.buzz_db for gap in gaps], 0.9),
        "attack_error_ms": _quantile([attack.duration_ms for attack in attacks], 0.5),
        "onset_error_ms": _quantile(
            [np.abs(attack.onset_ms) for attack in attacks], 0.5
        ),
    }


def _pitch_errors(
    pairs: Sequence[Pair], listener: Judge, limit_s: float
) -> dict[str, float]:
    views = [_views(pair) for pair in pairs]
    errors = compare_pitch(
        [original for original, _ in views],
        [answer for _, answer in views],
        judge=listener,
        limit_s=limit_s,
    )
    if errors is None:
        return {}
    return {
        "f0_error_semitones": errors.semitones,
        "f0_error_all_semitones": errors.all_semitones,
        "f0_outlier_ratio": errors.outlier_ratio,
    }


def _quantile(parts: Sequence[np.ndarray], share: float) -> float:
    values = np.concatenate(parts) if parts else np.zeros(0)
    return float(np.quantile(values, share)) if len(values) else np.nan


def _cell(value: float | None) -> str:
    return f"{'':>12}" if value is None else f"{value:12.3f}"
