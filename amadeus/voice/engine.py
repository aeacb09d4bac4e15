"""What computes the parts of a voice that cost most. All engines agree to rounding."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from amadeus.dsp import harmonic, noise
from amadeus.voice.gain import exp_sigmoid, exp_sigmoid_in_training
from amadeus.voice.recurrent import gated_recurrence


class Engine(NamedTuple):
    """Functions that can stand for each other.

    Attributes:
      to_gain: As `exp_sigmoid`.
      multiply: As `tf.matmul`, of rows and a kernel.
      recurrence: As `gated_recurrence`.
      synthesize: As `harmonic.synthesize`.
      uniform: As `noise.uniform`.
      filter_noise: As `noise.filter_noise`.
    """

    to_gain: Callable[[tf.Tensor], tf.Tensor]
    multiply: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    recurrence: Callable[..., tf.Tensor]
    synthesize: Callable[..., harmonic.Harmonics]
    uniform: Callable[..., tf.Tensor]
    filter_noise: Callable[..., noise.Filtered]


# Standard operations of TensorFlow: what an exported voice is made of.
STANDARD = Engine(
    exp_sigmoid,
    tf.matmul,
    gated_recurrence,
    harmonic.synthesize,
    noise.uniform,
    noise.filter_noise,
)


def fastest() -> Engine:
    """The fastest engine for training that this machine has."""
    from amadeus.native import library, ops, products, synthesis

    if not library.is_available():
        return STANDARD
    return Engine(
        exp_sigmoid_in_training,
        products.multiply,
        ops.gated_recurrence,
        synthesis.synthesize,
        synthesis.uniform,
        synthesis.filter_noise,
    )
