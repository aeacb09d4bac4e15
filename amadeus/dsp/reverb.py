"""Reverb: convolution with an impulse response, of a whole sound or in blocks as they come.

`convolve` takes a whole sound in overlapping blocks about as long as the impulse response, which keeps
memory in step with the audio and lets the cores share the work. `stream` takes one hop at a time, without
latency: the impulse response is cut into partitions of a hop, and the state holds the spectra of the hops
that still sound (uniformly partitioned overlap-save). Both add the same reverb to the dry sound: as in
ddsp.effects.Reverb the first tap is ignored, because the dry sound stands for it.

Reference: Wefers, "Partitioned convolution algorithms for real-time auralization", 2014, chapter 5.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from amadeus.dsp import fourier


class Reverberated(NamedTuple):
    """Audio and what of it still sounds.

    Attributes:
      audio: Dry and wet. Shape [batch, n_frames * hop_size].
      state: To be handed to the next block. Shape [batch, state_size].
    """

    audio: tf.Tensor
    state: tf.Tensor


def convolve(audio: tf.Tensor, impulse_response: tf.Tensor) -> tf.Tensor:
    """Adds the reverberated sound to the dry one; what rings on after the end is cut.

    Args:
      audio: Shape [batch, n_samples].
      impulse_response: Shape [n_taps], static.

    Returns:
      Shape [batch, n_samples].
    """
    n_taps = impulse_response.shape[0]
    if n_taps < 2:
        return tf.identity(audio)
    size = fourier.fast_size(2 * n_taps - 1)
    taps, n_block = _without_dry_tap(impulse_response), size - n_taps + 1
    n_samples = audio.shape[1]
    if n_samples is not None and n_samples <= n_block:
        return audio + _ring(audio[:, None], taps, size, n_samples)[:, 0]
    blocks = _split(audio, n_block)
    wet = fourier.overlap_add(_ring(blocks, taps, size, size), n_block)
    return audio + wet[:, : tf.shape(audio)[1]]


def _ring(blocks: tf.Tensor, taps: tf.Tensor, size: int, n_kept: int) -> tf.Tensor:
    """Convolves blocks [batch, n_blocks, block_size] with taps [n_taps] into rings [batch, n_blocks, n_kept].

    The gradient is written out: it takes the spectra there are, no weights of bins, and no slice's gradient.
    """
    n_block, n_taps = blocks.shape[-1], taps.shape[0]

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def ring(
        blocks: tf.Tensor, taps: tf.Tensor
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
        spectra = tf.signal.rfft(blocks, [size])
        response = tf.signal.rfft(taps, [size])

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            pulls = tf.signal.rfft(upstream, [size])
            to_blocks = tf.signal.irfft(pulls * tf.math.conj(response), [size])
            by_taps = tf.reduce_sum(pulls * tf.math.conj(spectra), axis=[0, 1])
            to_taps = tf.signal.irfft(by_taps, [size])
            return to_blocks[..., :n_block], to_taps[:n_taps]

        return tf.signal.irfft(spectra * response, [size])[..., :n_kept], gradient

    return ring(blocks, taps)


def partition(impulse_response: tf.Tensor, *, hop_size: int) -> tf.Tensor:
    """Cuts an impulse response into spectra of `hop_size` taps each, the last taps first.

    Args:
      impulse_response: Shape [n_taps], static.
      hop_size: Samples per frame.

    Returns:
      Complex, shape [n_partitions, hop_size + 1]; one partition at least.
    """
    n_taps = impulse_response.shape[0]
    n_partitions = max(1, -(-n_taps // hop_size))
    taps = _without_dry_tap(impulse_response) if n_taps else impulse_response
    taps = tf.pad(taps, [[0, n_partitions * hop_size - n_taps]])
    taps = tf.reverse(tf.reshape(taps, [n_partitions, hop_size]), axis=[0])
    return tf.signal.rfft(taps, [2 * hop_size])


def state_size(n_partitions: int, *, hop_size: int) -> int:
    """Floats in one state row: the last hop, and the spectra of those before it that still sound."""
    return hop_size + (n_partitions - 1) * 2 * (hop_size + 1)


def stream(
    audio: tf.Tensor, partitions: tf.Tensor, *, state: tf.Tensor, hop_size: int
) -> Reverberated:
    """Adds the reverberated sound to the dry one, block by block, without latency.

    Args:
      audio: Whole hops. Shape [batch, n_frames * hop_size].
      partitions: What `partition` returned. Shape [n_partitions, hop_size + 1], static.
      state: Zeros at a start. Shape [batch, state_size].
      hop_size: Samples per frame.
    """
    n_batch, n_partitions = tf.shape(audio)[0], partitions.shape[0]
    hops = tf.reshape(audio, [n_batch, _divide(audio.shape[1], hop_size), hop_size])
    before = tf.concat([state[:, None, :hop_size], hops[:, :-1]], axis=1)
    spectra = tf.signal.rfft(tf.concat([before, hops], axis=-1))
    held = _unpack(state[:, hop_size:], n_partitions - 1, hop_size)
    held = tf.concat([held, spectra], axis=1)  # the oldest first
    n_frames = tf.shape(hops)[1]

    def sound(first: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(held[:, first : first + n_partitions] * partitions, axis=1)

    if hops.shape[1] == 1:
        wet_spectra = sound(0)[:, None]
    else:
        wet_spectra = tf.map_fn(
            sound, tf.range(n_frames), fn_output_signature=tf.complex64
        )
        wet_spectra = tf.transpose(wet_spectra, [1, 0, 2])
    wet = tf.signal.irfft(wet_spectra)[..., hop_size:]  # the first half is wrapped
    after = tf.concat([hops[:, -1], _pack(held[:, n_frames:])], axis=-1)
    return Reverberated(audio + tf.reshape(wet, tf.shape(audio)), after)


def _without_dry_tap(impulse_response: tf.Tensor) -> tf.Tensor:
    return tf.concat([[0.0], impulse_response[1:]], axis=0)


def _split(audio: tf.Tensor, block_size: int) -> tf.Tensor:
    shape = tf.shape(audio)
    padded = tf.pad(audio, [[0, 0], [0, -shape[1] % block_size]])
    return tf.reshape(padded, [shape[0], -1, block_size])


def _divide(n_samples: int | None, hop_size: int) -> int:
    """Number of hops, -1 (to be found by reshape) where it is not known yet."""
    return -1 if n_samples is None else n_samples // hop_size


def _unpack(row: tf.Tensor, n_spectra: int, hop_size: int) -> tf.Tensor:
    pairs = tf.reshape(row, [tf.shape(row)[0], n_spectra, hop_size + 1, 2])
    return tf.bitcast(pairs, tf.complex64)


def _pack(spectra: tf.Tensor) -> tf.Tensor:
    shape = tf.shape(spectra)
    pairs = tf.bitcast(spectra, tf.float32)
    return tf.reshape(pairs, [shape[0], shape[1] * shape[2] * 2])
