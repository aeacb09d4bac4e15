"""The decoder network: from pitch and loudness to the controls of the synthesisers.

Dense layers, a gated recurrent unit, dense layers, one linear head. Written with plain variables and
standard operations, so that a SavedModel of it needs no Keras, and frame-recurrent, so that it can play
live: the recurrent state goes in and comes out.

Reference: Engel et al., "DDSP: Differentiable Digital Signal Processing", ICLR 2020.
"""

import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from amadeus.voice.recurrent import gated_recurrence, gated_step

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
        recurrence: Callable[..., tf.Tensor] = gated_recurrence,
    ) -> None:
        super().__init__(name="decoder")
        self._split = [1, n_harmonics, n_noise_bands]
        offsets = np.array([0.0, 0.0, INITIAL_NOISE_BIAS], np.float32)
        self._head_offset = np.repeat(offsets, self._split)
        dense = [n_dense_units] * n_dense_layers
        self.inward = _stack(N_INPUTS, dense, rng, "decoder/inward")
        width = dense[-1] if dense else N_INPUTS
        self.recurrent = _Gru(
            width, n_recurrent_units, rng, "decoder/recurrent", recurrence
        )
        self.outward = _stack(
            n_recurrent_units + N_INPUTS, dense, rng, "decoder/outward"
        )
        width = dense[-1] if dense else n_recurrent_units + N_INPUTS
        self.head = _Linear(width, sum(self._split), rng, "decoder/head")

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
        gains = exp_sigmoid(self.head(signal) + self._head_offset)
        return Controls(*tf.split(gains, self._split, axis=-1)), hidden


def scale_inputs(f0_hz: tf.Tensor, loudness_db: tf.Tensor) -> tf.Tensor:
    """Scales pitch and loudness to about [0, 1], as ddsp does. Shape [batch, n_frames, 2]."""
    hz = tf.maximum(tf.abs(f0_hz), _MIN_HZ)
    midi = 69.0 + (12.0 / math.log(2.0)) * tf.math.log(hz / 440.0)
    return tf.stack([midi / MIDI_RANGE, loudness_db / LOUDNESS_RANGE_DB + 1.0], axis=-1)


def exp_sigmoid(x: tf.Tensor) -> tf.Tensor:
    """Maps any number to a gain in (0, 2], evenly in decibels where it is small, as ddsp does."""
    return 2.0 * tf.sigmoid(x) ** math.log(10.0) + 1e-7


class _Linear(tf.Module):
    def __init__(
        self, n_in: int, n_out: int, rng: np.random.Generator, path: str
    ) -> None:
        super().__init__()
        self.kernel = tf.Variable(_glorot(n_in, n_out, rng), name=f"{path}/kernel")
        self.bias = tf.Variable(np.zeros(n_out, np.float32), name=f"{path}/bias")

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return x @ self.kernel + self.bias


class _Dense(tf.Module):
    """Linear, layer norm, leaky ReLU."""

    def __init__(
        self, n_in: int, n_out: int, rng: np.random.Generator, path: str
    ) -> None:
        super().__init__()
        self.linear = _Linear(n_in, n_out, rng, f"{path}/linear")
        self.scale = tf.Variable(np.ones(n_out, np.float32), name=f"{path}/scale")
        self.offset = tf.Variable(np.zeros(n_out, np.float32), name=f"{path}/offset")

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        x = self.linear(x)
        centred = x - tf.reduce_mean(x, axis=-1, keepdims=True)
        variance = tf.reduce_mean(tf.square(centred), axis=-1, keepdims=True)
        gain = tf.math.rsqrt(variance + _LAYER_NORM_EPSILON)
        return tf.nn.leaky_relu(centred * gain * self.scale + self.offset)


class _Gru(tf.Module):
    """A gated recurrent unit; what does not depend on the state is computed for all frames at once."""

    def __init__(
        self,
        n_in: int,
        n_units: int,
        rng: np.random.Generator,
        path: str,
        recurrence: Callable[..., tf.Tensor],
    ) -> None:
        super().__init__()
        self._recurrence = recurrence
        self.inputs = _Linear(n_in, 3 * n_units, rng, f"{path}/inputs")
        self.kernel = tf.Variable(
            _glorot(n_units, 3 * n_units, rng), name=f"{path}/kernel"
        )

    def __call__(self, x: tf.Tensor, hidden: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        if x.shape[1] == 1:
            hidden = gated_step(self.inputs(x)[:, 0], hidden, self.kernel)
            return hidden[:, None], hidden
        by_frame = tf.transpose(self.inputs(x), [1, 0, 2])
        states = self._recurrence(by_frame, hidden, self.kernel)
        return tf.transpose(states, [1, 0, 2]), states[-1]


def _stack(
    n_in: int, sizes: list[int], rng: np.random.Generator, path: str
) -> list[_Dense]:
    widths = itertools.pairwise([n_in, *sizes])
    return [_Dense(a, b, rng, f"{path}/{i}") for i, (a, b) in enumerate(widths)]


def _glorot(n_in: int, n_out: int, rng: np.random.Generator) -> np.ndarray:
    spread = math.sqrt(2.0 / (n_in + n_out))
    return (rng.standard_normal((n_in, n_out)) * spread).astype(np.float32)
