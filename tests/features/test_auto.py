import logging
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from amadeus.audio import decode
from amadeus.errors import ConfigError
from amadeus.features import Pitch
from amadeus.features.auto import AutoTracker, find_doubts, settle
from amadeus.features.swift_f0 import SwiftF0Tracker, resample
from amadeus.features.yin import YinTracker
from tests.features.sounds import SPEC, at_frames, cents, reed, sweep_hz

CELLO = Path(__file__).parents[2] / "examples" / "cello"
RANGE = {"f0_min_hz": 46.875, "f0_max_hz": 1_900.0}


@pytest.fixture(scope="module")
def tracker():
    return AutoTracker()


def _pitch(*pairs):
    f0_hz, confidence = np.array(pairs, np.float32).T
    return Pitch(f0_hz, confidence)


def test_where_trackers_agree_there_is_no_doubt():
    first = _pitch((220, 0.9), (220, 0.9), (220, 0.9))
    second = _pitch((222, 0.9), (219, 0.2), (221, 0.9))
    assert find_doubts(first, second).tolist() == [False] * 3


def test_disagreement_is_doubted_with_its_neighbours():
    first, second = _pitch(*[(220, 0.9)] * 7), _pitch(*[(220, 0.9)] * 7)
    second.f0_hz[3] = 440
    assert np.flatnonzero(find_doubts(first, second)).tolist() == [2, 3, 4]


def test_a_leap_is_doubted_even_when_both_leap():
    both = _pitch(*[(220, 0.9)] * 4, *[(440, 0.9)] * 4)
    assert np.flatnonzero(find_doubts(both, both)).tolist() == [2, 3, 4, 5]


def test_what_nobody_hears_is_not_doubted():
    first, second = _pitch(*[(220, 0.2)] * 3), _pitch(*[(440, 0.4)] * 3)
    assert not find_doubts(first, second).any()


@pytest.mark.parametrize(
    ("first", "second", "third", "f0_hz", "confidence"),
    [
        ((440, 0.9), (220, 0.8), (441, 0.7), 440, 0.9),  # CREPE with SwiftF0
        ((440, 0.9), (220, 0.8), (221, 0.7), 220, 0.8),  # CREPE with YIN
        ((440, 0.9), (220, 0.8), (110, 0.7), 110, 0.7),  # three opinions, CREPE sure
        ((440, 0.9), (220, 0.8), (110, 0.3), 440, 0.45),  # nobody knows
        ((440, 0.9), (441, 0.8), (220, 0.9), 440, 0.9),  # CREPE against both
    ],
)
def test_two_of_three_win(first, second, third, f0_hz, confidence):
    found = settle(_pitch(first), _pitch(second), _pitch(third))
    assert found.f0_hz[0] == pytest.approx(f0_hz)
    assert found.f0_confidence[0] == pytest.approx(confidence)


def test_an_octave_slip_of_the_first_tracker_is_put_right(tracker, monkeypatch):
    audio = reed(np.full(16_000, 330.0), sample_rate=16_000)
    true = tracker._first.answer(resample(audio, 16_000), **RANGE)
    slipped = Pitch(np.array(true.f0_hz), true.f0_confidence)
    slipped.f0_hz[20:40] *= 2
    monkeypatch.setattr(tracker._first, "answer", lambda audio, **_: slipped)
    found = tracker.examine(resample(audio, 16_000), **RANGE)
    # The leaps are doubted on both sides, and their neighbours with them.
    assert np.flatnonzero(found.is_doubted[5:-5]).tolist() == list(range(13, 37))
    assert np.flatnonzero(found.is_changed[5:-5]).tolist() == list(range(15, 35))
    assert np.abs(cents(found.answers.f0_hz, 330.0))[5:-5].max() < 10


def test_a_strong_second_harmonic_does_not_overrule_the_first_tracker(
    tracker, monkeypatch
):
    time = np.arange(16_000) / 16_000
    partials = (
        np.sin(2 * np.pi * k * 220 * time) / k * (0.12 if k % 2 else 1)
        for k in range(1, 15)
    )
    audio = resample(0.1 * sum(partials), 16_000)
    right = tracker._first.answer(audio, **RANGE)
    right = Pitch(np.full_like(right.f0_hz, 220.0), np.full_like(right.f0_hz, 0.9))
    monkeypatch.setattr(tracker._first, "answer", lambda audio, **_: right)
    found = tracker.examine(audio, **RANGE)
    assert_allclose(found.answers.f0_hz[5:-5], 220.0)


@pytest.mark.parametrize(("note", "f0_hz"), [("B3", 246.9), ("C4", 261.6)])
def test_a_cello_whose_third_harmonic_is_the_loudest_is_heard_at_its_pitch(
    tracker, note, f0_hz
):
    audio = decode.read(CELLO / f"cello-{note}.flac", sample_rate=16_000)
    found = tracker.examine(resample(audio, 16_000), **RANGE).answers
    second = YinTracker().track(audio, spec=SPEC, **RANGE)
    is_sung = found.f0_confidence > 0.5
    misled = np.abs(cents(second.f0_hz, 3 * f0_hz)) < 50
    assert np.count_nonzero(misled) > 30  # else this sound proves nothing
    assert (
        np.abs(cents(found.f0_hz[is_sung], f0_hz)).max() < 600
    )  # its harmonics lie beyond


def test_a_plain_tone_is_left_to_the_first_tracker(tracker):
    audio = reed(sweep_hz(200, 300, seconds=1, sample_rate=16_000), sample_rate=16_000)
    found = tracker.examine(resample(audio, 16_000), **RANGE)
    assert found.is_doubted.mean() < 0.1
    auto, swift = (
        t.track(audio, spec=SPEC, **RANGE) for t in (tracker, SwiftF0Tracker())
    )
    assert_allclose(auto.f0_hz[10:-10], swift.f0_hz[10:-10], rtol=1e-6)


@pytest.mark.parametrize("sample_rate", [16_000, 44_100])
def test_a_sweep_is_followed(tracker, sample_rate):
    spec = SPEC.__class__(sample_rate=sample_rate, frame_rate=100)
    f0_hz = sweep_hz(80, 800, seconds=2, sample_rate=sample_rate)
    found = tracker.track(reed(f0_hz, sample_rate=sample_rate), spec=spec, **RANGE)
    error = cents(found.f0_hz, at_frames(f0_hz, spec, len(found.f0_hz)))[10:-10]
    assert np.median(np.abs(error)) < 10


def test_the_log_tells_how_much_was_examined_again(tracker, caplog, rng):
    with caplog.at_level(logging.INFO, "amadeus.features.auto"):
        tracker.track(np.zeros(3_200, np.float32), spec=SPEC, **RANGE)
    assert "CREPE examined 0.0 % of 0.2 s again" in caplog.text


@pytest.mark.parametrize("n_samples", [1, 255, 257])
def test_the_shortest_sound_has_all_its_frames(tracker, n_samples):
    audio = reed(np.full(n_samples, 440.0), sample_rate=16_000)
    found = tracker.track(audio, spec=SPEC, **RANGE)
    assert len(found.f0_hz) == SPEC.n_frames(n_samples)
    assert np.isfinite(found.f0_hz).all()


def test_the_same_sound_gives_the_same_pitch(tracker, rng):
    audio = reed(np.full(8_000, 330.0), sample_rate=16_000)
    audio += rng.normal(0, 0.1, len(audio)).astype(np.float32)
    once, again = (t.track(audio, spec=SPEC, **RANGE) for t in (tracker, AutoTracker()))
    assert_array_equal(once.f0_hz, again.f0_hz)
    assert_array_equal(once.f0_confidence, again.f0_confidence)


def test_a_range_beyond_the_networks_is_refused(tracker):
    with pytest.raises(ConfigError, match="leaves SwiftF0 no pitch"):
        tracker.track(
            np.zeros(1_600, np.float32), spec=SPEC, f0_min_hz=2_500, f0_max_hz=4_000
        )
