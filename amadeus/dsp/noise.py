"""Filtered noise: white noise by counting, and a filter that changes from frame to frame.

Noise is a function of (seed, number of the sample), so it is the same however a performance is cut
into blocks and whoever else is in the batch. The filter is causal and hands its ring on as `tail`.

Reference: Engel et al., "DDSP: Differentiable Digital Signal Processing", ICLR 2020.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from amadeus.audio import AudioSpec
from amadeus.dsp import fourier

_STRIDE = 0x9E3779B9  # 2**32 / golden ratio: spreads neighbouring seeds


class Filtered(NamedTuple):
    """Filtered audio and what still rings.

    Attributes:
      audio: Shape [batch, n_frames * hop_size].
      tail: To be added to what comes next. Shape [batch, ir_size - 1].
    """

    audio: tf.Tensor
    tail: tf.Tensor


def ir_size(n_noise_bands: int) -> int:
    """Counts the samples of an impulse response of `n_noise_bands` magnitudes."""
    return 2 * (n_noise_bands - 1)


def uniform(
    seed: tf.Tensor, first_sample: tf.Tensor, n_samples: tf.Tensor
) -> tf.Tensor:
    """Draws white noise, uniform in [-1, 1).

    Args:
      seed: Whole numbers, of any integer or float type. Shape [batch].
      first_sample: Number of the first sample to draw, likewise; counted modulo 2**32. Shape [batch].
      n_samples: Samples to draw; an int or a scalar tensor.

    Returns:
      Shape [batch, n_samples].
    """
    key = make_key(seed)[:, None]
    numbers = to_uint32(first_sample)[:, None] + tf.cast(tf.range(n_samples), tf.uint32)
    # Twice, so that no two seeds share their values in another order or at another time.
    bits = _scramble(tf.bitwise.bitwise_xor(_scramble(numbers + key), key))
    top = tf.cast(_shift(bits, 8), tf.float32)  # 24 bits: as many as float32 holds
    return top * 2.0**-23 - 1.0


def make_key(seed: tf.Tensor) -> tf.Tensor:
    """Spreads seeds [batch] over all of uint32."""
    return _scramble(to_uint32(seed) * tf.constant(_STRIDE, tf.uint32))


def impulse_responses(magnitudes: tf.Tensor) -> tf.Tensor:
    """Designs linear-phase filters, causal, delayed by half their length.

    Equal to `ddsp.core.frequency_impulse_response(magnitudes, window_size=0)`.

    Args:
      magnitudes: Gains at frequencies evenly spaced from 0 to Nyquist. Shape [..., n_noise_bands], static.

    Returns:
      Shape [..., 2 * (n_noise_bands - 1)].
    """
    size = ir_size(magnitudes.shape[-1])
    # half a turn from bin to bin delays by half the length
    turned = magnitudes * _alternating(magnitudes.shape[-1])
    # tf.cast would warn of lost imaginary parts in the gradient
    spectra = tf.complex(turned, tf.zeros_like(turned))
    return tf.signal.irfft(spectra, [size]) * fourier.hann(size)


def _alternating(n: int) -> np.ndarray:
    return np.where(np.arange(n) % 2, -1.0, 1.0).astype(np.float32)


def filter_noise(
    magnitudes: tf.Tensor, noise: tf.Tensor, *, tail: tf.Tensor, spec: AudioSpec
) -> Filtered:
    """Filters each frame of `noise` with its own magnitudes; what rings on overlaps the next frames.

    Causal: the sound comes `ir_size // 2` samples after the noise. ddsp.core.frequency_filter moves the
    same sound `(ir_size - 1) // 2 - 1` samples ahead, which no live instrument can.

    Args:
      magnitudes: Shape [batch, n_frames, n_noise_bands], the last dimension static.
      noise: Shape [batch, n_frames * hop_size].
      tail: Ring of what was played before; zeros at a start. Shape [batch, ir_size - 1].
      spec: The clock.
    """
    hop_size, tail_size = spec.hop_size, ir_size(magnitudes.shape[-1]) - 1
    shape = tf.shape(magnitudes)
    frames = tf.reshape(noise, [shape[0], shape[1], hop_size])
    size = fourier.fast_size(hop_size + tail_size)
    spectra = tf.signal.rfft(frames, [size])
    spectra *= fourier.rfft(impulse_responses(magnitudes), size)
    filtered = tf.signal.irfft(spectra, [size])[..., : hop_size + tail_size]
    sound = fourier.overlap_add(filtered, hop_size)
    n_samples = shape[1] * hop_size
    sound = _add_front(sound[:, : n_samples + tail_size], tail)
    return Filtered(sound[:, :n_samples], sound[:, n_samples:])


def _add_front(sound: tf.Tensor, tail: tf.Tensor) -> tf.Tensor:
    """Adds `tail` to the start of `sound`, which is at least as long."""
    spare = tf.shape(sound)[1] - tf.shape(tail)[1]
    return sound + tf.pad(tail, [[0, 0], [0, spare]])


def to_uint32(numbers: tf.Tensor) -> tf.Tensor:
    """Takes whole numbers of any type modulo 2**32."""
    return tf.cast(tf.cast(numbers, tf.int64), tf.uint32)


def _scramble(bits: tf.Tensor) -> tf.Tensor:
    """Mixes all bits of a uint32 one to one.

    Constants: C. Wellons, "Prospecting for Hash Functions" (2018), lowbias32.
    """
    bits = tf.bitwise.bitwise_xor(bits, _shift(bits, 16))
    bits = bits * tf.constant(0x7FEB352D, tf.uint32)
    bits = tf.bitwise.bitwise_xor(bits, _shift(bits, 15))
    bits = bits * tf.constant(0x846CA68B, tf.uint32)
    return tf.bitwise.bitwise_xor(bits, _shift(bits, 16))


def _shift(bits: tf.Tensor, n_bits: int) -> tf.Tensor:
    return tf.bitwise.right_shift(bits, tf.constant(n_bits, tf.uint32))
