"""Recordings made of synthetic notes."""

from pathlib import Path

import numpy as np
import soundfile

SAMPLE_RATE = 16_000


def notes(rng, *, seconds, f0_hz=220.0, n_harmonics=6):
    """A row of harmonic notes of half a second, each with attack and decay."""
    n_samples = round(seconds * SAMPLE_RATE)
    time_s = np.arange(n_samples) / SAMPLE_RATE
    scale = 2 ** (rng.integers(0, 12, size=n_samples // 8_000 + 1) / 12)
    pitch_hz = f0_hz * scale[np.arange(n_samples) // 8_000]
    phase = 2 * np.pi * np.cumsum(pitch_hz) / SAMPLE_RATE
    tones = sum(np.sin(k * phase) / k for k in range(1, n_harmonics + 1))
    envelope = np.minimum(time_s % 0.5 / 0.05, 1) * np.exp(-2 * (time_s % 0.5))
    return (0.3 * tones * envelope).astype(np.float32)


def write(path: Path, audio) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio, SAMPLE_RATE, subtype="PCM_16")
    return path


def write_takes(folder: Path, rng, *, n_takes, seconds=2.0) -> list[Path]:
    return [
        write(folder / f"take-{number}.wav", notes(rng, seconds=seconds))
        for number in range(n_takes)
    ]
