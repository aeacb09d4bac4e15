"""Every sample rate: nothing folds back, levels are the same, and content reaches as high as it should."""

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose
from scipy import signal

from amadeus.audio import AudioSpec
from amadeus.dsp import harmonic, noise
from amadeus.personality import presets

RATES = (16_000, 24_000, 32_000, 44_100, 48_000)
FRAME_RATE = 100
N_HARMONICS, N_BANDS = 60, 65  # at 16 kHz


def play_tone(f0_hz, *, sample_rate, amplitude=0.01):
    """One second and a block of all harmonics that a voice of this rate has."""
    n_harmonics = presets.scale_count("harmonic_count", N_HARMONICS, sample_rate)
    amplitudes = tf.fill([1, FRAME_RATE + 1, n_harmonics], amplitude)
    audio = harmonic.synthesize(
        tf.fill([1, FRAME_RATE + 1], np.float32(f0_hz)),
        amplitudes,
        previous_f0_hz=tf.fill([1], np.float32(f0_hz)),
        previous_amplitudes=amplitudes[:, 0],
        phase=tf.zeros([1]),
        spec=AudioSpec(sample_rate=sample_rate, frame_rate=FRAME_RATE),
    ).audio
    return audio.numpy()[0, :sample_rate]


def play_noise(*, sample_rate, gain=0.5):
    """One second of white noise through all bands that a voice of this rate has."""
    n_bands = presets.scale_count("noise_band_count", N_BANDS, sample_rate)
    filtered = noise.filter_noise(
        tf.fill([1, FRAME_RATE, n_bands], gain),
        noise.uniform(tf.constant([1]), tf.constant([0]), sample_rate),
        tail=tf.zeros([1, noise.ir_size(n_bands) - 1]),
        spec=AudioSpec(sample_rate=sample_rate, frame_rate=FRAME_RATE),
    )
    return filtered.audio.numpy()[0]


def lines_db(audio):
    """Levels of lines 1 Hz apart, against a sine of amplitude 1."""
    window = signal.windows.blackmanharris(len(audio), sym=False)
    magnitudes = np.abs(np.fft.rfft(audio * window)) / window.sum() * 2
    return 20 * np.log10(np.maximum(magnitudes, 1e-12))


@pytest.mark.parametrize("sample_rate", RATES)
@pytest.mark.parametrize("f0_hz", [437.0, 1_789.0, 3_989.0])
def test_no_energy_folds_back(sample_rate, f0_hz):
    levels_db = lines_db(play_tone(f0_hz, sample_rate=sample_rate))
    n_harmonics = presets.scale_count("harmonic_count", N_HARMONICS, sample_rate)
    assert n_harmonics * f0_hz > sample_rate / 2, "nothing could fold"
    true_hz = f0_hz * np.arange(1, n_harmonics + 1)
    true_hz = true_hz[true_hz < sample_rate / 2].astype(int)
    assert_allclose(levels_db[true_hz], -40, atol=0.1)
    for offset in range(-5, 6):  # the window's main lobe
        levels_db[np.clip(true_hz + offset, 0, len(levels_db) - 1)] = -np.inf
    assert levels_db.max() < -120


@pytest.mark.parametrize("sample_rate", RATES)
def test_levels_are_those_of_16_khz(sample_rate):
    tone = play_tone(79.0, sample_rate=sample_rate)
    n_harmonics = presets.scale_count("harmonic_count", N_HARMONICS, sample_rate)
    assert_allclose(np.mean(tone**2), n_harmonics * 0.01**2 / 2, rtol=1e-3)
    hiss = play_noise(sample_rate=sample_rate)
    assert_allclose(np.mean(hiss**2), 0.5**2 / 3, rtol=0.05)


def test_content_at_48_khz_reaches_20_khz():
    tone_db = lines_db(play_tone(112.0, sample_rate=48_000))
    highest_hz = np.flatnonzero(tone_db > -41)[-1]
    assert 20_000 < highest_hz < 24_000
    frequencies, power = signal.welch(
        play_noise(sample_rate=48_000), 48_000, nperseg=960
    )
    heard = power[(frequencies > 100) & (frequencies < 23_000)]
    assert 10 * np.log10(heard.max() / heard.min()) < 6  # flat, but for chance


@pytest.mark.parametrize("n_harmonics", [180, 512])
def test_many_harmonics_at_48_khz_are_the_sum_of_their_sines(n_harmonics, rng):
    f0_hz = 23_000 / n_harmonics
    amplitudes = rng.uniform(0, 1 / n_harmonics, size=n_harmonics).astype(np.float32)
    frames = tf.tile(amplitudes[None, None], [1, 20, 1])
    audio = harmonic.synthesize(
        tf.fill([1, 20], np.float32(f0_hz)),
        frames,
        previous_f0_hz=tf.fill([1], np.float32(f0_hz)),
        previous_amplitudes=frames[:, 0],
        phase=tf.zeros([1]),
        spec=AudioSpec(sample_rate=48_000, frame_rate=200),
    ).audio[0]
    cycles = np.float64(np.float32(f0_hz)) * np.arange(1, 20 * 240 + 1) / 48_000
    numbers = np.arange(1, n_harmonics + 1)[:, None]
    truth = amplitudes @ np.sin(2 * np.pi * numbers * cycles)
    assert_allclose(audio, truth, atol=1e-4)
