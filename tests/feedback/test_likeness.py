import numpy as np
import pytest

from amadeus.features.types import Features
from amadeus.feedback.likeness import MAX_WEIGHT, frame_taste, frame_weights
from tests.feedback.sounds import SPEC, tone


@pytest.fixture
def sounds(rng):
    """A dark, a middling and a bright note, in one passage each."""
    made = []
    for tilt_db in (-12.0, -8.0, -4.0):
        audio, pitch = tone(rng, tilt_db=tilt_db, noise_db=-30.0)
        n_frames = len(pitch.f0_hz)
        features = Features(pitch.f0_hz, np.ones(n_frames), np.full(n_frames, -20.0))
        made.append((audio, features))
    return made


def weigh(sounds, **taste):
    return frame_weights(sounds, taste, spec=SPEC, threshold=0.5)


def test_without_a_taste_all_frames_weigh_alike(sounds):
    for (_, features), weights in zip(sounds, weigh(sounds), strict=True):
        np.testing.assert_array_equal(weights, np.ones(len(features.f0_hz)))


@pytest.mark.parametrize("sign", [-1, 1])
def test_what_is_liked_weighs_more(sounds, sign):
    medians = [
        float(np.median(weights[20:-20]))
        for weights in weigh(sounds, brightness_octaves=sign)
    ]
    assert medians == sorted(medians, reverse=sign < 0)
    assert max(medians) > 1.5 * min(medians)


def test_swapping_good_and_bad_turns_weights_over(sounds):
    liked, disliked = (weigh(sounds, noise_db=sign) for sign in (1, -1))
    for ours, theirs in zip(liked, disliked, strict=True):
        np.testing.assert_allclose(ours * theirs, 1.0, rtol=1e-9)


def test_weights_are_bounded(sounds):
    for weights in weigh(sounds, brightness_octaves=1, tilt_db=1, noise_db=-1):
        assert weights.min() >= 1 / MAX_WEIGHT - 1e-9
        assert weights.max() <= MAX_WEIGHT + 1e-9


def test_frames_without_a_pitch_weigh_one(sounds):
    audio, features = sounds[0]
    silent = features._replace(f0_confidence=np.zeros(len(features.f0_hz)))
    weights = weigh([(audio, silent), *sounds[1:]], brightness_octaves=1.0)
    np.testing.assert_array_equal(weights[0], 1.0)


def test_of_a_taste_frames_know_the_timbre():
    taste = frame_taste(
        {"brightness_octaves": -3.0, "attack_octaves": 1, "noise_db": 0}
    )
    assert taste == {"brightness_octaves": -1.0}
