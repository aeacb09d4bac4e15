import numpy as np
import pytest
from numpy.testing import assert_array_equal

from amadeus.audio import AudioSpec
from amadeus.errors import ConfigError
from amadeus.features.yin import YinStream, YinTracker, compute_difference, normalise
from tests.features.sounds import SPEC, at_frames, cents, reed, sweep_hz

RANGE = {"f0_min_hz": 46.875, "f0_max_hz": 1_900.0}


def _song(rng, *, seconds=1.0):
    """A vibrato, a pause and noise."""
    n_samples = round(seconds * 16_000)
    vibrato = 0.5 * np.sin(2 * np.pi * 5.5 * np.arange(n_samples) / 16_000)
    tone = reed(330 * 2 ** (vibrato / 12), sample_rate=16_000)
    pause, hiss = np.zeros(1_000, "f4"), rng.normal(0, 0.05, 3_000)
    return np.concatenate([tone, pause, hiss, tone]).astype(np.float32)


@pytest.mark.parametrize("sample_rate", [16_000, 44_100, 48_000])
@pytest.mark.parametrize("f0_hz", [55.0, 196.0, 440.0, 1_046.5, 1_800.0])
def test_a_tone_has_its_pitch_within_two_cents(f0_hz, sample_rate):
    spec = AudioSpec(sample_rate=sample_rate, frame_rate=100)
    audio = reed(np.full(sample_rate // 2, f0_hz), sample_rate=sample_rate)
    found = YinTracker().track(audio, spec=spec, **RANGE)
    assert len(found.f0_hz) == spec.n_frames(len(audio))
    assert np.abs(cents(found.f0_hz, f0_hz))[5:-5].max() < 2
    assert found.f0_confidence[5:-5].min() > 0.75


@pytest.mark.parametrize(("sample_rate", "frame_rate"), [(16_000, 100), (44_100, 252)])
def test_a_sweep_is_followed_in_pitch_and_in_time(sample_rate, frame_rate):
    spec = AudioSpec(sample_rate=sample_rate, frame_rate=frame_rate)
    rising_hz = sweep_hz(80, 1_600, seconds=2, sample_rate=sample_rate)
    biases = []
    for f0_hz in (rising_hz, rising_hz[::-1]):
        found = YinTracker().track(
            reed(f0_hz, sample_rate=sample_rate), spec=spec, **RANGE
        )
        error = cents(found.f0_hz, at_frames(f0_hz, spec, len(found.f0_hz)))[10:-10]
        assert np.median(np.abs(error)) < 5
        biases.append(np.median(error))
    cents_a_frame = 1200 * np.log2(20) / 2 / frame_rate
    assert abs(biases[1] - biases[0]) / 2 / cents_a_frame < 0.1


def test_pitch_is_that_of_librosa(rng):
    librosa = pytest.importorskip("librosa")
    audio = _song(rng)[:16_000]
    found = YinTracker().track(audio, spec=SPEC, **RANGE)
    peer_hz = librosa.yin(
        audio.astype(np.float64),
        fmin=RANGE["f0_min_hz"],
        fmax=RANGE["f0_max_hz"],
        sr=16_000,
        frame_length=2 * 343,
        hop_length=160,
        trough_threshold=0.15,
    )
    # It takes one period where ours is measured over several, and does not divide by the overlap.
    difference = cents(found.f0_hz, peer_hz)[5:-5]
    assert np.abs(difference).max() < 15
    assert np.median(np.abs(difference)) < 4


def test_the_difference_is_the_sum_it_is_defined_as(rng):
    frames = rng.normal(size=(3, 90))
    centred = frames - frames.mean(axis=1, keepdims=True)
    expected = [
        np.mean((centred[:, lag:] - centred[:, : 90 - lag]) ** 2, axis=1)
        for lag in range(40)
    ]
    np.testing.assert_allclose(
        compute_difference(frames, 40), np.transpose(expected), atol=1e-12
    )


def test_silence_is_one_all_along():
    assert_array_equal(normalise(np.zeros((2, 8))), np.ones((2, 8)))


@pytest.mark.parametrize("block_size", [1, 7, 64, 160, 4_096, 10**6])
def test_streaming_equals_offline_to_the_last_bit(rng, block_size):
    audio = _song(rng, seconds=0.15)
    whole = YinTracker().track(audio, spec=SPEC, **RANGE)
    stream = YinStream(spec=SPEC, **RANGE)
    parts = [
        stream.push(audio[start : start + block_size])
        for start in range(0, len(audio), block_size)
    ]
    parts.append(stream.finish())
    joined = map(np.concatenate, zip(*parts, strict=True))
    for feature, expected in zip(joined, whole, strict=True):
        assert_array_equal(feature, expected)


def test_a_frame_is_answered_when_its_latency_has_passed_and_not_before(rng):
    audio = _song(rng)
    stream = YinStream(spec=SPEC, f0_min_hz=100.0, f0_max_hz=1_900.0)
    assert stream.latency_samples == 161  # one period of the lowest pitch and a sample
    n_before = 10 * SPEC.hop_size + stream.latency_samples - 1
    assert len(stream.push(audio[:n_before]).f0_hz) == 10
    assert len(stream.push(audio[n_before : n_before + 1]).f0_hz) == 1


def test_frames_further_apart_than_they_are_long_are_answered_too():
    spec = AudioSpec(sample_rate=16_000, frame_rate=25)
    audio = reed(np.full(16_000, 880.0), sample_rate=16_000)
    found = YinTracker().track(audio, spec=spec, f0_min_hz=400.0, f0_max_hz=1_900.0)
    assert len(found.f0_hz) == 26
    assert np.abs(cents(found.f0_hz, 880.0))[1:-1].max() < 4


def test_what_does_not_repeat_has_no_confidence(rng):
    noise = rng.normal(0, 0.1, 16_000).astype(np.float32)
    assert np.median(YinTracker().track(noise, spec=SPEC, **RANGE).f0_confidence) < 0.1
    silence = YinTracker().track(np.zeros(8_000, np.float32), spec=SPEC, **RANGE)
    assert (silence.f0_confidence == 0).all()
    assert (silence.f0_hz > 0).all()


def test_an_offset_and_a_gain_change_nothing():
    audio = reed(np.full(8_000, 220.0), sample_rate=16_000).astype(np.float64)
    plain = YinTracker().track(audio, spec=SPEC, **RANGE)
    moved = YinTracker().track(1e-3 * audio + 0.1, spec=SPEC, **RANGE)
    np.testing.assert_allclose(moved.f0_hz[5:-5], plain.f0_hz[5:-5], rtol=1e-5)


def test_pitch_stays_in_its_range(rng):
    found = YinTracker().track(_song(rng), spec=SPEC, f0_min_hz=200.0, f0_max_hz=300.0)
    assert found.f0_hz.min() >= 200.0
    assert found.f0_hz.max() <= 300.0


def test_a_range_without_lags_is_refused():
    with pytest.raises(ConfigError, match="leaves YIN no pitch to find"):
        YinStream(spec=SPEC, f0_min_hz=7_000.0, f0_max_hz=7_500.0)


def test_nothing_pushed_is_one_frame_of_silence():
    found = YinTracker().track(np.zeros(0, np.float32), spec=SPEC, **RANGE)
    assert found.f0_confidence.tolist() == [0.0]
