"""The decoder network: from pitch and loudness to the controls of the synthesisers.

Dense layers, a gated recurrent unit, dense layers, one linear head. Written with plain variables and
standard operations, so that a SavedModel of it needs no Keras, and frame-recurrent, so that it can play
live: the recurrent state goes in and comes out.

Reference: Engel et al., "DDSP: Differentiable Digital Signal Processing", ICLR 2020.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from amadeus.voice.engine import STANDARD, Engine
from amadeus.voice.recurrent import gated_step

N_INPUTS = 2  # pitch and loudness
LOUDNESS_RANGE_DB = 80.0  # as ddsp scales loudness: [-80, 0] dB -> [0, 1]
MIDI_RANGE = 127.0
INITIAL_NOISE_BIAS = -5.0  # as ddsp: a new voice hisses softly
_LAYER_NORM_EPSILON = 1e-5
_MIN_HZ = 440.0 * 2 ** (-69 / 12)  # MIDI note 0


class Controls(NamedTuple):
    """What the synthesisers are told, frame by frame.

    Attributes:
      amplitude: Linear amplitude of the harmonic part. Shape [batch, n_frames, 1].
      harmonic_distribution: Unnormalised shares. Shape [batch, n_frames, n_harmonics].
      noise_magnitudes: Gains of the noise filter. Shape [batch, n_frames, n_noise_bands].
    """

    amplitude: tf.Tensor
    harmonic_distribution: tf.Tensor
    noise_magnitudes: tf.Tensor


class Decoder(tf.Module):
    """Maps f0 and loudness to controls."""

    def __init__(
        self,
        *,
        n_harmonics: int,
        n_noise_bands: int,
        n_recurrent_units: int,
        n_dense_units: int,
        n_dense_layers: int,
        rng: np.random.Generator,
        engine: Engine = STANDARD,
    ) -> None:
        super().__init__(name="decoder")
        self._to_gain = engine.to_gain
        self._split = [1, n_harmonics, n_noise_bands]
        offsets = np.array([0.0, 0.0, INITIAL_NOISE_BIAS], np.float32)
        self._head_offset = np.repeat(offsets, self._split)
        dense = [n_dense_units] * n_dense_layers
        self.inward = stack(N_INPUTS, dense, rng, "decoder/inward", engine)
        width = dense[-1] if dense else N_INPUTS
        self.recurrent = Gru(width, n_recurrent_units, rng, "decoder/recurrent", engine)
        self.outward = stack(
            n_recurrent_units + N_INPUTS, dense, rng, "decoder/outward", engine
        )
        width = dense[-1] if dense else n_recurrent_units + N_INPUTS
        self.head = Linear(width, sum(self._split), rng, "decoder/head", engine)

    def __call__(
        self, f0_hz: tf.Tensor, loudness_db: tf.Tensor, hidden: tf.Tensor
    ) -> tuple[Controls, tf.Tensor]:
        """Decodes a run of frames.

        Args:
          f0_hz: Fundamental frequency; its sign is ignored. Shape [batch, n_frames].
          loudness_db: Shape [batch, n_frames].
          hidden: Recurrent state before the first frame. Shape [batch, n_recurrent_units].

        Returns:
          controls: See `Controls`.
          hidden: Recurrent state after the last frame.
        """
        inputs = scale_inputs(f0_hz, loudness_db)
        signal = inputs
        for layer in self.inward:
            signal = layer(signal)
        signal, hidden = self.recurrent(signal, hidden)
        signal = tf.concat([signal, inputs], axis=-1)
        for layer in self.outward:
            signal = layer(signal)
        gains = self._to_gain(self.head(signal) + self._head_offset)
        return Controls(*tf.split(gains, self._split, axis=-1)), hidden


def scale_inputs(f0_hz: tf.Tensor, loudness_db: tf.Tensor) -> tf.Tensor:
    """Scales pitch and loudness to about [0, 1], as ddsp does. Shape [batch, n_frames, 2]."""
    hz = tf.maximum(tf.abs(f0_hz), _MIN_HZ)
    midi = 69.0 + (12.0 / math.log(2.0)) * tf.math.log(hz / 440.0)
    return tf.stack([midi / MIDI_RANGE, loudness_db / LOUDNESS_RANGE_DB + 1.0], axis=-1)


class Linear(tf.Module):
    """A product and a bias."""

    def __init__(
        self, n_in: int, n_out: int, rng: np.random.Generator, path: str, engine: Engine
    ) -> None:
        super().__init__()
        self._multiply = engine.multiply
        self.kernel = tf.Variable(_glorot(n_in, n_out, rng), name=f"{path}/kernel")
        self.bias = tf.Variable(np.zeros(n_out, np.float32), name=f"{path}/bias")

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Maps [..., n_in] to [..., n_out]."""
        if x.shape.rank == 3 and x.shape.is_fully_defined():
            # as one product: the gradient of many would be made for each example, and summed
            rows = tf.reshape(x, [-1, x.shape[-1]])
            flat = self._multiply(rows, self.kernel) + self.bias
            return tf.reshape(flat, [*x.shape[:-1], flat.shape[-1]])
        return x @ self.kernel + self.bias


class Dense(tf.Module):
    """Linear, layer norm, leaky ReLU."""

    def __init__(
        self, n_in: int, n_out: int, rng: np.random.Generator, path: str, engine: Engine
    ) -> None:
        super().__init__()
        self.linear = Linear(n_in, n_out, rng, f"{path}/linear", engine)
        self.scale = tf.Variable(np.ones(n_out, np.float32), name=f"{path}/scale")
        self.offset = tf.Variable(np.zeros(n_out, np.float32), name=f"{path}/offset")

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Maps [..., n_in] to [..., n_out]."""
        x = self.linear(x)
        centred = x - tf.reduce_mean(x, axis=-1, keepdims=True)
        variance = tf.reduce_mean(tf.square(centred), axis=-1, keepdims=True)
        gain = tf.math.rsqrt(variance + _LAYER_NORM_EPSILON)
        return tf.nn.leaky_relu(centred * gain * self.scale + self.offset)


class Gru(tf.Module):
    """A gated recurrent unit; what does not depend on the state is computed for all frames at once."""

    def __init__(
        self,
        n_in: int,
        n_units: int,
        rng: np.random.Generator,
        path: str,
        engine: Engine,
    ) -> None:
        super().__init__()
        self._recurrence = engine.recurrence
        self.inputs = Linear(n_in, 3 * n_units, rng, f"{path}/inputs", engine)
        self.kernel = tf.Variable(
            _glorot(n_units, 3 * n_units, rng), name=f"{path}/kernel"
        )

    def __call__(self, x: tf.Tensor, hidden: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Maps frames [batch, n_frames, n_in] and a state to states [batch, n_frames, n_units] and the last."""
        if x.shape[1] == 1:
            hidden = gated_step(self.inputs(x)[:, 0], hidden, self.kernel)
            return hidden[:, None], hidden
        by_frame = tf.transpose(self.inputs(x), [1, 0, 2])
        states = self._recurrence(by_frame, hidden, self.kernel)
        return tf.transpose(states, [1, 0, 2]), states[-1]


def stack(
    n_in: int, sizes: list[int], rng: np.random.Generator, path: str, engine: Engine
) -> list[Dense]:
    """Makes dense layers of `sizes` units, one after the other."""
    widths = itertools.pairwise([n_in, *sizes])
    return [Dense(a, b, rng, f"{path}/{i}", engine) for i, (a, b) in enumerate(widths)]


def _glorot(n_in: int, n_out: int, rng: np.random.Generator) -> np.ndarray:
    spread = math.sqrt(2.0 / (n_in + n_out))
    return (rng.standard_normal((n_in, n_out)) * spread).astype(np.float32)
