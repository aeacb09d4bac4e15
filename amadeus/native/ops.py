"""The kernels as TensorFlow functions with gradients, for training graphs.

Conventions are those of the functions they stand for, named in each docstring. None of them can be saved in a
SavedModel.
"""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from amadeus.native import library, products


def gated_recurrence(
    inputs: tf.Tensor, hidden: tf.Tensor, kernel: tf.Tensor
) -> tf.Tensor:
    """Computes `amadeus.voice.recurrent.gated_recurrence`; arguments and result as there."""

    @tf.custom_gradient
    def recurrence(
        inputs: tf.Tensor, hidden: tf.Tensor, kernel: tf.Tensor
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, ...]]]:
        kept = _call(_recur, [inputs, hidden, kernel], 5)
        states = kept[0]

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
            slopes, through, to_hidden = _call(
                _recur_back, [hidden, kernel, *kept, upstream], 3
            )
            old = tf.concat([hidden[None], states[:-1]], axis=0)
            n_units = kernel.shape[0]
            to_kernel = products.multiply_transposed(
                tf.reshape(old, [-1, n_units]), tf.reshape(through, [-1, 3 * n_units])
            )
            return slopes, to_hidden, to_kernel

        return states, gradient

    states = recurrence(inputs, hidden, kernel)
    return tf.ensure_shape(states, [*inputs.shape[:2], kernel.shape[0]])


def sum_harmonics(
    start_hz: tf.Tensor,
    end_hz: tf.Tensor,
    cycles: tf.Tensor,
    starts: tf.Tensor,
    ends: tf.Tensor,
    *,
    hop_size: int,
    sample_rate: int,
) -> tf.Tensor:
    """Sums the ramping harmonics of `amadeus.dsp.harmonic`; differentiable by the amplitudes.

    Args:
      start_hz: Fundamental frequency at the start of each block. Shape [batch, n_frames].
      end_hz: At its end. Shape [batch, n_frames].
      cycles: Phase before each block, float64. Shape [batch, n_frames].
      starts: Amplitudes at the start of each block. Shape [batch, n_frames, n_harmonics].
      ends: At its end. Shape [batch, n_frames, n_harmonics].
      hop_size: Samples a block.
      sample_rate: In Hz.

    Returns:
      Audio. Shape [batch, n_frames * hop_size].
    """

    @tf.custom_gradient
    def harmonics(
        starts: tf.Tensor, ends: tf.Tensor
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, ...]]]:
        given = [start_hz, end_hz, cycles, starts, ends]

        def sing(*given: np.ndarray) -> np.ndarray:
            return _sing(*given, hop_size=hop_size, sample_rate=sample_rate)

        def hear(*given: np.ndarray) -> tuple[np.ndarray, ...]:
            return _hear(*given, hop_size=hop_size, sample_rate=sample_rate)

        return _call(sing, given, 1)[0], lambda upstream: tuple(
            _call(hear, [*given, upstream], 2)
        )

    audio = harmonics(starts, ends)
    return tf.ensure_shape(audio, [starts.shape[0], None])


def uniform(keys: tf.Tensor, first_samples: tf.Tensor, n_samples: int) -> tf.Tensor:
    """Draws the noise of `amadeus.dsp.noise.uniform`.

    Args:
      keys: Scrambled seeds, uint32. Shape [batch].
      first_samples: Numbers of the first samples, uint32. Shape [batch].
      n_samples: To draw.

    Returns:
      Shape [batch, n_samples].
    """

    def draw(keys: np.ndarray, firsts: np.ndarray) -> np.ndarray:
        noise = np.empty((len(keys), n_samples), np.float32)
        library.call("uniform", *noise.shape, keys, firsts, noise)
        return noise

    noise = _call(draw, [keys, first_samples], 1)[0]
    return tf.stop_gradient(tf.ensure_shape(noise, [keys.shape[0], n_samples]))


def filter_blocks(blocks: tf.Tensor, taps: tf.Tensor, tail: tf.Tensor) -> tf.Tensor:
    """Filters each block of sound with its own taps; rings overlap. Differentiable by the taps and the tail.

    Args:
      blocks: Shape [batch, n_frames, hop_size].
      taps: Shape [batch, n_frames, n_taps].
      tail: What still rings of before. Shape [batch, n_taps - 1].

    Returns:
      Shape [batch, n_frames * hop_size + n_taps - 1].
    """
    n_tail = taps.shape[-1] - 1

    @tf.custom_gradient
    def filtered(
        taps: tf.Tensor, tail: tf.Tensor
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            to_taps = _call(_filter_back, [blocks, upstream, taps], 1)[0]
            return to_taps, upstream[:, :n_tail]

        return _call(_filter, [blocks, taps, tail], 1)[0], gradient

    return tf.ensure_shape(filtered(taps, tail), [taps.shape[0], None])


def spectral_distances(
    target: tf.Tensor,
    audio: tf.Tensor,
    *,
    fft_sizes: Sequence[int],
    mag_weight: float = 1.0,
    logmag_weight: float = 1.0,
    floor: float = 0.0,
) -> tf.Tensor:
    """Computes `amadeus.dsp.spectral_loss.spectral_distances`; arguments and result as there.

    Args:
      target: Shape [batch, n_samples].
      audio: Shape [batch, n_samples].
      fft_sizes: Powers of two, from 64 on.
      mag_weight: See there.
      logmag_weight: See there.
      floor: See there.
    """
    sizes = np.asarray(fft_sizes, np.int32)

    def compare(target: np.ndarray, audio: np.ndarray) -> tuple[np.ndarray, ...]:
        distances, slopes = np.zeros(len(audio)), np.zeros_like(audio)
        library.call(
            "spectral_distances",
            *audio.shape,
            target,
            np.ascontiguousarray(audio),
            sizes,
            len(sizes),
            float(mag_weight),
            float(logmag_weight),
            float(floor),
            distances,
            slopes,
        )
        return distances.astype(np.float32), slopes

    @tf.custom_gradient
    def distances(
        audio: tf.Tensor,
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        found, slopes = _call(compare, [target, audio], 2)
        slopes = tf.ensure_shape(slopes, audio.shape)
        return found, lambda upstream: upstream[:, None] * slopes

    return tf.ensure_shape(distances(audio), audio.shape[:1])


def _call(
    function: Callable[..., np.ndarray | tuple[np.ndarray, ...]],
    arguments: Sequence[tf.Tensor],
    n_results: int,
) -> list[tf.Tensor]:
    results = tf.numpy_function(function, list(arguments), [tf.float32] * n_results)
    # where it runs at once, a single result comes bare
    return results if isinstance(results, list | tuple) else [results]


def _recur(
    inputs: np.ndarray, hidden: np.ndarray, kernel: np.ndarray
) -> tuple[np.ndarray, ...]:
    n_frames, n_batch, n_gates = inputs.shape
    n_units = n_gates // 3
    kept = [np.empty((n_frames, n_batch, n_units), np.float32) for _ in range(5)]
    library.call(
        "recurrence", n_frames, n_batch, n_units, inputs, hidden, kernel, *kept
    )
    return tuple(kept)


def _recur_back(
    hidden: np.ndarray, kernel: np.ndarray, *kept: np.ndarray
) -> tuple[np.ndarray, ...]:
    n_frames, n_batch, n_units = kept[0].shape
    slopes, through = (
        np.empty((n_frames, n_batch, 3 * n_units), np.float32) for _ in range(2)
    )
    to_hidden = np.zeros((n_batch, n_units), np.float32)
    sizes = n_frames, n_batch, n_units
    library.call(
        "recurrence_back", *sizes, hidden, kernel, *kept, slopes, through, to_hidden
    )
    # what the last frame carries goes to the state before the first
    return slopes, through, to_hidden


def _sing(*given: np.ndarray, hop_size: int, sample_rate: int) -> np.ndarray:
    n_batch, n_frames, n_harmonics = given[-1].shape
    audio = np.empty((n_batch, n_frames * hop_size), np.float32)
    sizes = n_batch * n_frames, n_harmonics, hop_size, sample_rate
    library.call("harmonics", *sizes, *given, audio)
    return audio


def _hear(
    *given: np.ndarray, hop_size: int, sample_rate: int
) -> tuple[np.ndarray, ...]:
    shape = given[-2].shape
    to_starts, to_ends = np.empty(shape, np.float32), np.empty(shape, np.float32)
    sizes = shape[0] * shape[1], shape[2], hop_size, sample_rate
    library.call("harmonics_back", *sizes, *given, to_starts, to_ends)
    return to_starts, to_ends


def _filter(blocks: np.ndarray, taps: np.ndarray, tail: np.ndarray) -> np.ndarray:
    n_batch, n_frames, hop_size = blocks.shape
    n_taps = taps.shape[-1]
    sound = np.zeros((n_batch, n_frames * hop_size + n_taps - 1), np.float32)
    sound[:, : n_taps - 1] = tail  # the kernel adds to what is there
    library.call("filter", n_batch, n_frames, hop_size, n_taps, blocks, taps, sound)
    return sound


def _filter_back(
    blocks: np.ndarray, upstream: np.ndarray, taps: np.ndarray
) -> np.ndarray:
    to_taps = np.empty(taps.shape, np.float32)
    sizes = (*blocks.shape, taps.shape[-1])
    library.call("filter_back", *sizes, blocks, upstream, to_taps)
    return to_taps
