import numpy as np
import pytest
import tensorflow as tf

from amadeus.voice.model import MAX_LOUDNESS_DB, MIN_LOUDNESS_DB, VoiceModel
from amadeus.voice.reach import find_reach

REACH_DB = np.array([[-70.0, -30.0], [-50.0, -20.0]], np.float32)


@pytest.fixture
def model(profile):
    voice = VoiceModel(profile)
    voice.limit_reach(REACH_DB)
    return voice


def _level_db(model, loudness_db, f0_hz):
    """Level of the noise, and of the harmonics where there are any."""
    frames = [np.full([1, 9], value, np.float32) for value in (f0_hz, loudness_db)]
    controls = model.controls(*frames)
    parts = [controls.noise_magnitudes] + [controls.amplitude] * (f0_hz > 0)
    return 20 * np.log10([np.mean(part[0, -1]) for part in parts])


@pytest.mark.parametrize("beyond_db", [-10, -20, 6])
def test_beyond_its_reach_a_voice_follows_loudness_decibel_by_decibel(model, beyond_db):
    edge_db = REACH_DB[1, 1] if beyond_db > 0 else REACH_DB[1, 0]
    edge = _level_db(model, edge_db, 220.0)
    beyond = _level_db(model, edge_db + beyond_db, 220.0)
    np.testing.assert_allclose(beyond - edge, beyond_db, atol=1e-3)


def test_unvoiced_frames_have_a_reach_of_their_own(model):
    noise_db = [_level_db(model, db, -220.0)[0] for db in (-70, -73)]
    assert noise_db[1] - noise_db[0] == pytest.approx(-3, abs=1e-3)
    inside = [_level_db(model, db, -220.0)[0] for db in (-60, -65)]
    assert inside[1] - inside[0] != pytest.approx(-5, abs=1e-3)


@pytest.mark.parametrize("f0_hz", [220.0, -220.0])
def test_at_the_floor_of_loudness_a_voice_is_silent(model, f0_hz):
    f0_hz = tf.fill([1, 20], f0_hz)
    silence = tf.zeros([1, model.state_size])
    audio = model.perform(f0_hz, tf.fill([1, 20], -80.0), silence).audio
    np.testing.assert_array_equal(audio, 0.0)


def test_inside_its_reach_nothing_changes(profile, model):
    free = VoiceModel(profile)
    np.testing.assert_array_equal(
        _level_db(model, -35, 220.0), _level_db(free, -35, 220.0)
    )


def test_the_reach_is_that_of_the_recordings(make_passage):
    passage = make_passage(seconds=4.0)
    unvoiced, voiced = find_reach([passage], f0_confidence_threshold=0.5)
    np.testing.assert_array_equal(unvoiced, [MIN_LOUDNESS_DB, MAX_LOUDNESS_DB])
    expected = np.quantile(passage.features.loudness_db, [0.01, 0.999])
    np.testing.assert_allclose(voiced, expected, atol=1e-3)
