import numpy as np
import tensorflow as tf
from numpy.testing import assert_allclose

from amadeus.voice.recurrent import gated_recurrence, gated_step


def plain_recurrence(inputs, hidden, kernel):
    """The definition, one frame after the other."""
    states = []
    for frame in tf.unstack(inputs):
        keep_in, reset_in, new_in = tf.split(frame, 3, axis=-1)
        keep_by, reset_by, new_by = tf.split(hidden @ kernel, 3, axis=-1)
        new = tf.tanh(new_in + tf.sigmoid(reset_in + reset_by) * new_by)
        keep = tf.sigmoid(keep_in + keep_by)
        hidden = (1 - keep) * new + keep * hidden
        states.append(hidden)
    return tf.stack(states)


def test_states_and_gradients_are_those_of_the_definition(rng):
    inputs, hidden, kernel, weights = (
        tf.constant(rng.normal(size=shape), tf.float32)
        for shape in ([7, 3, 15], [3, 5], [5, 15], [7, 3, 5])
    )

    def states_and_gradients(recurrence):
        with tf.GradientTape() as tape:
            tape.watch([inputs, hidden, kernel])
            states = recurrence(inputs, hidden, kernel)
            loss = tf.reduce_sum(weights * states**2)
        return [states, *tape.gradient(loss, [inputs, hidden, kernel])]

    expected = states_and_gradients(plain_recurrence)
    for ours, theirs in zip(
        states_and_gradients(gated_recurrence), expected, strict=True
    ):
        assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
        assert np.abs(theirs).max() > 0.01


def test_a_step_is_a_run_of_one_frame(rng):
    inputs, hidden, kernel = (
        tf.constant(rng.normal(size=shape), tf.float32)
        for shape in ([7, 3, 15], [3, 5], [5, 15])
    )
    whole = gated_recurrence(inputs, hidden, kernel)
    for frame, expected in zip(inputs, whole, strict=True):
        hidden = gated_step(frame, hidden, kernel)
        assert_allclose(hidden, expected, atol=1e-6)
