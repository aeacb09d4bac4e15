"""Counted noise and the framewise filter: statistics, ddsp, and blocks."""

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal

from amadeus.audio import AudioSpec
from amadeus.dsp import noise
from tests.streaming import verify_streaming

N_SAMPLES = 2**18


def draw(*seeds, first_sample=0, n_samples=N_SAMPLES):
    firsts = tf.fill([len(seeds)], first_sample)
    return noise.uniform(tf.constant(seeds), firsts, n_samples).numpy()


def apply(magnitudes, sound, *, spec):
    magnitudes = tf.constant(magnitudes, tf.float32)
    tail = tf.zeros([len(sound), noise.ir_size(magnitudes.shape[-1]) - 1])
    sound = tf.constant(sound, tf.float32)
    return noise.filter_noise(magnitudes, sound, tail=tail, spec=spec)


def test_noise_is_uniform():
    for row in draw(0, 1, 440, 2**31 - 1):
        assert row.min() >= -1
        assert row.max() < 1
        assert_allclose(row.mean(), 0, atol=5 * np.sqrt(1 / 3 / N_SAMPLES))
        assert_allclose(np.mean(row**2), 1 / 3, atol=5 * np.sqrt(4 / 45 / N_SAMPLES))
        counts, _ = np.histogram(row, bins=64, range=(-1, 1))
        chi_square = np.sum((counts - N_SAMPLES / 64) ** 2) / (N_SAMPLES / 64)
        assert chi_square < 63 + 5 * np.sqrt(2 * 63)


def test_noise_is_white():
    row = draw(7)[0].astype(np.float64)
    power = np.abs(np.fft.rfft(row)) ** 2
    correlation = np.fft.irfft(power)[1 : N_SAMPLES // 2] / np.sum(row**2)
    assert np.abs(correlation).max() < 6 / np.sqrt(N_SAMPLES)
    bands = power[1:-1][: N_SAMPLES // 2 - 1 - (N_SAMPLES // 2 - 1) % 64].reshape(
        64, -1
    )
    assert_allclose(bands.mean(axis=1) / power[1:-1].mean(), 1, atol=0.1)


def test_seeds_do_not_sound_alike():
    rows = draw(*range(16)).astype(np.float64)
    spectra = np.fft.rfft(rows - rows.mean(axis=1, keepdims=True))
    for lag in range(1, 16):  # at any distance in time, not only at the same sample
        cross = np.fft.irfft(spectra[:-lag] * np.conj(spectra[lag:]))
        assert np.abs(cross).max() < 7 * N_SAMPLES**0.5 / 3


def test_seeds_that_hash_alike_share_no_values():
    # of 20,000 seeds these two have the closest keys: 7 apart
    one, other = draw(10_612, 3_783).astype(np.float64)
    spectra = np.fft.rfft([one, other])
    cross = np.fft.irfft(spectra[0] * np.conj(spectra[1]))
    assert np.abs(cross).max() < 7 * N_SAMPLES**0.5 / 3
    n_common = len(np.intersect1d(one, other))  # by chance: n**2 / 2**24
    assert n_common < 2 * N_SAMPLES**2 / 2**24


def test_noise_depends_on_the_number_of_the_sample_only():
    whole = draw(3, 4, n_samples=1_000)
    assert_array_equal(draw(3, first_sample=700, n_samples=300)[0], whole[0, 700:])
    assert_array_equal(draw(9, 4, n_samples=1_000)[1], whole[1])
    together = noise.uniform(tf.constant([3, 4]), tf.constant([5, 600]), 100)
    assert_array_equal(together, [whole[0, 5:105], whole[1, 600:700]])


def test_seed_and_number_may_be_coded_as_floats():
    coded = noise.uniform(tf.constant([5.0]), tf.constant([16_000.0]), 64)
    assert_array_equal(coded, draw(5, first_sample=16_000, n_samples=64))


def test_numbers_wrap_like_counters():
    at_end = noise.uniform(tf.constant([5]), tf.constant([2**32 - 2], tf.int64), 4)
    assert_array_equal(at_end.numpy()[0, 2:], draw(5, n_samples=2)[0])


@pytest.mark.parametrize("n_bands", [2, 3, 65, 100])
def test_impulse_responses_agree_with_ddsp(n_bands, ddsp, rng):
    magnitudes = rng.uniform(0, 2, size=(2, 3, n_bands)).astype(np.float32)
    expected = ddsp.core.frequency_impulse_response(magnitudes, window_size=0)
    responses = noise.impulse_responses(tf.constant(magnitudes))
    assert responses.shape[-1] == noise.ir_size(n_bands)
    assert_allclose(responses, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("n_bands", "frame_rate"), [(65, 100), (65, 1_000), (65, 50), (9, 100), (257, 250)]
)
def test_filter_agrees_with_ddsp_but_for_its_shift(n_bands, frame_rate, ddsp, rng):
    spec = AudioSpec(sample_rate=16_000, frame_rate=frame_rate)
    n_samples = 20 * spec.hop_size
    magnitudes = rng.uniform(0, 1, size=(2, 20, n_bands)).astype(np.float32)
    sound = rng.uniform(-1, 1, size=(2, n_samples)).astype(np.float32)
    expected = ddsp.core.frequency_filter(sound, magnitudes, window_size=0).numpy()
    filtered = apply(magnitudes, sound, spec=spec)
    everything = np.concatenate([filtered.audio, filtered.tail], axis=1)
    ahead = (noise.ir_size(n_bands) - 1) // 2 - 1
    assert_allclose(
        everything[:, ahead : ahead + n_samples],
        expected,
        atol=1e-5 * np.abs(expected).max(),
    )


@pytest.mark.parametrize("n_frames", [1, 4])
def test_flat_magnitudes_only_delay(n_frames, rng, spec):
    sound = rng.uniform(-1, 1, size=(1, n_frames * spec.hop_size))
    filtered = apply(np.full([1, n_frames, 65], 0.5), sound, spec=spec)
    everything = np.concatenate([filtered.audio, filtered.tail], axis=1)[0]
    expected = np.zeros_like(everything)
    expected[64 : 64 + sound.shape[1]] = 0.5 * sound[0]
    assert_allclose(everything, expected, atol=1e-6)


def test_a_band_passes_its_own_frequencies(rng, spec):
    magnitudes = np.zeros([1, 100, 65])
    magnitudes[..., 16] = 1.0  # 2 kHz
    audio = apply(magnitudes, draw(1, n_samples=16_000), spec=spec).audio.numpy()[0]
    power = np.abs(np.fft.rfft(audio)) ** 2  # bins of 1 Hz
    assert power[1_750:2_250].sum() > 0.98 * power.sum()


@pytest.mark.parametrize(("n_bands", "frame_rate"), [(65, 100), (65, 1_000), (9, 100)])
def test_filtered_noise_in_blocks_equals_the_whole(n_bands, frame_rate, rng):
    spec = AudioSpec(sample_rate=16_000, frame_rate=frame_rate)
    hop, tail_size = spec.hop_size, noise.ir_size(n_bands) - 1
    magnitudes = rng.uniform(0, 1, size=(2, 30, n_bands)).astype(np.float32)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, n_bands]),
            tf.TensorSpec([None]),
            tf.TensorSpec([None]),
            tf.TensorSpec([None, tail_size]),
        ]
    )
    def filter_counted(magnitudes, seed, first_sample, tail):
        n_samples = tf.shape(magnitudes)[1] * hop
        sound = noise.uniform(seed, first_sample, n_samples)
        return noise.filter_noise(magnitudes, sound, tail=tail, spec=spec)

    def unit(controls, state):
        seed, first_sample, _ = state
        filtered = filter_counted(controls[0], *state)
        n_samples = filtered.audio.shape[1]
        return filtered.audio.numpy(), (
            seed,
            first_sample + n_samples,
            filtered.tail.numpy(),
        )

    start = (
        np.float32([1, 2]),
        np.zeros(2, np.float32),
        np.zeros([2, tail_size], np.float32),
    )
    verify_streaming(unit, (magnitudes,), start=start, hop_size=hop, atol=1e-6)


def test_gradient_is_the_adjoint_of_the_filter(rng, spec):
    sound = tf.constant(draw(1, 2, n_samples=3 * spec.hop_size))
    weights = rng.normal(size=sound.shape).astype(np.float32)
    for magnitudes in (rng.uniform(size=(2, 3, 65)), np.zeros([2, 3, 65])):
        variable = tf.Variable(magnitudes, dtype=tf.float32)
        with tf.GradientTape() as tape:
            audio = noise.filter_noise(
                variable, sound, tail=tf.zeros([2, 127]), spec=spec
            ).audio
            product = tf.reduce_sum(audio * weights)
        gradient = tape.gradient(product, variable).numpy()
        assert np.isfinite(gradient).all()
        assert np.abs(gradient).max() > 0
        # filtering is linear in the magnitudes
        assert_allclose(np.sum(gradient * magnitudes), product, rtol=1e-4, atol=1e-6)


def test_filtered_noise_has_the_energy_of_its_filter(rng, spec):
    """Parseval: white noise of power 1/3 comes out with that times the energy of the impulse response."""
    magnitudes = rng.uniform(0, 1, size=65).astype(np.float32)
    taps = noise.impulse_responses(tf.constant(magnitudes)).numpy()
    spectrum = np.abs(np.fft.fft(taps)) ** 2
    assert_allclose(np.sum(taps**2), np.mean(spectrum), rtol=1e-5)
    n_frames = 400
    sound = draw(5, n_samples=n_frames * spec.hop_size)
    audio = apply(np.tile(magnitudes, [1, n_frames, 1]), sound, spec=spec).audio
    assert_allclose(np.mean(audio**2), np.sum(taps**2) / 3, rtol=0.05)


def test_twice_the_magnitudes_are_twice_the_sound(rng, spec):
    magnitudes = rng.uniform(0, 1, size=(1, 5, 65))
    sound = draw(5, n_samples=5 * spec.hop_size)
    once, twice = (apply(g * magnitudes, sound, spec=spec).audio for g in (1, 2))
    assert_allclose(twice, 2 * once, atol=1e-6)
