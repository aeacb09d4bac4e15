"""Sounds whose pitch and shape are known, synthesized for the tests of features."""

from pathlib import Path

import numpy as np

from amadeus.audio import AudioSpec
from amadeus.features import Features

EXAMPLES = Path(__file__).parents[2] / "examples"
SPEC = AudioSpec(sample_rate=16_000, frame_rate=100)


def reed(f0_hz, *, sample_rate, amplitude=0.2):
    """A tone with harmonics that fall by 1/k, below 0.48 of the sample rate."""
    phase = 2 * np.pi * np.cumsum(f0_hz) / sample_rate
    partials = (
        np.sin(k * phase) / k * (k * f0_hz < 0.48 * sample_rate) for k in range(1, 20)
    )
    return (amplitude * sum(partials)).astype(np.float32)


def sweep_hz(low_hz, high_hz, *, seconds, sample_rate):
    """A pitch that rises evenly in the logarithm."""
    return np.geomspace(low_hz, high_hz, round(seconds * sample_rate))


def at_frames(values, spec, n_frames, *, lag_frames=0.0):
    """Samples a curve given per sample at the centres of frames."""
    centres = (np.arange(n_frames) + lag_frames) * spec.hop_size
    return np.interp(centres, np.arange(len(values)), values)


def cents(f0_hz, true_hz):
    return 1200 * np.log2(np.asarray(f0_hz, np.float64) / true_hz)


def features(*, pitch_midi, loudness_db, confidence=1.0):
    """Features made of curves, without any audio."""
    f0_hz = 440 * 2 ** ((np.asarray(pitch_midi, np.float64) - 69) / 12)
    loudness_db = np.asarray(loudness_db, np.float32)
    return Features(
        np.broadcast_to(f0_hz, loudness_db.shape).astype(np.float32),
        np.broadcast_to(confidence, loudness_db.shape).astype(np.float32),
        loudness_db,
    )
