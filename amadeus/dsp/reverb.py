"""Reverb: convolution with an impulse response, in overlapping blocks.

Blocks keep memory in step with the audio and let the cores share the work; the result is that of one
long transform.
"""

import tensorflow as tf

from amadeus.dsp import fourier


def convolve(audio: tf.Tensor, impulse_response: tf.Tensor) -> tf.Tensor:
    """Adds the reverberated sound to the dry one.

    As ddsp.effects.Reverb does: the first tap of the impulse response is ignored, because the dry sound is
    added as it is; the sound that rings on after the end is cut.

    Args:
      audio: Shape [batch, n_samples].
      impulse_response: Shape [ir_size], static.

    Returns:
      Shape [batch, n_samples].
    """
    n_taps = impulse_response.shape[0]
    if n_taps < 2:
        return tf.identity(audio)
    size = fourier.fast_size(2 * n_taps - 1)
    blocks = _split(audio, size - n_taps + 1)
    taps = tf.concat([[0.0], impulse_response[1:]], axis=0)
    spectra = fourier.rfft(blocks, size) * fourier.rfft(taps, size)
    wet = fourier.overlap_add(tf.signal.irfft(spectra, [size]), blocks.shape[-1])
    return audio + wet[:, : tf.shape(audio)[1]]


def _split(audio: tf.Tensor, block_size: int) -> tf.Tensor:
    shape = tf.shape(audio)
    padded = tf.pad(audio, [[0, 0], [0, -shape[1] % block_size]])
    return tf.reshape(padded, [shape[0], -1, block_size])
