"""Performing offline: a voice plays a score, or what another sound plays.

Each line is rendered phrase by phrase (a long rest starts the voice afresh) and summed. Peaks
never clip: a performance whose peak would pass -1 dBFS is turned down as a whole, which changes
nothing but its level, and the ama is told by how much.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import numpy as np

from amadeus.audio import AudioSpec
from amadeus.errors import VoiceError
from amadeus.personality.profiles import (
    complete_learner_profile,
    settle_player_profile,
)
from amadeus.play.controls import play_score
from amadeus.play.notation import Controls, Score, Timbre
from amadeus.play.record import Record
from amadeus.play.style import settle_silence
from amadeus.play.transfer import map_features
from amadeus.v1 import personality_pb2, profiles_pb2

PEAK_CEILING_DB = -1.0  # dBFS
REST_S = 0.5  # a silence this long ends a phrase
END_FADE_S = 0.01

_LEAD_FRAMES = 2  # a phrase begins with silence, so that its first attack has something to rise from


class Voice(Protocol):
    """What a performance needs of a voice."""

    @property
    def spec(self) -> AudioSpec:
        """The clock of the voice."""
        ...

    @property
    def personality(self) -> personality_pb2.Personality:
        """What the voice learned, and how it is played."""
        ...

    @property
    def can_bend(self) -> bool:
        """Whether it takes a timbre."""
        ...

    def render(
        self,
        f0_hz: np.ndarray,
        loudness_db: np.ndarray,
        reverb_mix: float = 1.0,
        timbre: Timbre | None = None,
    ) -> np.ndarray:
        """Plays controls [n_frames] as float32 audio [n_frames * hop_size]."""
        ...


class Performance(NamedTuple):
    """What was played.

    Attributes:
      audio: Mono, peak at most -1 dBFS. Float32, shape [n_samples].
      sample_rate: In Hz.
      notices: What the ama should know, a sentence each.
      record: Who played what, frame by frame; None where nobody kept it.
    """

    audio: np.ndarray
    sample_rate: int
    notices: list[str]
    record: Record | None = None


def perform_score(
    voice: Voice,
    score: Score,
    *,
    player_profile: profiles_pb2.PlayerProfile | None = None,
    seed: int = 0,
) -> Performance:
    """Plays a score.

    Args:
      voice: Who plays.
      score: What is played.
      player_profile: How; open fields are taken from the personality, then from the defaults.
      seed: Of the small differences between notes.

    Raises:
      VoiceError: The voice gives what is no sound.
    """
    profile = settle_player_profile(voice.personality.player_profile, player_profile)
    playing = play_score(
        score,
        statistics=voice.personality.statistics,
        player_profile=profile,
        spec=voice.spec,
        seed=seed,
    )
    return _perform(voice, playing.lines, profile, [*score.notices, *playing.notices])


def perform_audio(
    voice: Voice,
    sound: str | Path | np.ndarray,
    *,
    player_profile: profiles_pb2.PlayerProfile | None = None,
    octave: Literal["auto"] | int = "auto",
) -> Performance:
    """Plays what another sound plays: timbre transfer.

    Args:
      voice: Who plays.
      sound: A sound file, or audio in [-1, 1] at the voice's rate, shape [n_samples].
      player_profile: How; open fields are taken from the personality, then from the defaults.
      octave: Octaves to move by, or `auto` to move into the voice's range.

    Raises:
      RecordingError: The sound cannot be read or has no pitch.
      VoiceError: The voice gives what is no sound.
    """
    from amadeus.features.extract import extract

    profile = settle_player_profile(voice.personality.player_profile, player_profile)
    learner_profile = complete_learner_profile(voice.personality.learner_profile)
    transfer = map_features(
        extract(_load(sound, voice.spec), profile=learner_profile),
        statistics=voice.personality.statistics,
        player_profile=profile,
        spec=voice.spec,
        threshold=learner_profile.f0_confidence_threshold,
        octave=octave,
    )
    notices = []
    if octave == "auto" and transfer.octaves:
        plural = "s" if abs(transfer.octaves) > 1 else ""
        notices.append(
            f"the pitch is moved by {transfer.octaves:+d} octave{plural} into the range the voice learned."
        )
    return _perform(voice, [transfer.controls], profile, notices)


def perform_controls(
    voice: Voice,
    lines: Sequence[Controls],
    player_profile: profiles_pb2.PlayerProfile,
) -> Performance:
    """Plays lines as they are: what a profile does to notes is in them already.

    Args:
      voice: Who plays.
      lines: At least one.
      player_profile: Complete; its reverb and gain apply.

    Raises:
      VoiceError: The voice gives what is no sound.
    """
    return _perform(voice, list(lines), player_profile, [])


def resample_performance(performance: Performance, *, sample_rate: int) -> Performance:
    """Changes the rate of a performance; an overshoot of the resampler is turned down too."""
    if sample_rate == performance.sample_rate:
        return performance
    from amadeus.audio.write import resample

    audio = resample(
        performance.audio, from_rate=performance.sample_rate, to_rate=sample_rate
    )
    audio, reduction_db = limit_peak(audio)
    record = performance.record
    if record is not None:
        record = replace(record, gain_db=record.gain_db - reduction_db)
    return Performance(audio, sample_rate, performance.notices, record)


def limit_peak(
    audio: np.ndarray, *, ceiling_db: float = PEAK_CEILING_DB
) -> tuple[np.ndarray, float]:
    """Turns audio down as a whole where its peak passes the ceiling.

    Args:
      audio: Finite. Shape [n_samples].
      ceiling_db: Highest peak in dBFS.

    Returns:
      audio: Float32, shape [n_samples].
      reduction_db: How much softer it is; 0 when nothing had to be done.
    """
    peak = float(np.abs(audio).max(initial=0.0))
    ceiling = 10 ** (ceiling_db / 20)
    if peak <= ceiling:
        return audio.astype(np.float32), 0.0
    # One part in a million below, so that rounding to float32 cannot pass the ceiling.
    limited = (audio * (ceiling / peak * (1 - 1e-6))).astype(np.float32)
    return limited, float(20 * np.log10(peak / ceiling))


def _perform(
    voice: Voice,
    lines: list[Controls],
    profile: profiles_pb2.PlayerProfile,
    notices: list[str],
) -> Performance:
    if not voice.can_bend and _is_coloured_by_score(lines, profile):
        lines = [line._replace(timbre=None) for line in lines]
        notices = [*notices, "CC 74 is left out, for this voice was made before that."]
    audio = _mix(voice, lines, reverb_mix=profile.reverb_mix)
    audio *= 10 ** (profile.output_gain_db / 20)
    _fade_end(audio, voice.spec)
    audio, reduction_db = limit_peak(audio)
    if reduction_db >= 0.05:
        notices = [
            *notices,
            f"the whole is turned down by {reduction_db:.1f} dB so that its peak stays at {PEAK_CEILING_DB:g} dBFS.",
        ]
    record = _record(voice, lines, profile, -reduction_db)
    return Performance(audio, voice.spec.sample_rate, notices, record)


def _record(
    voice: Voice,
    lines: list[Controls],
    profile: profiles_pb2.PlayerProfile,
    gain_db: float,
) -> Record:
    who = voice.personality
    return Record(
        deu=who.deu,
        generation=who.generation,
        digest=who.digest,
        player_profile=profile,
        spec=voice.spec,
        gain_db=gain_db,
        lines=tuple(lines),
    )


def _is_coloured_by_score(
    lines: list[Controls], profile: profiles_pb2.PlayerProfile
) -> bool:
    """Whether nobody asks for another timbre but the controllers of a score."""
    asked = profile.harmonic_gain_db or profile.noise_gain_db or profile.brightness
    return not asked and any(line.timbre for line in lines)


def _mix(voice: Voice, lines: list[Controls], *, reverb_mix: float) -> np.ndarray:
    """Renders all phrases of all lines into one float64 sum, reverb tail included."""
    hop = voice.spec.hop_size
    silence_db = settle_silence(voice.personality.statistics)
    n_tail = _tail_frames(voice, reverb_mix)
    n_frames = max(len(line.f0_hz) for line in lines)
    audio = np.zeros((n_frames + n_tail) * hop)
    for line in lines:
        for start, end in _phrases(line, silence_db, voice.spec):
            phrase = _extend(line, slice(start, end), n_tail, silence_db)
            sound = voice.render(
                phrase.f0_hz,
                phrase.loudness_db,
                reverb_mix=reverb_mix,
                timbre=phrase.timbre,
            )
            _check_sound(sound, phrase, hop)
            audio[start * hop : start * hop + len(sound)] += sound
    return audio


def _phrases(
    line: Controls, silence_db: float, spec: AudioSpec
) -> Iterator[tuple[int, int]]:
    """Yields the stretches of a line between long rests as (start, end), end excluded."""
    sounding = np.flatnonzero((line.loudness_db > silence_db) | (line.f0_hz > 0))
    if not len(sounding):
        return
    breaks = np.flatnonzero(np.diff(sounding) > REST_S * spec.frame_rate)
    starts = sounding[np.concatenate([[0], breaks + 1])]
    ends = sounding[np.concatenate([breaks, [len(sounding) - 1]])] + 1
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        yield max(start - _LEAD_FRAMES, 0), min(end + 1, len(line.f0_hz))


def _extend(line: Controls, frames: slice, n_tail: int, silence_db: float) -> Controls:
    """Cuts a phrase out and adds silence for its reverb to ring in."""
    f0_hz, loudness_db, timbre = line.cut(frames)
    held = np.full(n_tail, -abs(f0_hz[-1]), np.float32)
    silence = np.full(n_tail, silence_db, np.float32)
    return Controls(
        np.concatenate([f0_hz, held]),
        np.concatenate([loudness_db, silence]),
        timbre and Timbre(*(np.pad(curve, (0, n_tail), "edge") for curve in timbre)),
    )


def _tail_frames(voice: Voice, reverb_mix: float) -> int:
    """Frames the learned reverb rings on for, and one for the voice to fall silent in."""
    learned = complete_learner_profile(voice.personality.learner_profile)
    duration_s = learned.reverb_duration_s if reverb_mix > 0 else 0.0
    return 1 + int(np.ceil(duration_s * voice.spec.frame_rate))


def _check_sound(sound: np.ndarray, phrase: Controls, hop: int) -> None:
    if sound.shape != (len(phrase.f0_hz) * hop,):
        raise VoiceError(
            f"the voice gave sound of shape {list(sound.shape)} for {len(phrase.f0_hz)} frames of {hop} samples: teach "
            "it anew, or play an earlier generation."
        )
    bad = int(np.count_nonzero(~np.isfinite(sound)))
    if bad:
        raise VoiceError(
            f"the voice gave {bad} samples of {len(sound)} that are no numbers: it is damaged, teach it anew, or play "
            "an earlier generation."
        )


def _fade_end(audio: np.ndarray, spec: AudioSpec) -> None:
    n_fade = min(round(END_FADE_S * spec.sample_rate), len(audio))
    audio[len(audio) - n_fade :] *= np.linspace(1, 0, n_fade)


def _load(sound: str | Path | np.ndarray, spec: AudioSpec) -> np.ndarray:
    if isinstance(sound, np.ndarray):
        return sound
    from amadeus.audio.decode import read

    return read(sound, sample_rate=spec.sample_rate)
