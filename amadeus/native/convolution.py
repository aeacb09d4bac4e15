"""The reverb of a whole crop: SciPy's transforms, which take half as long as TensorFlow's, and products by a kernel."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from scipy import fft

from amadeus.native import library


def convolve(audio: tf.Tensor, impulse_response: tf.Tensor) -> tf.Tensor:
    """Computes `amadeus.dsp.reverb.convolve`; arguments and result as there, shapes static."""
    n_samples, n_taps = audio.shape[1], impulse_response.shape[0]
    if n_taps < 2:
        return tf.identity(audio)
    size = fft.next_fast_len(n_samples + n_taps - 1, real=True)

    @tf.custom_gradient
    def wet(
        audio: tf.Tensor, taps: tf.Tensor
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], list[tf.Tensor]]]:
        sound, spectra, response = tf.numpy_function(
            lambda audio, taps: _ring(audio, taps, size),
            [audio, taps],
            [tf.float32, tf.complex64, tf.complex64],
        )

        def gradient(upstream: tf.Tensor) -> list[tf.Tensor]:
            pulls: list[tf.Tensor] = tf.numpy_function(
                lambda *given: _ring_back(*given, size, n_taps),
                [upstream, spectra, response],
                [tf.float32] * 2,
            )
            return pulls

        return sound, gradient

    return tf.ensure_shape(wet(audio, impulse_response), audio.shape)


def _ring(audio: np.ndarray, taps: np.ndarray, size: int) -> tuple[np.ndarray, ...]:
    """The sound with its reverb, and the spectra of both."""
    taps = np.array(taps)
    taps[0] = 0.0  # the dry sound stands for it
    spectra, response = _transform(audio, size), _transform(taps, size)
    products = np.empty_like(spectra)
    library.call("multiply_spectra", *spectra.shape, spectra, response, products)
    return audio + _back(products, size)[:, : audio.shape[1]], spectra, response


def _ring_back(
    upstream: np.ndarray,
    spectra: np.ndarray,
    response: np.ndarray,
    size: int,
    n_taps: int,
) -> tuple[np.ndarray, np.ndarray]:
    pulls, by_taps = _transform(upstream, size), np.zeros_like(response)
    library.call(
        "multiply_spectra_back", *pulls.shape, spectra, response, pulls, by_taps
    )
    to_audio = upstream + _back(pulls, size)[:, : upstream.shape[1]]
    to_taps = _back(by_taps, size)[:n_taps]
    to_taps[0] = 0.0
    return to_audio, to_taps


def _transform(signal: np.ndarray, size: int) -> np.ndarray:
    return fft.rfft(signal, size, workers=library.n_threads())


def _back(spectra: np.ndarray, size: int) -> np.ndarray:
    return fft.irfft(spectra, size, workers=library.n_threads(), overwrite_x=True)
