"""Timbre transfer: another sound's features as controls, moved to where the voice is at home.

  - Pitch moves by whole octaves, so that the notes fall into the range the voice learned.
  - Loudness is mapped by quantiles: the input's softest note frame plays at the softest the voice
    learned, its median at the learned median, and so on between; the map only rises. An input with
    little dynamics keeps little: its span is at most doubled. The loudness curve bends what comes out.
  - Background becomes silence, and sound outside notes is pulled down by up to 20 dB.

Conventions: features are centred, controls end their block: frame i + 1 is control i.
Reference: the idea of quantile mapping is that of Engel et al., "DDSP: Differentiable Digital
Signal Processing", ICLR 2020, timbre transfer demonstration.
"""

from typing import Literal, NamedTuple

import numpy as np

from amadeus.audio import AudioSpec
from amadeus.errors import ConfigError, RecordingError
from amadeus.features.types import Features
from amadeus.features.voicing import voiced_mask
from amadeus.play.dynamics import curve_loudness
from amadeus.play.notation import Controls
from amadeus.play.style import (
    finite_quantiles,
    settle_loudness_range,
    settle_pitch_offset,
    settle_pitch_range,
    settle_silence,
    settle_timbre,
)
from amadeus.v1 import personality_pb2, profiles_pb2

MIN_VOICED_S = 0.1  # less pitch than this is no melody
MAX_OCTAVES = 6
OUTSIDE_NOTES_DB = 20.0  # what sounds outside notes is this much softer
NOTE_MARGIN_S = 0.05  # the pull sets in gradually over this time

_LOUDNESS_FLOOR_DB = -80.0  # features end here
_QUANTILES = np.linspace(0, 1, 101)


class Transfer(NamedTuple):
    """Controls and the octaves the pitch was moved by. Arrays of shape [n_frames - 1]."""

    controls: Controls
    octaves: int


def map_features(
    features: Features,
    *,
    statistics: personality_pb2.Statistics,
    player_profile: profiles_pb2.PlayerProfile,
    spec: AudioSpec,
    threshold: float,
    octave: Literal["auto"] | int = "auto",
) -> Transfer:
    """Maps the features of a sound into the range of a voice.

    Args:
      features: Of the sound. Shapes [n_frames].
      statistics: What the voice learned from; what is missing leaves the input as it is.
      player_profile: Complete; what it says of pitch, loudness and timbre applies, not what it says of notes.
      spec: The clock of the features.
      threshold: Confidence below which a frame is unvoiced.
      octave: Octaves to move by, or `auto`.

    Raises:
      RecordingError: The sound has no pitch to follow.
      ConfigError: More than 6 octaves are asked for.
    """
    voiced = voiced_mask(features, threshold=threshold)
    _check_pitch(voiced, spec)
    pitch_midi = 69 + 12 * np.log2(np.maximum(features.f0_hz, 1.0) / 440)
    octaves = _choose_octaves(octave, pitch_midi[voiced], statistics)
    silence_db = settle_silence(statistics)
    loudness_db = _map_loudness(
        features.loudness_db.astype(np.float64), voiced, statistics, silence_db
    )
    softest_db, loudest_db = settle_loudness_range(statistics)
    loudness_db = curve_loudness(
        loudness_db,
        softest_db=softest_db,
        loudest_db=loudest_db,
        curve=player_profile.loudness_curve,
    )
    presence = _presence(voiced, spec)
    loudness_db = loudness_db - OUTSIDE_NOTES_DB * (1 - presence)
    loudness_db = _offset(loudness_db, player_profile.loudness_offset_db, silence_db)
    shift = 12 * octaves + settle_pitch_offset(player_profile)
    f0_hz = features.f0_hz * np.exp2(shift / 12)
    f0_hz = np.clip(f0_hz, 1.0, 0.49 * spec.sample_rate)
    floor_db = np.where(voiced, softest_db, silence_db)
    brightness = np.full(len(f0_hz), player_profile.brightness)
    controls = Controls(
        np.where(voiced, f0_hz, -f0_hz).astype(np.float32),
        np.maximum(loudness_db, floor_db).astype(np.float32),
        settle_timbre(brightness, player_profile),
    )
    return Transfer(controls.cut(slice(1, None)), octaves)


def _check_pitch(voiced: np.ndarray, spec: AudioSpec) -> None:
    voiced_s = np.count_nonzero(voiced) / spec.frame_rate
    if voiced_s < MIN_VOICED_S:
        raise RecordingError(
            f"a pitch was found in {voiced_s:.2f} s of {len(voiced) / spec.frame_rate:.1f} s and the voice needs at "
            f"least {MIN_VOICED_S:g} s to follow: give a sound with one clear melody, such as humming."
        )


def _choose_octaves(
    octave: Literal["auto"] | int,
    pitch_midi: np.ndarray,
    statistics: personality_pb2.Statistics,
) -> int:
    if octave != "auto":
        if abs(int(octave)) > MAX_OCTAVES:
            raise ConfigError(
                f"octave={octave} is out of range: choose auto or {-MAX_OCTAVES} to {MAX_OCTAVES}."
            )
        return int(octave)
    learned_range = settle_pitch_range(statistics)
    if learned_range is None:
        return 0
    low, high = learned_range

    def cost(octaves: int) -> tuple[float, float, int]:
        median_outside = _outside(np.median(pitch_midi) + 12 * octaves, low, high)
        outside = _outside(pitch_midi + 12 * octaves, low, high).mean()
        return round(float(median_outside), 3), round(float(outside), 3), abs(octaves)

    return min(range(-MAX_OCTAVES, MAX_OCTAVES + 1), key=cost)


def _outside(pitch_midi: np.ndarray, low: float, high: float) -> np.ndarray:
    """Semitones outside [low, high], 0 inside."""
    return np.maximum(low - pitch_midi, 0) + np.maximum(pitch_midi - high, 0)


def _map_loudness(
    loudness_db: np.ndarray,
    voiced: np.ndarray,
    statistics: personality_pb2.Statistics,
    silence_db: float,
) -> np.ndarray:
    """A rising map: background to silence, quantiles of notes to learned quantiles."""
    notes_db = loudness_db[voiced]
    given = np.quantile(notes_db, _QUANTILES)
    wanted = _learned_quantiles(statistics, given)
    points, place = np.unique(given, return_inverse=True)
    targets = np.bincount(place, wanted) / np.bincount(place)  # one target per level
    background_db = _background(loudness_db[~voiced], points[0])
    return np.interp(
        loudness_db,
        np.concatenate([[background_db], points]),
        np.concatenate([[silence_db], np.maximum(targets, silence_db)]),
    )


def _learned_quantiles(
    statistics: personality_pb2.Statistics, given: np.ndarray
) -> np.ndarray:
    learned = finite_quantiles(statistics.loudness_quantiles_db)
    if not learned:
        return given
    wanted = np.interp(_QUANTILES, np.linspace(0, 1, len(learned)), learned)
    span_db = wanted[-1] - wanted[0]
    allowed_db = 2 * (given[-1] - given[0])
    middle_db = wanted[len(wanted) // 2]
    return middle_db + (wanted - middle_db) * min(1, allowed_db / max(span_db, 1e-6))


def _background(outside_db: np.ndarray, softest_note_db: float) -> float:
    """Loudness of the input that counts as silence; below its softest note."""
    background_db = np.median(outside_db) if len(outside_db) else _LOUDNESS_FLOOR_DB
    return float(min(background_db, softest_note_db - 6.0))


def _presence(voiced: np.ndarray, spec: AudioSpec) -> np.ndarray:
    """1 within notes, falling to 0 over `NOTE_MARGIN_S` around them. Shape [n_frames]."""
    frames = np.arange(len(voiced))
    at = np.flatnonzero(voiced)
    right = np.minimum(np.searchsorted(at, frames), len(at) - 1)
    left = np.maximum(right - 1, 0)
    distance = np.minimum(np.abs(at[right] - frames), np.abs(at[left] - frames))
    return np.maximum(1 - distance / (NOTE_MARGIN_S * spec.frame_rate), 0)


def _offset(loudness_db: np.ndarray, offset_db: float, silence_db: float) -> np.ndarray:
    """Adds an offset; a raise grows in over the lowest 20 dB, so that silence stays silent."""
    if offset_db <= 0:
        return loudness_db + offset_db
    return loudness_db + offset_db * np.clip((loudness_db - silence_db) / 20, 0, 1)
