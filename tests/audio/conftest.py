"""Sounds and files that the tests of audio share."""

import numpy as np
import pytest
import soundfile


@pytest.fixture
def sine():
    def make(f0_hz, seconds, sample_rate=16_000, amplitude=0.5):
        times = np.arange(round(seconds * sample_rate)) / sample_rate
        return (amplitude * np.sin(2 * np.pi * f0_hz * times)).astype(np.float32)

    return make


@pytest.fixture
def save(tmp_path):
    def write(audio, sample_rate=16_000, name="take.wav", **options):
        soundfile.write(tmp_path / name, audio, sample_rate, **options)
        return tmp_path / name

    return write
