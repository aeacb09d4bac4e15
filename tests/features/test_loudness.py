import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from amadeus.audio import AudioSpec
from amadeus.errors import ConfigError
from amadeus.features import loudness
from amadeus.features.loudness import (
    LoudnessStream,
    compute_loudness,
    compute_power,
    measure_loudness,
    power_frame_size,
    window_size,
)
from amadeus.v1 import profiles_pb2

RATES = [
    (16_000, 100),
    (16_000, 250),
    (48_000, 100),
    (48_000, 250),
    (44_100, 245),
    (8_000, 50),
]


def _sine(frequency_hz, *, sample_rate=16_000, seconds=0.5, amplitude=1.0):
    time_s = np.arange(round(seconds * sample_rate)) / sample_rate
    return (amplitude * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)


@pytest.mark.parametrize(("sample_rate", "frame_rate"), RATES)
def test_loudness_is_that_of_ddsp(ddsp_loudness, rng, sample_rate, frame_rate):
    n_samples = sample_rate // 2 + 37
    sounds = {
        "noise": rng.normal(0, 0.1, n_samples),
        "high sine": _sine(3_000, sample_rate=sample_rate),
        "low sine": _sine(40, sample_rate=sample_rate, amplitude=0.01),
        "silence": np.zeros(n_samples),
        "almost silence": rng.normal(0, 1e-5, n_samples),
    }
    n_fft = window_size(sample_rate)
    for name, sound in sounds.items():
        audio = sound.astype(np.float32)
        ours = compute_loudness(audio, sample_rate=sample_rate, frame_rate=frame_rate)
        theirs = ddsp_loudness(
            audio, sample_rate=sample_rate, frame_rate=frame_rate, n_fft=n_fft
        )
        assert len(ours) == len(audio) * frame_rate // sample_rate + 1
        assert_allclose(ours, theirs, atol=1e-3, err_msg=name)


def test_loudness_of_a_recording_is_that_of_ddsp(ddsp_loudness, humming):
    ours = compute_loudness(humming, sample_rate=16_000, frame_rate=250)
    theirs = ddsp_loudness(humming, sample_rate=16_000, frame_rate=250, n_fft=512)
    assert_allclose(ours, theirs, atol=1e-3)


def test_range_and_reference_are_those_of_ddsp(ddsp_loudness, rng):
    audio = (rng.normal(0, 0.1, 8_000) * np.geomspace(1, 1e-6, 8_000)).astype("f4")
    options = {"sample_rate": 16_000, "frame_rate": 100, "n_fft": 1_024}
    ours = compute_loudness(audio, range_db=60.0, ref_db=20.7, **options)
    theirs = ddsp_loudness(audio, range_db=60.0, ref_db=20.7, **options)
    assert_allclose(ours, theirs, atol=1e-3)


def test_window_lasts_as_long_at_any_sample_rate():
    sizes = {
        rate: window_size(rate) for rate in (8_000, 16_000, 24_000, 44_100, 48_000)
    }
    assert sizes[16_000] == 512
    for rate, size in sizes.items():
        assert size & (size - 1) == 0
        assert 2**-0.5 <= size / rate / 0.032 <= 2**0.5


def test_silence_lies_on_the_floor():
    silence = np.zeros(1_600, np.float32)
    measured = compute_loudness(silence, sample_rate=16_000, frame_rate=100)
    assert_allclose(measured, -80.0)


def test_doubling_the_amplitude_adds_6_db():
    soft = _sine(440, amplitude=0.1)
    rates = {"sample_rate": 16_000, "frame_rate": 100}
    gain_db = compute_loudness(2 * soft, **rates) - compute_loudness(soft, **rates)
    assert_allclose(gain_db, 20 * np.log10(2), atol=1e-3)


def test_a_low_tone_is_less_loud_than_a_middle_one():
    # The A curve: 50 Hz lies 30.2 dB below 1 kHz (IEC 61672-1).
    low, middle = (
        compute_loudness(
            _sine(f, seconds=1), sample_rate=16_000, frame_rate=100, n_fft=4_096
        )[50]
        for f in (50, 1_000)
    )
    assert middle - low == pytest.approx(30.2, abs=0.2)


def test_a_click_is_loudest_in_the_frame_centred_on_it():
    audio = np.zeros(16_000, np.float32)
    audio[57 * 160] = 1.0
    measured = compute_loudness(audio, sample_rate=16_000, frame_rate=100)
    assert measured.argmax() == 57


def test_chunks_are_invisible(rng, monkeypatch):
    audio = rng.normal(0, 0.1, 8_000).astype(np.float32)
    whole = compute_loudness(audio, sample_rate=16_000, frame_rate=100)
    monkeypatch.setattr(loudness, "_FRAMES_PER_CHUNK", 7)
    chunked = compute_loudness(audio, sample_rate=16_000, frame_rate=100)
    assert_allclose(chunked, whole, atol=1e-5)


@pytest.mark.parametrize(("sample_rate", "frame_rate"), RATES)
def test_plain_power_is_that_of_ddsp(ddsp_power, rng, sample_rate, frame_rate):
    n_samples = sample_rate // 2 + 37
    sounds = {
        "noise": rng.normal(0, 0.1, n_samples),
        "low sine": _sine(40, sample_rate=sample_rate, amplitude=0.01),
        "fading": rng.normal(0, 0.1, n_samples) * np.geomspace(1, 1e-6, n_samples),
        "silence": np.zeros(n_samples),
    }
    size = power_frame_size(sample_rate)
    rates = {"sample_rate": sample_rate, "frame_rate": frame_rate}
    for name, sound in sounds.items():
        audio = sound.astype(np.float32)
        ours = compute_power(audio, **rates)
        theirs = ddsp_power(audio, frame_size=size, **rates)
        assert len(ours) == len(audio) * frame_rate // sample_rate + 1
        assert_allclose(ours, theirs, atol=1e-3, err_msg=name)


def test_the_frame_of_the_plain_power_is_the_plugins_at_its_rate():
    assert power_frame_size(16_000) == 1_024
    for rate in (8_000, 24_000, 44_100, 48_000):
        size = power_frame_size(rate)
        assert size & (size - 1) == 0
        assert 2**-0.5 <= size / rate / 0.064 <= 2**0.5


def test_range_and_reference_of_the_plain_power_are_those_of_ddsp(ddsp_power, rng):
    audio = (rng.normal(0, 0.1, 8_000) * np.geomspace(1, 1e-6, 8_000)).astype("f4")
    options = {"sample_rate": 16_000, "frame_rate": 50, "frame_size": 1_024}
    ours = compute_power(audio, range_db=60.0, ref_db=20.7, **options)
    theirs = ddsp_power(audio, range_db=60.0, ref_db=20.7, **options)
    assert_allclose(ours, theirs, atol=1e-3)


def test_a_full_scale_tone_has_a_plain_power_of_minus_3_db_at_any_pitch():
    for f0_hz in (125, 440, 3_000):
        power_db = compute_power(_sine(f0_hz), sample_rate=16_000, frame_rate=50)
        assert_allclose(power_db[3:-3], -3.01, atol=0.1)


def test_a_profile_chooses_the_measure(rng):
    audio = rng.normal(0, 0.1, 8_000).astype(np.float32)
    spec = AudioSpec(sample_rate=16_000, frame_rate=50)
    for weighting, measure in (
        (profiles_pb2.LOUDNESS_WEIGHTING_A, compute_loudness),
        (profiles_pb2.LOUDNESS_WEIGHTING_NONE, compute_power),
    ):
        chosen = measure_loudness(audio, spec=spec, weighting=weighting)
        expected = measure(audio, sample_rate=16_000, frame_rate=50)
        assert_allclose(chosen, expected)
    with pytest.raises(ConfigError, match="choose a or none"):
        measure_loudness(audio, spec=spec, weighting=99)


WEIGHTINGS = [
    profiles_pb2.LOUDNESS_WEIGHTING_A,
    profiles_pb2.LOUDNESS_WEIGHTING_NONE,
]


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize(("sample_rate", "frame_rate"), [*RATES, (16_000, 25)])
@pytest.mark.parametrize("block_size", [1, 61, 480, 9_000])
def test_streaming_equals_offline_to_the_last_bit(
    rng, weighting, sample_rate, frame_rate, block_size
):
    spec = AudioSpec(sample_rate=sample_rate, frame_rate=frame_rate)
    audio = rng.normal(0, 0.1, 4_321).astype(np.float32)
    stream = LoudnessStream(spec=spec, weighting=weighting)
    measured = [
        stream.push(audio[start : start + block_size])
        for start in range(0, len(audio), block_size)
    ]
    streamed = np.concatenate([*measured, stream.finish()])
    whole = measure_loudness(audio, spec=spec, weighting=weighting)
    assert_array_equal(streamed, whole)


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("frame_rate", [25, 100])
def test_a_frame_is_answered_when_its_latency_has_passed_and_not_before(
    rng, weighting, frame_rate
):
    spec = AudioSpec(sample_rate=16_000, frame_rate=frame_rate)
    stream = LoudnessStream(spec=spec, weighting=weighting)
    audio = rng.normal(0, 0.1, 3 * spec.hop_size + stream.latency_samples)
    assert len(stream.push(audio[:-1])) == 3
    assert len(stream.push(audio[-1:])) == 1


def test_nothing_pushed_is_one_frame_of_silence():
    spec = AudioSpec(sample_rate=16_000, frame_rate=100)
    for weighting in WEIGHTINGS:
        stream = LoudnessStream(spec=spec, weighting=weighting)
        assert_array_equal(stream.finish(), [-80.0])


def test_a_stream_of_an_unknown_measure_is_refused():
    spec = AudioSpec(sample_rate=16_000, frame_rate=100)
    with pytest.raises(ConfigError, match="choose a or none"):
        LoudnessStream(spec=spec, weighting=99)
