"""Voices of unlike clocks, compared where both can be heard."""

import numpy as np
import pytest

from amadeus.personality.profiles import complete_learner_profile
from amadeus.v1 import profiles_pb2
from amadeus.voice.comparison import Contestant, compare, shares_clock


def profile(**fields):
    return complete_learner_profile(
        profiles_pb2.LearnerProfile(f0_tracker=profiles_pb2.F0_TRACKER_YIN, **fields)
    )


class Hummer:
    """A voice that plays the pitch it is given as a sine, `detune_semitones` off."""

    def __init__(self, learned, detune_semitones=0.0):
        self.profile = learned
        self._ratio = 2 ** (detune_semitones / 12)

    def render(self, f0_hz, loudness_db, reverb_mix=1.0):
        hop = self.profile.sample_rate // self.profile.frame_rate
        pitch_hz = np.repeat(np.abs(f0_hz) * self._ratio, hop)
        phase = 2 * np.pi * np.cumsum(pitch_hz) / self.profile.sample_rate
        return (0.2 * np.sin(phase)).astype(np.float32)


def hum(sample_rate, *, duration_s=1.5):
    time_s = np.arange(int(duration_s * sample_rate)) / sample_rate
    return (0.2 * np.sin(2 * np.pi * 220 * time_s)).astype(np.float32)


def losses(new, parent, *, detuned):
    rate = new.sample_rate
    return compare(
        Contestant(Hummer(new, detuned), new),
        Contestant(Hummer(parent), parent),
        [hum(rate)],
        sample_rate=rate,
    )


@pytest.mark.parametrize(
    ("new", "parent", "rate"),
    [
        ({"sample_rate": 16_000}, {"sample_rate": 8_000}, 8_000),
        ({"sample_rate": 8_000}, {"sample_rate": 16_000}, 8_000),
        ({"frame_rate": 50}, {"frame_rate": 100}, 16_000),
    ],
)
def test_the_better_voice_wins_whatever_its_clock(new, parent, rate):
    new, parent = profile(**new), profile(**parent)
    alike = losses(new, parent, detuned=0.0)
    worse = losses(new, parent, detuned=3.0)
    assert alike.sample_rate == worse.sample_rate == rate
    assert alike.loss == pytest.approx(alike.parent_loss, rel=0.35)
    assert worse.loss > 1.3 * worse.parent_loss
    assert worse.parent_loss == alike.parent_loss


def test_passages_too_short_for_either_decide_nothing():
    one, other = profile(), profile(sample_rate=8_000)
    found = compare(
        Contestant(Hummer(one), one),
        Contestant(Hummer(other), other),
        [np.zeros(10, np.float32)],
        sample_rate=16_000,
    )
    assert found is None


def test_a_clock_is_rates_and_the_measure_of_loudness():
    assert shares_clock(profile(), profile(harmonic_count=3, seed=9))
    assert not shares_clock(profile(), profile(frame_rate=50))
    assert not shares_clock(profile(), profile(sample_rate=48_000))
    weighting = profiles_pb2.LOUDNESS_WEIGHTING_NONE
    assert not shares_clock(profile(), profile(loudness_weighting=weighting))
