"""Transforms, their adjoints, and overlap-add."""

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose

from amadeus.dsp import fourier


@pytest.mark.parametrize(
    ("n", "size"), [(1, 2), (2, 2), (97, 100), (287, 288), (31_999, 32_000)]
)
def test_fast_sizes_are_the_next_even_products_of_2_3_and_5(n, size):
    assert fourier.fast_size(n) == size


@pytest.mark.parametrize(("n", "size"), [(8, 8), (5, 8), (90, 100)])
def test_gradient_of_rfft_is_tensorflows_own(n, size, rng):
    frames = tf.constant(rng.normal(size=(3, n)), tf.float32)
    weights = rng.normal(size=(2, 3, size // 2 + 1)).astype(np.float32)
    values, gradients = [], []
    for transform in (fourier.rfft, lambda x, size: tf.signal.rfft(x, [size])):
        with tf.GradientTape() as tape:
            tape.watch(frames)
            bins = transform(frames, size)
            loss = tf.reduce_sum(
                tf.math.real(bins) * weights[0] + tf.math.imag(bins) * weights[1]
            )
        values.append(bins)
        gradients.append(tape.gradient(loss, frames))
    assert_allclose(*values, atol=1e-5)
    assert_allclose(*gradients, atol=1e-4)


@pytest.mark.parametrize(
    ("frame_size", "hop_size"), [(7, 7), (10, 5), (10, 3), (3, 10), (9, 1)]
)
def test_overlap_add_puts_every_frame_in_its_place(frame_size, hop_size, rng):
    frames = rng.normal(size=(2, 4, frame_size)).astype(np.float32)
    n_overlaps = -(-frame_size // hop_size)
    expected = np.zeros([2, (3 + n_overlaps) * hop_size])
    for i in range(4):
        expected[:, i * hop_size : i * hop_size + frame_size] += frames[:, i]
    assert_allclose(
        fourier.overlap_add(tf.constant(frames), hop_size), expected, atol=1e-6
    )
