"""Reverb against ddsp, against convolution as it is defined, and its laws."""

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal

from amadeus.dsp import reverb
from tests.streaming import verify_streaming


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


def stream_all(audio, response, *, hop_size):
    """Streams a whole sound in one block."""
    partitions = reverb.partition(tf.constant(response, tf.float32), hop_size=hop_size)
    size = reverb.state_size(partitions.shape[0], hop_size=hop_size)
    return reverb.stream(
        tf.constant(audio, tf.float32),
        partitions,
        state=tf.zeros([len(audio), size]),
        hop_size=hop_size,
    )


@pytest.mark.parametrize("n_taps", [0, 1, 2, 39, 40, 41, 80, 500, 3_000])
def test_reverb_in_blocks_is_the_reverb_of_the_whole(n_taps, rng):
    audio = rng.normal(size=(2, 1_200)).astype(np.float32)
    response = (rng.normal(size=n_taps) / np.sqrt(max(1, n_taps))).astype(np.float32)
    streamed = stream_all(audio, response, hop_size=40)
    assert_allclose(streamed.audio, convolve(audio, response), atol=1e-5)


def test_reverb_keeps_the_contract_of_blocks(rng):
    hop_size, n_taps = 21, 130  # no power of two, and no whole number of hops
    response = tf.constant(rng.normal(size=n_taps) / n_taps**0.5, tf.float32)
    partitions = reverb.partition(response, hop_size=hop_size)
    size = reverb.state_size(partitions.shape[0], hop_size=hop_size)
    signature = [tf.TensorSpec([None, None]), tf.TensorSpec([None, size])]

    @tf.function(input_signature=signature, autograph=False)
    def play(audio, state):
        return reverb.stream(audio, partitions, state=state, hop_size=hop_size)

    def unit(controls, state):
        hops = controls[0]
        audio, after = play(hops.reshape(len(hops), -1), *state)
        return audio.numpy(), (after.numpy(),)

    hops = rng.normal(size=(2, 30, hop_size)).astype(np.float32)
    start = (np.zeros([2, size], np.float32),)
    verify_streaming(unit, (hops,), start=start, hop_size=hop_size, atol=1e-5)


def test_reverb_in_blocks_comes_without_delay(rng):
    click = np.zeros([1, 100], np.float32)
    click[0, 0] = 1.0
    response = rng.normal(size=70)
    heard = stream_all(click, response, hop_size=10).audio.numpy()[0]
    assert_allclose(heard[:70], [1.0, *response[1:]], atol=1e-5)
    assert_allclose(heard[70:], 0.0, atol=1e-5)


def test_reverb_has_the_energy_of_its_taps(rng):
    """Of white noise, dry and wet sound add in power, but for what still rings at the end."""
    audio = rng.normal(size=(1, 2**16)).astype(np.float32)
    response = rng.normal(size=64) / 8
    response[0] = 0.0
    power = np.mean(convolve(audio, response) ** 2)
    assert_allclose(power, 1 + np.sum(response**2), rtol=0.05)
