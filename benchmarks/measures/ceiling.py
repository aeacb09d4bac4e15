"""The ceiling: a recording resynthesised with its own true harmonic amplitudes and noise.

No network: amplitudes are measured frame by frame at the multiples of the tracked pitch, what they do
not explain becomes bands of noise, and both are played by our own synthesisers. No voice of harmonics
plus noise that is driven by this pitch can be expected to do better.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf
from scipy import signal

from amadeus.audio import AudioSpec
from amadeus.dsp import harmonic, noise

_PERIODS = 4  # of the pitch in a window: the least that keeps harmonics apart under a Hann window
_MAX_WINDOW_S = 0.08
_NOISE_WINDOW_S = 0.016
_RUMBLE_HZ = 40.0  # residual below it is hardly heard, and bands of 125 Hz would smear it to where it is
_FRAMES_PER_CHUNK = 256
_UNIFORM_POWER = 1 / 3  # of noise in [-1, 1)


class Controls(NamedTuple):
    """What a recording would tell the synthesisers.

    Attributes:
      harmonics: Complex amplitudes against the phase of the tracked pitch. Shape [n_frames, n_harmonics].
      noise_magnitudes: Gains of the noise filter in each block. Shape [n_frames - 1, n_noise_bands].
    """

    harmonics: np.ndarray
    noise_magnitudes: np.ndarray


def resynthesize(
    audio: np.ndarray,
    f0_hz: np.ndarray,
    *,
    spec: AudioSpec,
    n_harmonics: int,
    n_noise_bands: int,
) -> np.ndarray:
    """Analyses a sound and plays it again.

    Args:
      audio: Shape [n_samples].
      f0_hz: Pitch of centred frames, not positive where unvoiced. Shape [n_frames].
      spec: The clock.
      n_harmonics: Harmonics to measure.
      n_noise_bands: Bands of noise.

    Returns:
      Float32, aligned with `audio`. Shape [(n_frames - 1) * hop_size].
    """
    controls = analyse(
        audio, f0_hz, spec=spec, n_harmonics=n_harmonics, n_noise_bands=n_noise_bands
    )
    return _play(controls, f0_hz, spec)


def analyse(
    audio: np.ndarray,
    f0_hz: np.ndarray,
    *,
    spec: AudioSpec,
    n_harmonics: int,
    n_noise_bands: int,
) -> Controls:
    """Measures harmonics and noise; arguments as for `resynthesize`."""
    n_samples = (len(f0_hz) - 1) * spec.hop_size
    audio = np.asarray(audio[:n_samples], np.float64)
    cycles = _cycles(f0_hz, spec)
    harmonics = _measure_harmonics(audio, f0_hz, cycles, spec, n_harmonics)
    residual = audio - _explain(harmonics, cycles, spec)
    return Controls(harmonics, _measure_noise(residual, spec, n_noise_bands))


def _cycles(f0_hz: np.ndarray, spec: AudioSpec) -> np.ndarray:
    """Phase of the fundamental in cycles at each sample, [n_samples]."""
    n_samples = (len(f0_hz) - 1) * spec.hop_size
    frames = np.arange(n_samples) / spec.hop_size
    return (
        np.cumsum(np.interp(frames, np.arange(len(f0_hz)), np.abs(f0_hz)))
        / spec.sample_rate
    )


def _measure_harmonics(
    audio: np.ndarray,
    f0_hz: np.ndarray,
    cycles: np.ndarray,
    spec: AudioSpec,
    n_harmonics: int,
) -> np.ndarray:
    """Projects windowed frames onto the harmonics; 0 where unvoiced or not below Nyquist."""
    half = round(_MAX_WINDOW_S * spec.sample_rate / 2)
    sounds, phases = (
        np.pad(a, half, mode=m) for a, m in ((audio, "constant"), (cycles, "edge"))
    )
    views = [
        np.lib.stride_tricks.sliding_window_view(a, 2 * half + 1)
        for a in (sounds, phases)
    ]
    offsets_s = np.arange(-half, half + 1) / spec.sample_rate
    measured = np.zeros((len(f0_hz), n_harmonics), np.complex128)
    voiced = np.flatnonzero(f0_hz > 0)
    for first in range(0, len(voiced), _FRAMES_PER_CHUNK):
        frames = voiced[first : first + _FRAMES_PER_CHUNK]
        at = np.minimum(frames * spec.hop_size, len(views[0]) - 1)
        reach_s = np.minimum(_PERIODS / f0_hz[frames] / 2, _MAX_WINDOW_S / 2)
        inside = np.minimum(np.abs(offsets_s) / reach_s[:, None], 1.0)
        window = 0.5 + 0.5 * np.cos(np.pi * inside)
        windowed = 2 * views[0][at] * window / window.sum(axis=1, keepdims=True)
        turn = np.exp(-2j * np.pi * views[1][at])
        spun = windowed.astype(np.complex128)
        for k in range(n_harmonics):
            spun *= turn
            measured[frames, k] = spun.sum(axis=1)
    numbers = np.arange(1, n_harmonics + 1)
    audible = np.abs(f0_hz)[:, None] * numbers < spec.sample_rate / 2
    return np.where(audible, measured, 0.0)


def _explain(harmonics: np.ndarray, cycles: np.ndarray, spec: AudioSpec) -> np.ndarray:
    """The sound that the harmonics explain, their complex amplitudes joined by straight lines."""
    frames = np.arange(len(cycles)) / spec.hop_size
    sound, turn = np.zeros(len(cycles)), np.exp(2j * np.pi * cycles)
    spun = np.ones(len(cycles), np.complex128)
    for amplitude in harmonics.T:
        spun *= turn
        if amplitude.any():
            between = np.interp(frames, np.arange(len(amplitude)), amplitude)
            sound += (between * spun).real
    return sound


def _measure_noise(residual: np.ndarray, spec: AudioSpec, n_bands: int) -> np.ndarray:
    """Gains that make uniform noise as loud as the residual, band by band, in the middle of each block."""
    hop = spec.hop_size
    high_pass = signal.butter(
        4, _RUMBLE_HZ, "highpass", fs=spec.sample_rate, output="sos"
    )
    residual = signal.sosfiltfilt(high_pass, residual)
    size = max(round(_NOISE_WINDOW_S * spec.sample_rate) // 2 * 2, 2 * (n_bands - 1))
    window = np.hanning(size + 1)[:-1]
    padded = np.pad(residual, (size // 2 - hop // 2, size))
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    frames = frames[: len(residual) // hop]
    bands = _band_shares(size // 2 + 1, n_bands)
    power = np.square(np.abs(np.fft.rfft(frames * window))) @ bands.T
    return np.sqrt(power / np.square(window).sum() / _UNIFORM_POWER).astype(np.float32)


def _band_shares(n_bins: int, n_bands: int) -> np.ndarray:
    """Triangles around the bands' centres, each of sum 1. Shape [n_bands, n_bins]."""
    places = np.linspace(0, n_bands - 1, n_bins)
    shares = np.maximum(1 - np.abs(places - np.arange(n_bands)[:, None]), 0.0)
    return shares / shares.sum(axis=1, keepdims=True)


def _play(controls: Controls, f0_hz: np.ndarray, spec: AudioSpec) -> np.ndarray:
    pitches = tf.constant(np.abs(f0_hz)[None], tf.float32)
    amplitudes = tf.constant(np.abs(controls.harmonics)[None], tf.float32)
    tones = harmonic.synthesize(
        pitches[:, 1:],
        amplitudes[:, 1:],
        previous_f0_hz=pitches[:, 0],
        previous_amplitudes=amplitudes[:, 0],
        phase=tf.zeros([1]),
        spec=spec,
    )
    magnitudes = tf.constant(controls.noise_magnitudes[None])
    size = noise.ir_size(magnitudes.shape[-1])
    n_samples = magnitudes.shape[1] * spec.hop_size
    hiss = noise.filter_noise(
        magnitudes,
        noise.uniform(tf.zeros([1]), tf.zeros([1]), n_samples),
        tail=tf.zeros([1, size - 1]),
        spec=spec,
    )
    # the filter is late by half its length, which an offline ceiling need not be
    late = tf.concat([hiss.audio, hiss.tail], axis=1)[:, size // 2 :][:, :n_samples]
    return (tones.audio + late).numpy()[0]
