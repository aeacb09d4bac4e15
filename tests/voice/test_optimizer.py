import numpy as np
import tensorflow as tf
from numpy.testing import assert_allclose

from amadeus.voice.optimizer import MAX_GRADIENT_NORM, Adam, follow


def test_adam_walks_as_its_paper_says(rng):
    start = rng.normal(size=[2, 5]).astype(np.float32)
    variables = [tf.Variable(row) for row in start]
    adam = Adam(variables, [1.0, 0.1])
    place, mean, square = start.astype(np.float64), 0.0, 0.0
    shares = np.array([[1.0], [0.1]])
    for step in range(1, 6):
        gradient = rng.normal(size=[2, 5])
        gradient *= MAX_GRADIENT_NORM * step / 3 / np.linalg.norm(gradient)
        norm = adam.apply([tf.constant(row, tf.float32) for row in gradient], 0.01)
        assert_allclose(norm, MAX_GRADIENT_NORM * step / 3, rtol=1e-5)
        gradient *= min(1.0, 3 / step)
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        unbiased = mean / (1 - 0.9**step), square / (1 - 0.999**step)
        place = place - 0.01 * shares * unbiased[0] / np.sqrt(unbiased[1])
    assert_allclose(variables, place, rtol=1e-3, atol=1e-5)
    assert int(adam.step) == 5


def test_an_average_forgets_its_start_and_settles():
    variable, average = tf.Variable(0.0), tf.Variable(100.0)
    for step in range(1, 400):
        variable.assign(4.0 + (-1.0) ** step)
        follow([average], [variable], step=tf.constant(step), memory=0.99)
    assert_allclose(average, 4.0, atol=0.1)
