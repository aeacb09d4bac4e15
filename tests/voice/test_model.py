import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal

from amadeus.voice.model import RENDER_BLOCK_FRAMES, VoiceModel
from tests.streaming import verify_streaming

HOP = 160


class Compiled:
    """A model whose graphs are traced once; frame by frame, eager execution takes minutes."""

    def __init__(self, model):
        self._model = model
        self.perform, self.render, self.controls = (
            tf.function(method, reduce_retracing=True, autograph=False)
            for method in (model.perform, model.render, model.controls)
        )

    def __getattr__(self, name):
        return getattr(self._model, name)


@pytest.fixture(scope="module")
def model(profile):
    model = VoiceModel(profile)
    rng = np.random.default_rng(7)
    model.reverb.assign(rng.normal(size=model.reverb.shape) * 0.05)
    return Compiled(model)


def zeros(model, n_rows):
    return tf.zeros([n_rows, model.state_size])


def play_in_blocks(model, f0_hz, loudness_db, sizes):
    state, blocks, start = zeros(model, len(f0_hz)), [], 0
    for size in sizes:
        frames = slice(start, start + size)
        audio, state = model.perform(f0_hz[:, frames], loudness_db[:, frames], state)
        blocks.append(audio)
        start += size
    return np.concatenate(blocks, axis=1), state.numpy()


@pytest.mark.parametrize("sizes", [[1] * 60, [7] * 8 + [4], [59, 1], [1, 59], [20, 40]])
def test_blocks_joined_equal_the_whole(model, gestures, sizes):
    whole, state = model.perform(*gestures, zeros(model, 3))
    joined, last_state = play_in_blocks(model, *gestures, sizes)
    assert np.abs(whole).max() > 0.01
    assert_allclose(joined, whole, atol=1e-5)
    assert_allclose(last_state, state, atol=1e-5)


def test_the_decoder_keeps_the_contract_of_blocks(model, gestures):
    """Its controls, frame by frame, in place of audio."""
    decode = tf.function(model.decoder, reduce_retracing=True, autograph=False)

    def unit(controls, state):
        decoded, hidden = decode(*(tf.constant(rows) for rows in (*controls, *state)))
        values = np.concatenate(decoded, axis=-1)
        return values.reshape(len(values), -1), (hidden.numpy(),)

    n_values = 1 + 8 + 9
    start = (np.zeros([3, 16], np.float32),)
    verify_streaming(unit, gestures, start=start, hop_size=n_values, atol=1e-5)


def test_a_note_sounds_the_same_among_strangers(model, gestures):
    together = model.perform(*gestures, zeros(model, 3)).audio
    for row in range(3):
        f0_hz, loudness_db = (rows[row : row + 1] for rows in gestures)
        alone = model.perform(f0_hz, loudness_db, zeros(model, 1)).audio
        assert_allclose(alone[0], together[row], atol=1e-5)


def test_a_note_can_be_joined_while_another_is_under_way(model, gestures):
    f0_hz, loudness_db = gestures
    whole = model.perform(f0_hz, loudness_db, zeros(model, 3)).audio.numpy()
    _, first = model.perform(f0_hz[:1, :30], loudness_db[:1, :30], zeros(model, 1))
    state = tf.concat([first, zeros(model, 1)], axis=0)
    f0_hz = np.stack([f0_hz[0, 30:], f0_hz[1, :30]])
    loudness_db = np.stack([loudness_db[0, 30:], loudness_db[1, :30]])
    audio = model.perform(f0_hz, loudness_db, state).audio
    assert_allclose(audio[0], whole[0, 30 * HOP :], atol=1e-5)
    assert_allclose(audio[1], whole[1, : 30 * HOP], atol=1e-5)


def test_nan_spoils_neither_the_state_nor_the_neighbours(model, gestures):
    f0_hz, loudness_db = (rows.copy() for rows in gestures)
    clean = model.perform(f0_hz, loudness_db, zeros(model, 3)).audio
    f0_hz[0, 10], loudness_db[0, 11] = np.nan, np.inf
    audio, state = model.perform(f0_hz, loudness_db, zeros(model, 3))
    assert np.isfinite(audio).all()
    assert np.isfinite(state).all()
    assert_allclose(audio[1:], clean[1:], atol=1e-6)


def test_unvoiced_frames_silence_the_harmonics_but_not_the_noise(model):
    f0_hz = np.full([1, 20], 300, np.float32)
    f0_hz[:, 10:] *= -1
    loudness_db = np.full([1, 20], -20, np.float32)
    controls = model.controls(f0_hz, loudness_db)
    assert (controls.amplitude[0, :10] > 0.01).numpy().all()
    assert_array_equal(controls.amplitude[0, 10:], 0)
    assert (controls.noise_magnitudes.numpy() > 0).all()


def test_the_network_sees_the_pitch_of_unvoiced_frames(model):
    loudness_db = np.full([1, 4], -20, np.float32)
    hidden = [
        model.perform(np.full([1, 4], hz, np.float32), loudness_db, zeros(model, 1))[1]
        for hz in (300, -300, -600)
    ]
    n_units = 16
    assert_array_equal(hidden[0][:, :n_units], hidden[1][:, :n_units])
    assert np.abs(hidden[1] - hidden[2])[:, :n_units].max() > 1e-4


def test_without_pitch_the_last_pitch_holds(model):
    loudness_db = np.full([1, 4], -20, np.float32)
    told = np.array([[300, -300, -300, 400]], np.float32)
    untold = np.array([[300, 0, 0, 400]], np.float32)
    expected, audio = (
        model.perform(f0_hz, loudness_db, zeros(model, 1)).audio
        for f0_hz in (told, untold)
    )
    assert_array_equal(audio, expected)


def test_a_note_starts_from_silence(model):
    f0_hz, loudness_db = np.full([1, 1], 300, np.float32), np.zeros([1, 1], np.float32)
    audio = model.perform(f0_hz, loudness_db, zeros(model, 1)).audio
    assert np.abs(audio[0, :3]).max() < 0.05 * np.abs(audio).max()


def test_distribution_sums_to_one_below_nyquist(model):
    f0_hz = np.array([[450.0, 900.0, 2100.0, 3999.0, 5000.0]], np.float32)
    shares = model.controls(f0_hz, np.zeros([1, 5], np.float32)).harmonic_distribution
    assert_allclose(np.sum(shares, axis=-1), [[1, 1, 1, 1, 0]], atol=1e-6)
    n_audible = np.count_nonzero(shares, axis=-1)
    assert n_audible.tolist() == [[8, 4, 1, 1, 0]]


def test_the_same_note_has_the_same_noise_and_another_has_other_noise(model):
    loudness_db = np.full([3, 30], -20, np.float32)
    f0_hz = np.full([3, 30], -300, np.float32)
    f0_hz[2, 0] = -300.01
    audio = model.perform(f0_hz, loudness_db, zeros(model, 3)).audio.numpy()
    assert_array_equal(audio[0], audio[1])
    assert abs(np.corrcoef(audio[0], audio[2])[0, 1]) < 0.1


def test_noise_does_not_repeat(model):
    f0_hz = np.full([1, 100], -300, np.float32)
    loudness_db = np.full([1, 100], -20, np.float32)
    frames = model.perform(f0_hz, loudness_db, zeros(model, 1)).audio.numpy()
    frames = frames.reshape(100, HOP)[10:]
    alike = np.abs(np.corrcoef(frames)) - np.eye(90)
    assert alike.max() < 0.6


def test_render_without_reverb_is_perform_however_long(model, rng):
    n_frames = 2 * RENDER_BLOCK_FRAMES + 3
    f0_hz = rng.uniform(100, 900, [2, n_frames]).astype(np.float32)
    loudness_db = rng.uniform(-70, 0, [2, n_frames]).astype(np.float32)
    dry = model.perform(f0_hz, loudness_db, zeros(model, 2)).audio
    audio = model.render(f0_hz, loudness_db, tf.zeros([2]))
    assert audio.shape == (2, n_frames * HOP)
    assert_allclose(audio, dry, atol=1e-5)


def test_render_adds_the_share_of_reverb_asked_for(model, gestures):
    mixes = tf.constant([0.0, 0.5, 1.0])
    audio = model.render(*gestures, mixes).numpy()
    dry = model.perform(*gestures, zeros(model, 3)).audio.numpy()
    taps = model.impulse_response.numpy()
    taps[0] = 0  # the dry sound stands for it
    for row, mix in enumerate((0.0, 0.5, 1.0)):
        wet = np.convolve(dry[row], taps)[: dry.shape[1]]
        assert_allclose(audio[row], dry[row] + mix * wet, atol=1e-4)


def test_a_voice_without_reverb_plays_dry(make_profile, gestures):
    model = Compiled(VoiceModel(make_profile(reverb_duration_s=0)))
    dry = model.perform(*gestures, zeros(model, 3)).audio
    assert_allclose(model.render(*gestures, tf.ones([3])), dry, atol=1e-5)


@pytest.mark.parametrize("sample_rate", [16_000, 24_000, 32_000, 44_100, 48_000])
def test_voices_of_every_rate_play(make_profile, gestures, sample_rate):
    """Pitch and loudness in, the same pitch out."""
    chosen = {"sample_rate": sample_rate, "frame_rate": 100}
    model = Compiled(VoiceModel(make_profile(**chosen, noise_band_count=33)))
    f0_hz = np.full([1, 50], 440, np.float32)
    loudness_db = np.full([1, 50], -10, np.float32)
    audio, state = model.perform(f0_hz, loudness_db, zeros(model, 1))
    assert audio.shape == (1, sample_rate // 2)
    joined, _ = play_in_blocks(model, f0_hz, loudness_db, [1, 7, 42])
    assert_allclose(joined, audio, atol=1e-5)
    spectrum = np.abs(np.fft.rfft(audio[0]))  # lines 2 Hz apart
    assert spectrum[220] > 20 * np.median(spectrum)
    assert np.isfinite(state).all()


def test_the_seed_decides_the_weights(make_profile):
    first, again, other = (
        VoiceModel(make_profile(seed=seed)).weights() for seed in (1, 1, 2)
    )
    for name, weights in first.items():
        assert_array_equal(weights, again[name])
    kernel = "decoder/recurrent/kernel"
    assert np.abs(first[kernel] - other[kernel]).max() > 0.1


def test_weights_have_names_of_their_own(model):
    weights = model.weights()
    assert len(weights) == len(model.variables)
    assert {"reverb", "decoder/recurrent/kernel", "decoder/head/bias"} <= set(weights)


def test_the_reverb_dies_away_by_60_db(make_profile):
    voice = VoiceModel(make_profile(reverb_duration_s=0.5))
    voice.reverb.assign(np.ones(4_000, np.float32))
    click = np.zeros([1, 4_000], np.float32)
    click[0, 0] = 1.0
    rung = np.asarray(voice.reverberate(click, np.ones(1, np.float32)))[0]
    assert rung[0] == pytest.approx(1.0, abs=1e-5)  # the dry sound
    half_db, end_db = 20 * np.log10(rung[[2_000, 3_999]])
    assert half_db == pytest.approx(-30, abs=0.1)
    assert end_db == pytest.approx(-60, abs=0.1)
