from typing import NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from amadeus.audio import AudioSpec
from amadeus.errors import ConfigError
from amadeus.features import Pitch, swift_f0
from amadeus.features.swift_f0 import SwiftF0Tracker, lay_onto
from tests.features.sounds import SPEC, at_frames, cents, reed, sweep_hz

RANGE = {"f0_min_hz": 46.875, "f0_max_hz": 2_093.75}


@pytest.fixture(scope="module")
def tracker():
    return SwiftF0Tracker()


@pytest.mark.parametrize(
    ("sample_rate", "frame_rate"),
    [(16_000, 100), (16_000, 250), (48_000, 100), (44_100, 245), (8_000, 50)],
)
def test_a_sweep_is_followed_in_pitch_and_in_time(tracker, sample_rate, frame_rate):
    spec = AudioSpec(sample_rate=sample_rate, frame_rate=frame_rate)
    rising_hz = sweep_hz(80, 800, seconds=3, sample_rate=sample_rate)
    up, down = (
        _median_errors(tracker, f0_hz, spec) for f0_hz in (rising_hz, rising_hz[::-1])
    )
    assert up.size_cents < 10
    assert down.size_cents < 10
    # What lags is too low on the way up and too high on the way down; a bias is on neither side.
    cents_a_frame = 1200 * np.log2(10) / 3 / frame_rate
    lag_frames = (down.bias_cents - up.bias_cents) / 2 / cents_a_frame
    assert abs(lag_frames) < 0.5


class Errors(NamedTuple):
    size_cents: float
    bias_cents: float


def _median_errors(tracker, f0_hz, spec):
    audio = reed(f0_hz, sample_rate=spec.sample_rate)
    found = tracker.track(audio, spec=spec, **RANGE)
    n_frames = spec.n_frames(len(audio))
    assert len(found.f0_hz) == len(found.f0_confidence) == n_frames
    edge = spec.frame_rate // 10
    error = cents(found.f0_hz, at_frames(f0_hz, spec, n_frames))[edge:-edge]
    return Errors(np.median(np.abs(error)), np.median(error))


def test_a_sounding_tone_is_sure_and_silence_is_not(tracker):
    tone = reed(np.full(16_000, 220.0), sample_rate=16_000)
    silence = np.zeros(16_000, np.float32)
    found = tracker.track(np.concatenate([tone, silence]), spec=SPEC, **RANGE)
    assert (found.f0_confidence[5:95] > 0.9).all()
    assert (found.f0_confidence[105:] == 0).all()


def test_windows_joined_equal_the_whole(tracker, rng, monkeypatch):
    f0_hz = 300 * 2 ** np.cumsum(rng.normal(0, 2e-5, 6 * 16_000))
    audio = reed(f0_hz, sample_rate=16_000)
    audio += rng.normal(0, 0.01, len(audio)).astype(np.float32)
    whole = tracker.track(audio, spec=SPEC, **RANGE)
    monkeypatch.setattr(swift_f0, "_WINDOW_FRAMES", 37)
    windowed = tracker.track(audio, spec=SPEC, **RANGE)
    assert_allclose(windowed.f0_hz, whole.f0_hz, rtol=1e-5)
    assert_allclose(windowed.f0_confidence, whole.f0_confidence, atol=1e-5)


def test_one_thread_or_three_give_the_same(rng):
    audio = reed(np.full(20 * 16_000, 330.0), sample_rate=16_000)
    audio += rng.normal(0, 0.05, len(audio)).astype(np.float32)
    one, three = (
        SwiftF0Tracker(n_threads=n).track(audio, spec=SPEC, **RANGE) for n in (1, 3)
    )
    assert_array_equal(one.f0_hz, three.f0_hz)
    assert_array_equal(one.f0_confidence, three.f0_confidence)


def test_the_range_is_kept(tracker):
    audio = reed(np.full(16_000, 220.0), sample_rate=16_000)
    found = tracker.track(audio, spec=SPEC, f0_min_hz=300, f0_max_hz=1_000)
    assert (found.f0_hz >= 299).all()
    assert (found.f0_hz <= 1_001).all()


def test_a_range_beyond_the_network_is_refused(tracker):
    with pytest.raises(
        ConfigError, match=r"leaves SwiftF0 no pitch.*46\.875 to 2093\.75"
    ):
        tracker.track(
            np.zeros(1_600, np.float32), spec=SPEC, f0_min_hz=2_500, f0_max_hz=4_000
        )


@pytest.mark.parametrize("n_samples", [1, 100, 255, 256, 1_000])
def test_the_shortest_sound_has_all_its_frames(tracker, n_samples):
    audio = reed(np.full(n_samples, 440.0), sample_rate=16_000)
    found = tracker.track(audio, spec=SPEC, **RANGE)
    assert len(found.f0_hz) == n_samples // 160 + 1
    assert np.isfinite(found.f0_hz).all()


def test_between_voiced_answers_pitch_moves_in_the_logarithm():
    answers = Pitch(np.array([400.0, 441.0]), np.array([1.0, 0.8]))
    found = lay_onto(np.array([0.5]), answers)
    assert found.f0_hz[0] == pytest.approx(420.0)
    assert found.f0_confidence[0] == pytest.approx(0.9)


def test_across_a_leap_no_pitch_is_made_up_that_nobody_played():
    answers = Pitch(np.array([200.0, 400.0]), np.ones(2))
    found = lay_onto(np.linspace(0, 1, 11), answers)
    assert_allclose(found.f0_hz, [200] * 6 + [400] * 5)


def test_a_voiced_answer_is_not_mixed_with_a_guess():
    answers = Pitch(np.array([1_900.0, 400.0, 60.0]), np.array([0.1, 0.9, 0.2]))
    found = lay_onto(np.array([0.5, 1.5]), answers)
    assert_allclose(found.f0_hz, 400.0, rtol=1e-6)
    assert_allclose(found.f0_confidence, [0.5, 0.55], rtol=1e-6)
