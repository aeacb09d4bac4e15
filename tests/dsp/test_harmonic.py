"""Harmonic oscillators against physics, float64 sums and ddsp.

The oracle is `ddsp.core.harmonic_synthesis(amp_resample_method="linear")`. Its default "window"
resampling overlaps Hann windows of two hops, so a block would need the control after its end: a live
voice cannot wait for that. ddsp ramps from frame i to i + 1 in hop i; ours is the same sound with the
frame before the first as `previous_*`.
"""

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose

from amadeus.audio import AudioSpec
from amadeus.dsp import harmonic
from tests.streaming import verify_streaming


@tf.function(
    input_signature=[
        tf.TensorSpec([None, None]),
        tf.TensorSpec([None, None, 60]),
        tf.TensorSpec([None]),
        tf.TensorSpec([None, 60]),
        tf.TensorSpec([None]),
    ]
)
def play_60(f0_hz, amplitudes, previous_f0_hz, previous_amplitudes, phase):
    return harmonic.synthesize(
        f0_hz,
        amplitudes,
        previous_f0_hz=previous_f0_hz,
        previous_amplitudes=previous_amplitudes,
        phase=phase,
        spec=AudioSpec(sample_rate=16_000, frame_rate=100),
    )


def play(f0_hz, amplitudes, *, spec, phase=0.0):
    """Plays frames 1 and on; frame 0 is what went before."""
    f0_hz, amplitudes = np.float32(f0_hz), np.float32(amplitudes)
    return harmonic.synthesize(
        tf.constant(f0_hz[:, 1:]),
        tf.constant(amplitudes[:, 1:]),
        previous_f0_hz=tf.constant(f0_hz[:, 0]),
        previous_amplitudes=tf.constant(amplitudes[:, 0]),
        phase=tf.fill([len(f0_hz)], np.float32(phase)),
        spec=spec,
    )


def sum_sines(f0_hz, amplitudes, *, spec):
    """The definition, in float64, sample by sample."""
    f0_hz = np.asarray(np.float32(f0_hz), np.float64)
    n_frames, hop = f0_hz.shape[1] - 1, spec.hop_size
    ramp = np.tile(np.arange(hop) / hop, n_frames)

    def glide(frames):
        start, end = (
            np.repeat(part, hop, axis=1) for part in (frames[:, :-1], frames[:, 1:])
        )
        return start + (end - start) * ramp.reshape([-1] + [1] * (frames.ndim - 2))

    cycles = np.cumsum(glide(f0_hz) / spec.sample_rate, axis=1)[..., None]
    numbers = np.arange(1, amplitudes.shape[-1] + 1)
    return np.sum(glide(amplitudes) * np.sin(2 * np.pi * numbers * cycles), axis=-1)


def steady(f0_hz, amplitudes, *, n_frames=51):
    return np.full([1, n_frames], f0_hz), np.tile(
        np.float32(amplitudes), [1, n_frames, 1]
    )


@pytest.mark.parametrize("n_harmonics", [1, 2, 3, 7, 60, 100, 300])
def test_audio_is_the_sum_of_its_sines(n_harmonics, rng, spec):
    f0_hz = rng.uniform(15, 26, size=(2, 12))  # the 300th harmonic stays below Nyquist
    amplitudes = rng.uniform(0, 1 / n_harmonics, size=(2, 12, n_harmonics))
    audio = play(f0_hz, amplitudes, spec=spec).audio
    truth = sum_sines(f0_hz, amplitudes, spec=spec)
    # the phase grid moves the k-th harmonic by up to 2 pi k 2**-25 in a block
    assert_allclose(audio, truth, atol=1e-5 * max(1, n_harmonics / 60))


def test_linear_ramps_agree_with_ddsp(ddsp, rng, spec):
    # short and low: ddsp's float32 phases are 1e-4 off float64 soon, ours 7e-6 (test above)
    f0_hz = rng.uniform(60, 120, size=(2, 9)).astype(np.float32)
    amplitudes = rng.uniform(0, 1 / 20, size=(2, 9, 20)).astype(np.float32)
    expected = ddsp.core.harmonic_synthesis(
        f0_hz[..., None],
        np.ones([2, 9, 1], np.float32),
        harmonic_distribution=amplitudes,
        n_samples=9 * spec.hop_size,
        sample_rate=spec.sample_rate,
        amp_resample_method="linear",
        use_angular_cumsum=True,
    ).numpy()
    expected = expected[
        :, : 8 * spec.hop_size
    ]  # ddsp holds the last frame for one more hop
    audio = play(f0_hz, amplitudes, spec=spec).audio
    assert_allclose(audio, expected, atol=1e-4 * np.abs(expected).max())


def test_a_sine_has_the_power_of_its_amplitude(spec):
    audio = play(*steady(400.0, [0.5]), spec=spec).audio.numpy()
    assert_allclose(np.mean(audio**2), 0.5**2 / 2, rtol=1e-5)


def test_harmonics_from_nyquist_on_are_silent(spec):
    audio = play(*steady(3_000.0, np.full(60, 0.1)), spec=spec).audio.numpy()[0]
    magnitude = np.abs(np.fft.rfft(audio)) / len(audio) * 2
    peaks = np.flatnonzero(magnitude > 1e-4) * spec.sample_rate / len(audio)
    assert_allclose(peaks, [3_000, 6_000])
    assert not play(*steady(8_000.0, [1.0]), spec=spec).audio.numpy().any()


@pytest.mark.parametrize("glide_hz", [(3_900.0, 4_100.0), (4_100.0, 3_900.0)])
def test_a_harmonic_that_crosses_nyquist_is_silent_in_that_block(glide_hz, spec):
    amplitudes = np.zeros([1, 2, 2])
    amplitudes[..., 1] = 1.0
    assert not play([glide_hz], amplitudes, spec=spec).audio.numpy().any()
    below = play([(3_900.0, 3_999.0)], amplitudes, spec=spec).audio.numpy()
    assert np.abs(below).max() > 0.9


def test_blocks_joined_equal_the_whole_exactly(rng, spec):
    f0_hz = rng.uniform(80, 1_000, size=(2, 40)).astype(np.float32)
    amplitudes = rng.uniform(0, 1 / 60, size=(2, 40, 60)).astype(np.float32)

    def unit(controls, state):
        played = play_60(*controls, *state)
        after = (controls[0][:, -1], controls[1][:, -1], played.phase.numpy())
        return played.audio.numpy(), after

    start = (
        np.zeros(2, np.float32),
        np.zeros([2, 60], np.float32),
        np.zeros(2, np.float32),
    )
    verify_streaming(
        unit, (f0_hz, amplitudes), start=start, hop_size=spec.hop_size, atol=0.0
    )


def test_sound_has_no_jump_where_blocks_meet(spec):
    f0_hz = np.linspace(200, 220, 21)[None]
    audio = play(f0_hz, np.ones([1, 21, 1]), spec=spec).audio.numpy()[0]
    steepest = 2 * np.pi * 220 / spec.sample_rate
    assert np.abs(np.diff(audio)).max() <= steepest


def test_pitch_holds_for_an_hour():
    spec = AudioSpec(sample_rate=100, frame_rate=100)  # an hour is 360,000 frames
    n_frames, f0_hz = 360_001, 25.03
    played = play(np.full([1, n_frames], f0_hz), np.ones([1, n_frames, 1]), spec=spec)
    cycles = np.float64(np.float32(f0_hz)) / 100 * 360_000
    drift = (played.phase.numpy()[0] - cycles + 0.5) % 1 - 0.5
    assert abs(drift) / 3_600 < 1e-5  # Hz


def test_the_sign_of_pitch_does_not_sound(rng, spec):
    f0_hz, amplitudes = rng.uniform(80, 200, size=(1, 5)), rng.uniform(size=(1, 5, 4))
    flipped = f0_hz * [1, -1, 1, -1, -1]
    assert_allclose(
        play(flipped, amplitudes, spec=spec).audio,
        play(f0_hz, amplitudes, spec=spec).audio,
    )


def test_a_note_begins_at_its_own_pitch_not_in_a_glide_from_zero(spec):
    f0_hz, amplitudes = steady(400.0, [1.0])
    from_nothing = f0_hz.copy()
    from_nothing[0, 0] = 0.0
    assert_allclose(
        play(from_nothing, amplitudes, spec=spec).audio,
        play(f0_hz, amplitudes, spec=spec).audio,
    )


def test_no_pitch_and_no_amplitude_is_silence(spec):
    played = play(np.zeros([2, 4]), np.zeros([2, 4, 60]), spec=spec, phase=0.25)
    assert not played.audio.numpy().any()
    assert_allclose(played.phase, 0.25)


def test_gradient_is_the_adjoint_of_synthesis(rng, spec):
    f0_hz = rng.uniform(80, 1_000, size=(2, 6)).astype(np.float32)
    weights = tf.constant(rng.normal(size=(2, 5 * spec.hop_size)), tf.float32)
    amplitudes = tf.Variable(rng.uniform(size=(2, 5, 60)), dtype=tf.float32)
    silent = tf.zeros([2, 60])
    with tf.GradientTape() as tape:
        audio, _ = play_60(f0_hz[:, 1:], amplitudes, f0_hz[:, 0], silent, tf.zeros([2]))
        product = tf.reduce_sum(audio * weights)
    gradient = tape.gradient(product, amplitudes)
    # synthesis is linear in the amplitudes
    assert_allclose(tf.reduce_sum(gradient * amplitudes), product, rtol=1e-4)
    assert_allclose(gradient[0, 4, 59], 0.0)  # above Nyquist


def test_gradients_are_finite_at_silence(spec):
    amplitude = tf.Variable(tf.zeros([1, 3]))
    shares = tf.Variable(tf.zeros([1, 3, 60]))
    f0_hz = tf.constant([[0.0, 440.0, 9_000.0]])
    with tf.GradientTape() as tape:
        shown = harmonic.normalize_below_nyquist(shares, f0_hz=f0_hz, spec=spec)
        amplitudes = amplitude[..., None] * shown
        audio, _ = play_60(
            f0_hz, amplitudes, tf.zeros([1]), tf.zeros([1, 60]), tf.zeros([1])
        )
        loss = tf.reduce_sum(audio)
    for gradient in tape.gradient(loss, [amplitude, shares]):
        assert np.isfinite(gradient.numpy()).all()


def test_normalisation_agrees_with_ddsp(ddsp, rng, spec):
    shares = rng.uniform(size=(2, 5, 60)).astype(np.float32)
    f0_hz = rng.uniform(100, 5_000, size=(2, 5)).astype(np.float32)
    expected = ddsp.core.normalize_harmonics(shares, f0_hz[..., None], spec.sample_rate)
    normal = harmonic.normalize_below_nyquist(shares, f0_hz=f0_hz, spec=spec)
    assert_allclose(normal, expected, rtol=1e-6)
    assert_allclose(tf.reduce_sum(normal, axis=-1), 1.0, rtol=1e-5)


def test_shares_of_audible_harmonics_sum_to_one_and_the_others_are_silent(rng, spec):
    shares = rng.uniform(size=(1, 3, 4)).astype(np.float32)
    f0_hz = tf.constant([[100.0, -3_000.0, 8_000.0]])
    normal = harmonic.normalize_below_nyquist(shares, f0_hz=f0_hz, spec=spec).numpy()
    assert_allclose(normal.sum(axis=-1), [[1.0, 1.0, 0.0]], rtol=1e-5)
    assert not normal[0, 1, 2:].any()


def test_twice_the_amplitudes_are_twice_the_sound(rng, spec):
    f0_hz, amplitudes = rng.uniform(80, 200, size=(1, 5)), rng.uniform(size=(1, 5, 4))
    once, twice = (play(f0_hz, g * amplitudes, spec=spec).audio for g in (1, 2))
    assert_allclose(twice, 2 * once, atol=1e-6)
