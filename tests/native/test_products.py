"""Products in bfloat16 are products, rounded."""

import numpy as np
import pytest
import tensorflow as tf

from amadeus.native import products


@pytest.fixture(params=[True, False], ids=["bfloat16", "float32"])
def has_bfloat16(request, monkeypatch):
    monkeypatch.setattr(products, "has_bfloat16", lambda: request.param)
    return request.param


@pytest.mark.parametrize("n_out", [products.MIN_WIDTH, 8])
def test_products_and_slopes_are_those_of_tensorflow(has_bfloat16, n_out, rng):
    rows = tf.constant(rng.standard_normal((50, products.MIN_WIDTH)), tf.float32)
    kernel = tf.constant(rng.standard_normal((products.MIN_WIDTH, n_out)), tf.float32)
    weights = tf.constant(rng.standard_normal((50, n_out)), tf.float32)
    found = []
    for multiply in (products.multiply, tf.matmul):
        with tf.GradientTape() as tape:
            tape.watch([rows, kernel])
            product = multiply(rows, kernel)
            total = tf.reduce_sum(product * weights)
        found.append([product, *tape.gradient(total, [rows, kernel])])
    for ours, theirs in zip(*found, strict=True):
        difference = np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)
        rounds = has_bfloat16 and n_out == products.MIN_WIDTH
        assert difference < (0.01 if rounds else 1e-5)
        assert (difference > 1e-4) == rounds


def test_small_kernels_are_not_rounded(monkeypatch, rng):
    monkeypatch.setattr(products, "has_bfloat16", lambda: True)
    rows = tf.constant(rng.standard_normal((20, 32)), tf.float32)
    np.testing.assert_allclose(
        products.multiply_transposed(rows, rows),
        tf.matmul(rows, rows, transpose_a=True),
        rtol=1e-5,
    )
