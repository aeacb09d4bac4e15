"""The peer is ddsp itself, and what is timed beside it is the same network."""

import numpy as np
import pytest
import tensorflow as tf

from amadeus.personality import profiles
from amadeus.voice import decoder
from amadeus.voice.engine import STANDARD, fastest
from benchmarks.measures import peer, same_network

N_FRAMES = 100


@pytest.fixture(scope="module")
def crops():
    rng = np.random.default_rng(440)
    f0_hz = rng.uniform(100, 400, (2, N_FRAMES))
    loudness_db = rng.uniform(-60, -10, (2, N_FRAMES))
    return f0_hz.astype(np.float32), loudness_db.astype(np.float32)


@pytest.fixture(scope="module")
def theirs(crops):
    solo = peer.SoloInstrument(crop_s=N_FRAMES / peer.FRAME_RATE)
    f0_hz, loudness_db = crops
    solo.render(f0_hz[0], loudness_db[0])  # makes its weights
    return solo


def make_voice(engine):
    profile = profiles.parse_learner_settings(same_network.SETTINGS)
    profile = profiles.complete_learner_profile(profile)
    return same_network.SoloVoice(profile, engine=engine)


def test_the_peer_plays_a_sample_for_each_control(theirs, crops):
    audio = theirs.render(crops[0][0, :37], crops[1][0, :37])
    assert audio.shape == (37 * peer.HOP_SIZE,)
    assert np.isfinite(audio).all()
    assert np.abs(audio).max() > 0


@pytest.mark.parametrize(
    ("engine", "tolerance"),
    [(STANDARD, 1e-4), (fastest(), 3e-2)],
    ids=["standard", "fastest"],
)
def test_the_same_weights_give_the_same_controls(
    theirs, crops, engine, tolerance, monkeypatch
):
    from ddsp import core
    from ddsp.training import preprocessing

    monkeypatch.setattr(decoder, "_LAYER_NORM_EPSILON", 1e-3)  # Keras' own
    f0_hz, loudness_db = (tf.constant(part) for part in crops)
    voice = make_voice(engine)
    weights = same_network.read_weights(theirs.decoder)
    same_network.take_weights(voice.decoder, weights)
    ours, _ = voice.decoder(f0_hz, loudness_db, tf.zeros([2, same_network.N_UNITS]))
    expected = theirs.decoder(
        preprocessing.scale_db(loudness_db[..., None]),
        preprocessing.scale_f0_hz(f0_hz[..., None]),
    )
    for found, raw in [
        (ours.amplitude, expected["amps"]),
        (ours.harmonic_distribution, expected["harmonic_distribution"]),
        (ours.noise_magnitudes, expected["noise_magnitudes"] - 5.0),
    ]:
        wanted = core.exp_sigmoid(raw).numpy()
        difference = np.linalg.norm(found - wanted) / np.linalg.norm(wanted)
        assert difference < tolerance


def test_ours_has_as_many_weights_but_for_one_bias(theirs):
    n_theirs = sum(
        value.size
        for part in same_network.read_weights(theirs.decoder)
        for value in part
    )
    ours = make_voice(STANDARD).decoder
    n_ours = sum(int(tf.size(variable)) for variable in ours.trainable_variables)
    assert n_theirs - n_ours == 3 * same_network.N_UNITS
