"""Whatever engine computes a step, it is the same step."""

import numpy as np
import pytest
import tensorflow as tf

from amadeus.native import library
from amadeus.voice.learner import Learner
from amadeus.voice.sampler import CropSampler


@pytest.fixture
def crops(profile, make_passage):
    sampler = CropSampler(
        [make_passage(seconds=3.0)],
        n_frames=50,
        batch_size=3,
        f0_confidence_threshold=0.5,
        seed=1,
    )
    audio, *features = sampler.crops(0)
    # Without a noise floor the loss compares the rounding of transforms, which every library has its own way of.
    hiss = 1e-4 * np.random.default_rng(2).standard_normal(audio.shape)
    return [tf.constant(field, tf.float32) for field in (audio + hiss, *features)]


def learn(profile, crops, n_steps):
    learner = Learner(profile)
    losses = [float(learner.learn(*crops, tf.constant(1e-3))) for _ in range(n_steps)]
    return losses, learner.model.weights()


def test_kernels_and_tensorflow_take_the_same_steps(profile, crops, monkeypatch):
    library.load.cache_clear()
    if not library.is_available():
        pytest.skip("the kernels are not built on this machine")
    losses, weights = learn(profile, crops, 3)
    monkeypatch.setenv("AMADEUS_NATIVE", "0")
    library.load.cache_clear()
    try:
        expected_losses, expected_weights = learn(profile, crops, 3)
    finally:
        monkeypatch.undo()
        library.load.cache_clear()
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-3)
    for name, value in expected_weights.items():
        difference = np.linalg.norm(weights[name] - value)
        assert difference <= 0.02 * np.linalg.norm(value) + 1e-4, name


def test_steps_are_the_same_again(profile, crops):
    first, again = (learn(profile, crops, 3) for _ in range(2))
    assert first[0] == again[0]
    for name, value in first[1].items():
        np.testing.assert_array_equal(value, again[1][name])


def test_a_step_lowers_the_loss_of_its_own_crops(profile, crops):
    losses, _ = learn(profile, crops, 12)
    assert losses[-1] < 0.9 * losses[0]
