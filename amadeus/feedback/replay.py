"""The marked regions before and after: what was played, played again by the turned knobs.

A take holds what each frame was told, so what the knobs do to frames is heard as it will be: brightness, gains,
loudness, the scale of the vibrato. What they do to the shape of notes (attacks, the rate of a vibrato, a vibrato where
none was) needs the score, which a take does not hold, and is left as it was.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from amadeus.audio import AudioSpec
from amadeus.feedback.regions import Region
from amadeus.feedback.takes import Take
from amadeus.play.notation import Controls, Timbre
from amadeus.play.perform import Voice, limit_peak, perform_controls
from amadeus.v1 import profiles_pb2

FOLDER_NAME = "regions"
MAX_REGIONS = 8
MAX_REGION_S = 10.0
OF_NOTES = ("attack_scale", "vibrato_rate_hz", "vibrato_depth_cents")

_WAVE_S = 0.2  # a period of vibrato, over which its middle is taken
_MAX_SWING = 1.0  # semitones; what moves farther is a glide


class Pair(NamedTuple):
    """A region, by its place among those marked, before and after. Float32, shapes [n_samples]."""

    number: int
    before: np.ndarray
    after: np.ndarray


def replay(
    takes: Sequence[Take],
    regions: Sequence[Region],
    voice: Voice,
    profile: profiles_pb2.PlayerProfile,
) -> list[Pair]:
    """Plays the first regions again; none of takes that do not say what was played.

    Args:
      takes: As they were judged.
      regions: Within them.
      voice: Who plays.
      profile: How it will play, complete.
    """
    again: dict[int, np.ndarray] = {}
    pairs = []
    for number, region in enumerate(regions[:MAX_REGIONS], 1):
        take = takes[region.take]
        if take.record is None or not take.record.lines:
            continue
        if take.record.spec != voice.spec:
            continue
        if region.take not in again:
            again[region.take] = _play(take, voice, profile)
        end_s = min(region.end_s, region.start_s + MAX_REGION_S)
        span = slice(
            *(round(s * take.spec.sample_rate) for s in (region.start_s, end_s))
        )
        pairs.append(_level(number, take.audio[span], again[region.take][span]))
    return pairs


def write_pairs(
    pairs: Sequence[Pair], practice_path: Path, *, sample_rate: int
) -> None:
    """Writes pairs into the folder of a practice, where its report finds them.

    Raises:
      HomeError: The folder cannot be written.
    """
    from amadeus.audio.write import write_wav
    from amadeus.home import explain_os_errors

    folder = practice_path / FOLDER_NAME
    with explain_os_errors(folder):
        folder.mkdir(exist_ok=True)
    for pair in pairs:
        for name, sound in (("before", pair.before), ("after", pair.after)):
            write_wav(
                folder / f"{pair.number}-{name}.wav", sound, sample_rate=sample_rate
            )


def turn_controls(
    line: Controls,
    before: profiles_pb2.PlayerProfile,
    after: profiles_pb2.PlayerProfile,
    *,
    spec: AudioSpec,
) -> Controls:
    """What a line would have been told, had the knobs stood otherwise."""
    loudness_db = line.loudness_db + np.where(
        line.f0_hz > 0, after.loudness_offset_db - before.loudness_offset_db, 0.0
    )
    f0_hz = line.f0_hz
    if before.vibrato_scale > 0 and after.vibrato_scale != before.vibrato_scale:
        f0_hz = _swing(f0_hz, after.vibrato_scale / before.vibrato_scale, spec)
    changes = [
        getattr(after, name) - getattr(before, name)
        for name in ("harmonic_gain_db", "noise_gain_db", "brightness")
    ]
    timbre = line.timbre
    if any(changes):
        curves = timbre or Timbre(*(np.zeros(len(f0_hz)) for _ in changes))
        timbre = Timbre(
            *(
                (curve + change).astype(np.float32)
                for curve, change in zip(curves, changes, strict=True)
            )
        )
    return Controls(f0_hz.astype(np.float32), loudness_db.astype(np.float32), timbre)


def _play(take: Take, voice: Voice, profile: profiles_pb2.PlayerProfile) -> np.ndarray:
    record = take.record
    assert record is not None
    lines = [
        turn_controls(line, record.player_profile, profile, spec=record.spec)
        for line in record.lines
    ]
    performance = perform_controls(voice, lines, profile)
    gain_db = performance.record.gain_db if performance.record else 0.0
    audio = performance.audio * np.float32(10 ** (-gain_db / 20))
    return np.pad(audio, (0, max(0, len(take.audio) - len(audio))))


def _level(number: int, before: np.ndarray, after: np.ndarray) -> Pair:
    """Turns both down alike where one is too loud for a file."""
    n_samples = min(len(before), len(after))
    both, _ = limit_peak(np.concatenate([before[:n_samples], after[:n_samples]]))
    return Pair(number, both[:n_samples], both[n_samples:])


def _swing(f0_hz: np.ndarray, factor: float, spec: AudioSpec) -> np.ndarray:
    """Scales how far the pitch swings around its middle."""
    semitones = 12 * np.log2(np.abs(f0_hz))
    size = round(_WAVE_S * spec.frame_rate) | 1
    padded = np.pad(semitones, size // 2, mode="edge")
    middle = np.convolve(padded, np.full(size, 1 / size), mode="valid")
    swing = semitones - middle
    is_wave = np.abs(swing) < _MAX_SWING
    scaled = middle + swing * np.where(is_wave, factor, 1.0)
    return np.sign(f0_hz) * 2 ** (scaled / 12)
