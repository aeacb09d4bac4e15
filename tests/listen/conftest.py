"""A studio for the coach: recordings, mixtures and single notes as files."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from amadeus.audio import decode
from amadeus.listen import coach
from amadeus.personality import profiles

RATE = 16_000
RECORDINGS = Path(__file__).parents[1] / "data" / "sms"


@pytest.fixture(scope="session")
def profile():
    return profiles.complete_learner_profile()


@pytest.fixture(scope="session")
def recording():
    def load(name):
        audio = decode.read(RECORDINGS / f"{name}.flac", sample_rate=RATE)
        return 0.5 * audio / np.max(np.abs(audio))

    return load


@pytest.fixture
def hear(tmp_path, profile):
    """Writes takes and listens to them."""

    def listen(*takes, sample_rate=RATE, **options):
        paths = []
        for number, audio in enumerate(takes):
            paths.append(tmp_path / f"take{number}.wav")
            soundfile.write(paths[-1], audio, sample_rate, subtype="FLOAT")
        return coach.listen(paths, profile=profile, **options)

    return listen


@pytest.fixture
def note():
    def play(f0_hz, seconds, level_db=-12.0, sample_rate=RATE):
        times = np.arange(round(seconds * sample_rate)) / sample_rate
        partials = [
            np.sin(2 * np.pi * k * f0_hz * times) / k
            for k in range(1, int(0.49 * sample_rate / f0_hz))
        ]
        fade = np.clip(np.minimum(times, times[-1] - times) / 0.02, 0, 1)
        tone = np.sum(partials, axis=0) * fade
        return (10 ** (level_db / 20) * tone / np.max(np.abs(tone))).astype(np.float32)

    return play
