"""Streaming features are those of the whole sound."""

import numpy as np
import pytest
import soxr
from numpy.testing import assert_array_equal

from amadeus.audio import AudioSpec
from amadeus.features.loudness import measure_loudness
from amadeus.features.types import Pitch
from amadeus.features.voicing import voiced_mask
from amadeus.features.yin import YinTracker
from amadeus.live.listening import Listener, RawFrame, Voicing
from amadeus.live.resampling import StreamResampler
from amadeus.personality import profiles
from amadeus.v1 import profiles_pb2

RATES = [(16_000, 100), (16_000, 250), (24_000, 50), (48_000, 100), (8_000, 25)]


def learner(sample_rate=16_000, frame_rate=100, **knobs):
    return profiles.complete_learner_profile(
        profiles_pb2.LearnerProfile(
            sample_rate=sample_rate, frame_rate=frame_rate, **knobs
        )
    )


def listen(audio, profile, block_size=480):
    listener = Listener(profile)
    frames = []
    for start in range(0, len(audio), block_size):
        frames += listener.feed(audio[start : start + block_size])
    return frames + listener.finish()


def heard_at_once(audio, profile):
    spec = profiles.spec(profile)
    return (
        YinTracker().track(
            audio, spec=spec, f0_min_hz=profile.f0_min_hz, f0_max_hz=profile.f0_max_hz
        ),
        measure_loudness(audio, spec=spec, weighting=profile.loudness_weighting),
    )


@pytest.mark.parametrize(("sample_rate", "frame_rate"), RATES)
@pytest.mark.parametrize("block_size", [37, 240, 100_000])
def test_frames_are_those_of_yin_and_loudness_to_the_last_bit(
    humming, sample_rate, frame_rate, block_size
):
    profile = learner(sample_rate, frame_rate)
    audio = soxr.resample(humming[:24_037], 16_000, sample_rate)
    frames = listen(audio, profile, block_size)
    pitch, loudness_db = heard_at_once(audio, profile)
    assert_array_equal([f.f0_hz for f in frames], pitch.f0_hz)
    assert_array_equal([f.loudness_db for f in frames], loudness_db)
    assert_array_equal([f.confidence for f in frames], pitch.f0_confidence)


def test_a_frame_between_two_silent_hops_has_no_confidence():
    tone = np.sin(2 * np.pi * 200 * np.arange(8_000) / 16_000)
    amplitude = np.repeat([2e-4, 8e-5, 2e-4, 8e-5], 2_000)
    audio = (amplitude * tone).astype(np.float32)
    profile = learner()
    confidence = np.array([frame.confidence for frame in listen(audio, profile)])
    pitch, _ = heard_at_once(audio, profile)
    loud = np.abs(audio).reshape(-1, 160).max(axis=1) > 1e-4  # by hop
    around = np.append(loud, False) | np.append(False, loud)
    assert 10 < np.count_nonzero(~around) < 40
    assert np.all(pitch.f0_confidence[10:12] > 0.5)
    assert_array_equal(confidence, np.where(around, pitch.f0_confidence, 0))


@pytest.mark.parametrize("weighting", [1, 2])
@pytest.mark.parametrize(("sample_rate", "frame_rate"), RATES)
def test_a_frame_is_answered_when_its_latency_has_passed_and_not_before(
    rng, sample_rate, frame_rate, weighting
):
    listener = Listener(learner(sample_rate, frame_rate, loudness_weighting=weighting))
    n_samples = 3 * (sample_rate // frame_rate) + listener.latency_samples
    audio = rng.normal(0, 0.1, n_samples).astype(np.float32)
    assert len(listener.feed(audio[:-1])) == 3
    assert len(listener.feed(audio[-1:])) == 1


@pytest.mark.parametrize("input_rate", [44_100, 48_000])
def test_resampled_on_the_way_they_are_those_of_the_sound_resampled_before(
    humming, input_rate
):
    profile = learner()
    audio = soxr.resample(humming, 16_000, input_rate)
    resampler = StreamResampler(from_rate=input_rate, to_rate=16_000)
    resampled = np.concatenate(
        [resampler.feed(audio[i : i + 240]) for i in range(0, len(audio), 240)]
    )
    frames = listen(resampled, profile)
    pitch, loudness_db = heard_at_once(humming, profile)
    n_frames = len(frames) - 2  # the last hear the end
    voiced = pitch.f0_confidence[:n_frames] > 0.5
    streamed_db = np.array([frame.loudness_db for frame in frames])[:n_frames]
    away_db = np.abs(streamed_db - loudness_db[:n_frames])
    assert away_db[voiced].max() < 0.1
    assert np.quantile(away_db, 0.98) < 0.2  # hisses at the edge of the band too
    streamed_hz = np.array([frame.f0_hz for frame in frames])[:n_frames]
    cents = 1200 * np.abs(np.log2(streamed_hz / pitch.f0_hz[:n_frames]))
    assert np.median(cents[voiced]) < 0.5


# Voicing.


def decide(confidences, *, frame_rate=100, f0_hz=None, loudness_db=None, gate_db=-80):
    spec = AudioSpec(sample_rate=16_000, frame_rate=frame_rate)
    voicing = Voicing(spec=spec, threshold=0.5)
    n = len(confidences)
    f0_hz = np.full(n, 200.0) if f0_hz is None else f0_hz
    levels_db = np.full(n, -20.0) if loudness_db is None else loudness_db
    decided = [
        voicing.feed(RawFrame(*frame), gate_db)
        for frame in zip(f0_hz, confidences, levels_db, strict=True)
    ]
    assert [one is None for one in decided] == [
        i < voicing.n_ahead for i in range(n)
    ]  # it answers at once
    return [one for one in decided if one is not None] + voicing.end()


def voiced(confidences, **given):
    return [int(heard.is_voiced) for heard in decide(confidences, **given)]


def test_a_stretch_begins_at_the_threshold_and_goes_on_below_it():
    assert voiced([0, 0.4, 0.4, 0.6, 0.4, 0.31, 0.29, 0.4, 0.4]) == [
        *[0, 0, 1, 1, 1, 1],
        *[0, 0, 0],
    ]


def test_a_blip_is_none():
    assert voiced([0, 0.9, 0, 0.9, 0]) == [0] * 5
    assert voiced([0, 0.9, 0.9, 0, 0], frame_rate=250) == [0] * 5


def test_patience_is_at_most_10_ms_and_two_frames():
    for frame_rate, n_ahead in ((50, 0), (100, 1), (200, 2), (1_000, 2)):
        spec = AudioSpec(sample_rate=16_000, frame_rate=frame_rate)
        assert Voicing(spec=spec, threshold=0.5).n_ahead == n_ahead


def test_what_is_softer_than_the_gate_is_background():
    levels_db = [-20, -20, -20, -61, -61, -20, -20]
    assert voiced([0.9] * 7, loudness_db=levels_db, gate_db=-60) == [
        *[1, 1, 1, 0, 0, 1, 1]
    ]


@pytest.mark.parametrize("frame_rate", [100, 250])
def test_voicing_is_nearly_that_of_the_whole(rng, frame_rate):
    steps = rng.normal(0, 0.15, 4_000)
    confidences = np.abs((np.cumsum(steps) + 10) % 2 - 1)  # wanders in [0, 1]
    whole = voiced_mask(Pitch(confidences, confidences), threshold=0.5)
    streamed = np.array(voiced(confidences.tolist(), frame_rate=frame_rate), bool)
    assert 0.3 < whole.mean() < 0.9
    assert (streamed == whole).mean() > 0.95


def test_an_octave_slip_of_one_frame_is_mended():
    f0_hz = [200.0, 201.0, 402.0, 202.0, 203.0, 101.5, 203.0]
    heard = decide([0.9] * 7, f0_hz=f0_hz)
    assert [h.f0_hz for h in heard] == [200, 201, 201, 202, 203, 203, 203]


def test_a_stumble_where_a_note_begins_is_mended():
    f0_hz = [50.0, 90.0, 200.0, 200.0]
    heard = decide([0, 0.9, 0.9, 0.9], f0_hz=f0_hz)
    assert [h.f0_hz for h in heard] == [50, 200, 200, 200]


def test_a_players_leap_is_left_alone():
    f0_hz = [200.0, 200.0, 400.0, 400.0, 300.0, 200.0, 200.0]
    heard = decide([0.9] * 7, f0_hz=f0_hz)
    assert [h.f0_hz for h in heard] == f0_hz
