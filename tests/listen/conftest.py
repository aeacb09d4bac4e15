"""A studio for the coach: recordings, mixtures, single notes and melodies as files."""

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

    def listen(*takes, sample_rate=RATE, settings=(), name="take", **options):
        paths = []
        for number, audio in enumerate(takes):
            paths.append(tmp_path / f"{name}{number}.wav")
            soundfile.write(paths[-1], audio, sample_rate, subtype="FLOAT")
        learner = profile
        if settings:
            learner = profiles.complete_learner_profile(
                profiles.parse_learner_settings(settings)
            )
        return coach.listen(paths, profile=learner, **options)

    return listen


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def tune():
    """Plays melodies that no threshold of the coach was fitted on: chance notes with vibrato."""

    def play(seed, *, low=55, high=76, n_notes=16, seconds=0.5, a4_hz=440.0):
        rng = np.random.default_rng(seed)
        times = np.arange(round(seconds * RATE)) / RATE
        sounds = []
        for pitch_midi in rng.integers(low, high, n_notes):
            f0_hz = a4_hz * 2 ** ((pitch_midi - 69) / 12)
            swing = 1 + 0.012 * np.sin(2 * np.pi * 5.5 * times + rng.uniform(0, 6))
            phase = 2 * np.pi * np.cumsum(f0_hz * swing) / RATE
            n_partials = int(7_500 / f0_hz)
            slope = rng.uniform(0.8, 1.6)
            tone = sum(
                np.sin(k * phase + rng.uniform(0, 6)) / k**slope
                for k in range(1, n_partials + 1)
            )
            shape = np.minimum(times / 0.03, 1) * np.minimum(
                (times[-1] - times) / 0.06, 1
            )
            sounds.append(tone * shape * np.exp(-times))
        melody = np.concatenate(sounds)
        return (0.3 * melody / np.max(np.abs(melody))).astype(np.float32)

    return play
