"""The one way from audio to features: training, evaluation and timbre transfer all come here."""

import math
from collections.abc import Callable

import numpy as np

from amadeus.audio import AudioSpec
from amadeus.errors import ConfigError, RecordingError
from amadeus.features.loudness import measure_loudness
from amadeus.features.octaves import repair_octave_slips
from amadeus.features.types import Features, Pitch, PitchTracker
from amadeus.features.voicing import (
    fill_unvoiced,
    repair_note_edges,
    repair_octave_spikes,
    voiced_mask,
)
from amadeus.personality import profiles
from amadeus.v1 import profiles_pb2

_SILENCE_PEAK = 1e-4  # below -80 dBFS: dither at most, where trackers answer at random
_SPIKE_S = 0.06  # octave slips of trackers are shorter than the shortest played notes
_EDGE_S = 0.05  # and so are their stumbles where a note begins or ends
_OCTAVE_EDGE_S = 0.08  # nobody plays a grace note an octave away
_GLIDE_SEMITONES_PER_S = 250.0  # no glide is faster
_MIN_LEAP_SEMITONES = 2.5


def extract(
    audio: np.ndarray,
    *,
    profile: profiles_pb2.LearnerProfile,
    tracker: PitchTracker | None = None,
) -> Features:
    """Extracts pitch, confidence and loudness.

    Args:
      audio: Mono, in [-1, 1], at `profile.sample_rate`. Shape [n_samples].
      profile: Complete.
      tracker: Made by `make_tracker(profile)`; hand it in when extracting more than once.

    Returns:
      Features, arrays of shape [n_samples // hop_size + 1].

    Raises:
      RecordingError: The audio is empty, has channels, or holds NaN or infinite samples.
    """
    _check(audio)
    spec = profiles.spec(profile)
    pitch = (tracker or make_tracker(profile)).track(
        audio, spec=spec, f0_min_hz=profile.f0_min_hz, f0_max_hz=profile.f0_max_hz
    )
    pitch = _settle(_hush(pitch, audio, spec), audio, profile=profile, spec=spec)
    loudness_db = measure_loudness(
        audio, spec=spec, weighting=profile.loudness_weighting
    )
    return Features(pitch.f0_hz, pitch.f0_confidence, loudness_db)


def make_tracker(profile: profiles_pb2.LearnerProfile) -> PitchTracker:
    """Loads the pitch tracker a profile asks for.

    Args:
      profile: Complete.

    Raises:
      ConfigError: The tracker is unknown, or its weights are missing or damaged.
    """
    make = _MAKERS.get(profile.f0_tracker)
    if make is None:
        known = [
            profiles_pb2.F0Tracker.Name(number).removeprefix("F0_TRACKER_").lower()
            for number in _MAKERS
        ]
        raise ConfigError(
            f"f0_tracker={profile.f0_tracker} is not known: choose {', '.join(known[:-1])} or {known[-1]}."
        )
    return make(profile)


def _check(audio: np.ndarray) -> None:
    if audio.ndim != 1 or not len(audio):
        raise RecordingError(
            f"audio of shape {list(audio.shape)} has no features: give one channel of at least one sample."
        )
    if not np.isfinite(audio).all():
        raise RecordingError(
            f"{np.count_nonzero(~np.isfinite(audio))} of {len(audio)} samples are not finite: mend the recording."
        )


def _hush(pitch: Pitch, audio: np.ndarray, spec: AudioSpec) -> Pitch:
    """Takes all confidence from frames whose two surrounding hops are digitally silent."""
    hop = spec.hop_size
    n_frames = len(pitch.f0_hz)
    padded = np.zeros((n_frames + 1) * hop, np.float32)
    padded[hop : hop + len(audio)] = np.abs(audio[: n_frames * hop])
    peaks = padded.reshape(-1, hop).max(axis=1)
    silent = np.maximum(peaks[:-1], peaks[1:]) < _SILENCE_PEAK
    return pitch._replace(f0_confidence=np.where(silent, 0.0, pitch.f0_confidence))


def _settle(
    pitch: Pitch,
    audio: np.ndarray,
    *,
    profile: profiles_pb2.LearnerProfile,
    spec: AudioSpec,
) -> Pitch:
    """Repairs slips, fills unvoiced frames, and lowers the confidence of blips."""
    threshold = profile.f0_confidence_threshold
    voiced = voiced_mask(pitch, threshold=threshold)
    f0_hz = _repair(pitch.f0_hz, voiced, audio, spec)
    middle = math.sqrt(profile.f0_min_hz * profile.f0_max_hz)
    f0_hz = fill_unvoiced(f0_hz, voiced, otherwise=middle)
    if not voiced.any():
        return Pitch(f0_hz, np.zeros(len(f0_hz), np.float32))
    # A blip must not look voiced: its pitch was replaced.
    below = np.nextafter(np.float32(threshold), np.float32(0))
    confidence = np.where(
        voiced, pitch.f0_confidence, np.minimum(pitch.f0_confidence, below)
    )
    return Pitch(f0_hz, np.clip(confidence, 0.0, 1.0).astype(np.float32))


def _repair(
    f0_hz: np.ndarray, voiced: np.ndarray, audio: np.ndarray, spec: AudioSpec
) -> np.ndarray:
    """Mends what trackers do and players do not."""
    f0_hz = repair_octave_slips(f0_hz, voiced, audio, spec=spec)
    f0_hz = repair_octave_spikes(
        f0_hz, voiced, max_frames=round(_SPIKE_S * spec.frame_rate)
    )
    return repair_note_edges(
        f0_hz,
        voiced,
        max_frames=round(_EDGE_S * spec.frame_rate),
        max_octave_frames=round(_OCTAVE_EDGE_S * spec.frame_rate),
        leap_semitones=max(
            _MIN_LEAP_SEMITONES, _GLIDE_SEMITONES_PER_S / spec.frame_rate
        ),
    )


# Each loads only what it needs: networks cost time and memory.


def _make_swift_f0(_: profiles_pb2.LearnerProfile) -> PitchTracker:
    from amadeus.features.swift_f0 import SwiftF0Tracker

    return SwiftF0Tracker()


def _make_crepe_full(profile: profiles_pb2.LearnerProfile) -> PitchTracker:
    from amadeus.features.crepe import CrepeTracker

    return CrepeTracker("full", viterbi=profile.f0_viterbi)


def _make_crepe_tiny(profile: profiles_pb2.LearnerProfile) -> PitchTracker:
    from amadeus.features.crepe import CrepeTracker

    return CrepeTracker("tiny", viterbi=profile.f0_viterbi)


def _make_auto(_: profiles_pb2.LearnerProfile) -> PitchTracker:
    from amadeus.features.auto import AutoTracker

    return AutoTracker()


def _make_yin(_: profiles_pb2.LearnerProfile) -> PitchTracker:
    from amadeus.features.yin import YinTracker

    return YinTracker()


_MAKERS: dict[int, Callable[[profiles_pb2.LearnerProfile], PitchTracker]] = {
    profiles_pb2.F0_TRACKER_SWIFT_F0: _make_swift_f0,
    profiles_pb2.F0_TRACKER_CREPE_FULL: _make_crepe_full,
    profiles_pb2.F0_TRACKER_CREPE_TINY: _make_crepe_tiny,
    profiles_pb2.F0_TRACKER_AUTO: _make_auto,
    profiles_pb2.F0_TRACKER_YIN: _make_yin,
}
