"""Real Fourier transforms with a fast gradient, their sizes and window, and overlap-add.

TensorFlow differentiates `rfft` by a complex transform of twice the work; the adjoint of a real
transform is another real transform.
"""

import itertools
from collections.abc import Callable

import numpy as np
import tensorflow as tf


def fast_size(n: int) -> int:
    """Finds the smallest even size of at least `n` with no prime factor above 5."""
    powers = itertools.product(range(1, 32), range(20), range(14))
    sizes = (int(2**two * 3**three * 5**five) for two, three, five in powers)
    return min(size for size in sizes if size >= n)


def hann(size: int) -> np.ndarray:
    """Makes the periodic Hann window, float32, shape [size]."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)).astype(np.float32)


def rfft(frames: tf.Tensor, size: int) -> tf.Tensor:
    """Transforms [..., n] real values, n <= `size`, padded with zeros, into [..., size // 2 + 1] complex ones.

    Args:
      frames: Real values; the last dimension is static.
      size: Even length of the transform.
    """
    n = frames.shape[-1]

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def transform(
        frames: tf.Tensor,
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            pulls = upstream * adjoint_weights(size)
            return tf.signal.irfft(pulls, [size])[..., :n]

        return tf.signal.rfft(frames, [size]), gradient

    return transform(frames)


def adjoint_weights(size: int) -> np.ndarray:
    """Weights of bins that make `irfft` the adjoint of `rfft`. Shape [size // 2 + 1]."""
    # irfft counts every bin between 0 Hz and Nyquist twice, once for its mirror image
    weights = np.full(size // 2 + 1, size / 2, np.float32)
    weights[[0, -1]] = size
    return weights


def overlap_add(frames: tf.Tensor, hop_size: int) -> tf.Tensor:
    """Sums frames laid `hop_size` apart.

    Args:
      frames: Shape [batch, n_frames, frame_size], the last dimension static.
      hop_size: Samples from one frame's start to the next one's.

    Returns:
      Shape [batch, (n_frames - 1 + n_overlaps) * hop_size], n_overlaps = ceil(frame_size / hop_size).
    """
    shape, frame_size = tf.shape(frames), frames.shape[-1]
    n_overlaps = -(-frame_size // hop_size)
    spare = n_overlaps * hop_size - frame_size
    if frames.shape[1] == 1:  # as when played live: nothing overlaps
        return tf.pad(frames[:, 0], [[0, 0], [0, spare]])
    parts = tf.reshape(
        tf.pad(frames, [[0, 0], [0, 0], [0, spare]]),
        [shape[0], shape[1], n_overlaps, hop_size],
    )
    shifted = [
        tf.pad(parts[:, :, i], [[0, 0], [i, n_overlaps - 1 - i], [0, 0]])
        for i in range(n_overlaps)
    ]
    return tf.reshape(tf.add_n(shifted), [shape[0], -1])
