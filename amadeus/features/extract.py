"""The one way from audio to features: training, evaluation and timbre transfer all come here."""

import math

import numpy as np

from amadeus.audio import AudioSpec
from amadeus.errors import ConfigError, RecordingError
from amadeus.features.loudness import measure_loudness
from amadeus.features.types import Features, Pitch, PitchTracker
from amadeus.features.voicing import fill_unvoiced, repair_octave_spikes, voiced_mask
from amadeus.personality import profiles
from amadeus.v1 import profiles_pb2

_SILENCE_PEAK = 1e-4  # below -80 dBFS: dither at most, where trackers answer at random
_SPIKE_S = 0.06  # octave slips of trackers are shorter than the shortest played notes


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
    pitch = _settle(_hush(pitch, audio, spec), profile=profile, spec=spec)
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
    if profile.f0_tracker == profiles_pb2.F0_TRACKER_SWIFT_F0:
        from amadeus.features.swift_f0 import SwiftF0Tracker

        return SwiftF0Tracker()
    from amadeus.features.crepe import CrepeTracker

    if profile.f0_tracker == profiles_pb2.F0_TRACKER_CREPE_FULL:
        return CrepeTracker("full", viterbi=profile.f0_viterbi)
    if profile.f0_tracker == profiles_pb2.F0_TRACKER_CREPE_TINY:
        return CrepeTracker("tiny", viterbi=profile.f0_viterbi)
    raise ConfigError(
        f"f0_tracker={profile.f0_tracker} is not known: choose swift_f0, crepe_full or crepe_tiny."
    )


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
    pitch: Pitch, *, profile: profiles_pb2.LearnerProfile, spec: AudioSpec
) -> Pitch:
    """Repairs spikes, fills unvoiced frames, and lowers the confidence of blips."""
    threshold = profile.f0_confidence_threshold
    voiced = voiced_mask(pitch, threshold=threshold)
    f0_hz = repair_octave_spikes(
        pitch.f0_hz, voiced, max_frames=round(_SPIKE_S * spec.frame_rate)
    )
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
