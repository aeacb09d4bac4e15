"""A voice small enough to teach in seconds, and sounds made up for it."""

import numpy as np
import pytest

from amadeus.features import Features
from amadeus.personality import profiles
from amadeus.v1 import profiles_pb2

SETTINGS = {
    "sample_rate": 8_000,
    "frame_rate": 50,
    "harmonic_count": 8,
    "noise_band_count": 9,
    "recurrent_unit_count": 16,
    "dense_unit_count": 16,
    "dense_layer_count": 1,
    "reverb_duration_s": 0.05,
    "crop_duration_s": 0.5,
    "batch_size": 2,
    "step_count": 8,
    "learning_rate": 0.01,
}


@pytest.fixture(scope="session")
def make_profile():
    def make(**settings):
        chosen = profiles_pb2.LearnerProfile(**{**SETTINGS, **settings})
        return profiles.complete_learner_profile(chosen)

    return make


@pytest.fixture(scope="session")
def profile(make_profile):
    return make_profile()


@pytest.fixture(scope="session")
def make_passage(profile):
    """A buzzing tone with three harmonics that fades in and out, and its true features."""
    from amadeus.voice.sampler import Passage

    spec = profiles.spec(profile)

    def make(f0_hz=220.0, seconds=2.0, take="a"):
        n_samples = round(seconds * spec.sample_rate)
        time_s = np.arange(n_samples) / spec.sample_rate
        swell = 0.3 * np.sin(np.pi * time_s / seconds) ** 2
        tones = [np.sin(2 * np.pi * k * f0_hz * time_s) / k for k in (1, 2, 3)]
        audio = (swell * np.sum(tones, axis=0)).astype(np.float32)
        n_frames = spec.n_frames(n_samples)
        frame_s = np.arange(n_frames) / spec.frame_rate
        power = (0.3 * np.sin(np.pi * frame_s / seconds) ** 2) ** 2 + 1e-8
        features = Features(
            f0_hz=np.full(n_frames, f0_hz, np.float32),
            f0_confidence=np.ones(n_frames, np.float32),
            loudness_db=(10 * np.log10(power)).astype(np.float32),
        )
        return Passage(audio, features, take, f"{take}.wav", 0, spec)

    return make


@pytest.fixture
def gestures(rng):
    """Pitch and loudness of three rows that do all that is allowed: glide, leap, fall silent, lose the pitch."""
    n_frames = 60
    f0_hz = rng.uniform(100, 900, [3, n_frames])
    f0_hz[:, 20:30] *= -1
    f0_hz[1, 35:40] = 0
    f0_hz[2, :5] = 0
    loudness_db = rng.uniform(-70, 0, [3, n_frames])
    return f0_hz.astype(np.float32), loudness_db.astype(np.float32)
