"""The spectral loss against ddsp's, and its gradient where ddsp's has none."""

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose

from amadeus.dsp.spectral_loss import (
    FFT_SIZES,
    fft_sizes_for,
    floor_for,
    spectral_distances,
    spectral_loss,
)


def noises(rng, n_samples, *, n=2):
    sounds = rng.normal(size=(2, n, n_samples)).astype(np.float32) * 0.1
    return tf.constant(sounds[0]), tf.constant(sounds[1])


def value_and_gradient(loss, target, audio):
    with tf.GradientTape() as tape:
        tape.watch(audio)
        value = loss(target, audio)
    return value, tape.gradient(value, audio)


@pytest.mark.parametrize("n_samples", [1, 100, 2_048, 4_000, 8_191])
def test_loss_agrees_with_ddsp(n_samples, ddsp, rng):
    target, audio = noises(rng, n_samples)
    peer = ddsp.losses.SpectralLoss(mag_weight=1.0, logmag_weight=1.0)
    expected = peer(target, audio)
    assert_allclose(spectral_loss(target, audio), expected, rtol=1e-5)


@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.0, 1.0), (0.5, 2.0)])
def test_loss_and_gradient_agree_with_ddsp_for_all_weights_and_sizes(
    weights, ddsp, rng
):
    target, audio = noises(rng, 3_000)
    options = {
        "fft_sizes": (512, 64),
        "mag_weight": weights[0],
        "logmag_weight": weights[1],
    }
    peer = ddsp.losses.SpectralLoss(**options)
    expected, expected_gradient = value_and_gradient(peer, target, audio)
    value, gradient = value_and_gradient(
        lambda *sounds: spectral_loss(*sounds, **options), target, audio
    )
    assert_allclose(value, expected, rtol=1e-5)
    peak = np.abs(expected_gradient).max()
    assert_allclose(gradient, expected_gradient, atol=1e-3 * peak)


def test_loss_is_the_mean_of_its_examples(rng):
    target, audio = noises(rng, 3_000, n=3)
    distances = spectral_distances(target, audio)
    assert_allclose(spectral_loss(target, audio), np.mean(distances), rtol=1e-6)
    for i in range(3):
        alone = spectral_loss(target[i : i + 1], audio[i : i + 1])
        assert_allclose(distances[i], alone, rtol=1e-6)


def test_equal_sounds_are_no_distance_apart(rng):
    target, audio = noises(rng, 3_000)
    assert spectral_loss(target, target) == 0
    assert spectral_loss(target, 1.01 * target) < spectral_loss(target, 1.5 * target)
    assert spectral_loss(target, audio) > spectral_loss(target, 1.01 * target)


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e-12])
def test_gradient_is_finite_at_and_near_silence(scale, rng):
    target, audio = noises(rng, 3_000)
    for one, other in (
        (target, scale * audio),
        (scale * target, scale * audio),
        (scale * target, audio),
    ):
        value, gradient = value_and_gradient(spectral_loss, one, other)
        assert np.isfinite(value)
        assert np.isfinite(gradient.numpy()).all()


def test_descent_along_the_gradient_brings_sounds_together(rng):
    target, audio = noises(rng, 3_000)
    value, gradient = value_and_gradient(spectral_loss, target, audio)
    step = 1e-3 * tf.norm(audio) / tf.norm(gradient)
    assert spectral_loss(target, audio - step * gradient) < value


@pytest.mark.parametrize(
    ("sample_rate", "longest"),
    [(8_000, 2048), (16_000, 2048), (24_000, 2048), (32_000, 4096), (48_000, 4096)],
)
def test_frames_last_about_as_long_at_every_rate(sample_rate, longest):
    sizes = fft_sizes_for(sample_rate)
    assert sizes[0] == longest
    assert [size / longest for size in sizes] == [
        size / FFT_SIZES[0] for size in FFT_SIZES
    ]


def test_below_the_floor_all_sounds_are_alike(rng):
    target, audio = noises(rng, 3_000)
    options = {"mag_weight": 0.0, "floor": 1e-3}
    faint = spectral_loss(1e-6 * target, 1e-6 * audio, **options)
    assert faint < 0.01 < spectral_loss(1e-6 * target, 1e-6 * audio, mag_weight=0.0)
    loud = spectral_loss(target, 2 * audio, **options)
    assert_allclose(loud, spectral_loss(target, 2 * audio, mag_weight=0.0), rtol=0.03)


def test_the_floor_is_the_level_of_white_noise(rng):
    noise = tf.constant(rng.normal(size=(1, 60_000)).astype(np.float32))
    silence = tf.zeros_like(noise)
    # noise as loud as the floor adds about as much as is there: log 2, less for its ups and downs
    distance = spectral_loss(
        silence, 1e-3 * noise, mag_weight=0.0, floor=1e-3, fft_sizes=(512,)
    )
    assert 0.5 < distance < 0.75


def test_slope_with_a_floor_is_that_of_the_value(rng):
    target, audio = (tf.cast(1e-3 * sound, tf.float32) for sound in noises(rng, 600))

    def loss(audio):
        return spectral_loss(target, audio, floor=1e-3, fft_sizes=(64,), mag_weight=0.3)

    _, gradient = value_and_gradient(lambda _, audio: loss(audio), target, audio)
    way = tf.constant(rng.normal(size=audio.shape).astype(np.float32)) * 1e-7
    climbed = loss(audio + way) - loss(audio - way)
    assert_allclose(climbed, 2 * tf.reduce_sum(gradient * way), rtol=0.05)


def test_learners_of_high_rates_have_a_floor():
    assert floor_for(16_000) == floor_for(32_000) == 0.0
    assert floor_for(44_100) == floor_for(48_000) == floor_for(96_000) > 0
