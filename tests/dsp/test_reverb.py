"""Reverb against ddsp, against convolution as it is defined, and its laws."""

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal

from amadeus.dsp import reverb


def convolve(audio, response):
    return reverb.convolve(
        tf.constant(audio, tf.float32), tf.constant(response, tf.float32)
    ).numpy()


@pytest.mark.parametrize(
    ("n_samples", "n_taps"),
    [(1_000, 600), (600, 1_000), (9_000, 500), (1, 16), (500, 2)],
)
def test_reverb_agrees_with_its_definition_and_with_ddsp(n_samples, n_taps, ddsp, rng):
    audio = rng.normal(size=(2, n_samples)).astype(np.float32)
    response = rng.normal(size=n_taps).astype(np.float32) / n_taps
    wet_taps = np.concatenate([[0], response[1:]])
    expected = np.stack([row + np.convolve(row, wet_taps)[:n_samples] for row in audio])
    given = convolve(audio, response)
    assert_allclose(given, expected, atol=1e-5)
    peer = ddsp.effects.Reverb(trainable=False, add_dry=True)
    if n_samples > 1:  # ddsp crops a single sample away
        assert_allclose(
            given, peer.get_signal(audio, np.tile(response, (2, 1))), atol=1e-5
        )


def test_an_empty_room_adds_nothing(rng):
    audio = rng.normal(size=(2, 100)).astype(np.float32)
    for response in (np.zeros(50), [3.0], []):
        assert_allclose(convolve(audio, response), audio, atol=1e-7)


def test_an_echo_comes_when_and_as_loud_as_its_tap(rng):
    audio = rng.normal(size=(1, 300)).astype(np.float32)
    response = np.zeros(200)
    response[120] = 0.5
    expected = audio.copy()
    expected[:, 120:] += 0.5 * audio[:, :-120]
    assert_allclose(convolve(audio, response), expected, atol=1e-6)


def test_reverb_is_linear(rng):
    one, other = rng.normal(size=(2, 1, 700)).astype(np.float32)
    response = rng.normal(size=90).astype(np.float32)
    assert_allclose(
        convolve(2 * one - 3 * other, response),
        2 * convolve(one, response) - 3 * convolve(other, response),
        atol=2e-4,
    )


def test_gradients_are_the_adjoint_of_convolution(rng):
    audio = tf.Variable(rng.normal(size=(2, 700)), dtype=tf.float32)
    response = tf.Variable(rng.normal(size=90), dtype=tf.float32)
    weights = tf.constant(rng.normal(size=(2, 700)), tf.float32)
    with tf.GradientTape() as tape:
        product = tf.reduce_sum(reverb.convolve(audio, response) * weights)
    by_audio, by_response = tape.gradient(product, [audio, response])
    assert_allclose(tf.reduce_sum(by_audio * audio), product, rtol=1e-4)
    dry = tf.reduce_sum(audio * weights)  # the part no tap has a say in
    assert_allclose(tf.reduce_sum(by_response * response), product - dry, rtol=1e-4)
    assert_array_equal(by_response[0], 0.0)


def test_gradients_are_finite_at_silence():
    audio, response = tf.Variable(tf.zeros([1, 50])), tf.Variable(tf.zeros([20]))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(reverb.convolve(audio, response))
    by_audio, by_response = tape.gradient(loss, [audio, response])
    assert_allclose(by_audio, 1.0, atol=1e-6)
    assert_array_equal(by_response, 0.0)
