"""The synthesisers of `amadeus.dsp` by kernels: same arguments, same results, gradients included.

Shapes must be static, as they are in training.
"""

import functools

import numpy as np
import tensorflow as tf

from amadeus.audio import AudioSpec
from amadeus.dsp import harmonic, noise
from amadeus.native import ops


def synthesize(
    f0_hz: tf.Tensor,
    harmonic_amplitudes: tf.Tensor,
    *,
    previous_f0_hz: tf.Tensor,
    previous_amplitudes: tf.Tensor,
    phase: tf.Tensor,
    spec: AudioSpec,
) -> harmonic.Harmonics:
    """Computes `amadeus.dsp.harmonic.synthesize`; arguments and result as there."""
    start_hz, end_hz = harmonic.ramp_hz(f0_hz, previous_f0_hz)
    starts, ends = harmonic.ramp_amplitudes(
        harmonic_amplitudes,
        previous_amplitudes,
        highest_hz=tf.maximum(start_hz, end_hz),
        spec=spec,
    )
    cycles, phase = harmonic.cycles_before(start_hz, end_hz, phase, spec=spec)
    audio = ops.sum_harmonics(
        start_hz,
        end_hz,
        cycles,
        starts,
        ends,
        hop_size=spec.hop_size,
        sample_rate=spec.sample_rate,
    )
    return harmonic.Harmonics(audio, tf.stop_gradient(phase))


def uniform(seed: tf.Tensor, first_sample: tf.Tensor, n_samples: int) -> tf.Tensor:
    """Computes `amadeus.dsp.noise.uniform`; arguments and result as there."""
    firsts = noise.to_uint32(first_sample)
    return ops.uniform(noise.make_key(seed), firsts, n_samples)


def filter_noise(
    magnitudes: tf.Tensor, white: tf.Tensor, *, tail: tf.Tensor, spec: AudioSpec
) -> noise.Filtered:
    """Computes `amadeus.dsp.noise.filter_noise`; arguments and result as there."""
    n_batch, n_frames, n_bands = magnitudes.shape
    blocks = tf.reshape(white, [n_batch, n_frames, spec.hop_size])
    sound = ops.filter_blocks(blocks, magnitudes @ _design(n_bands), tail)
    n_samples, n_tail = n_frames * spec.hop_size, noise.ir_size(n_bands) - 1
    # split rather than sliced, here as elsewhere: its gradient is several times as fast
    return noise.Filtered(*tf.split(sound, [n_samples, n_tail], axis=1))


@functools.cache
def _design(n_bands: int) -> np.ndarray:
    """What `noise.impulse_responses` does, as a matrix. Shape [n_bands, ir_size]."""
    with tf.init_scope():
        return noise.impulse_responses(tf.eye(n_bands)).numpy()
