import numpy as np
import pytest

from amadeus.feedback import steps
from amadeus.feedback.regions import Region
from amadeus.feedback.replay import replay, turn_controls, write_pairs
from amadeus.feedback.takes import listen_to
from amadeus.personality.profiles import settle_player_profile
from amadeus.play.perform import perform_score
from tests.feedback.instrument import Reed, tune


@pytest.fixture(scope="module")
def voice():
    return Reed()


@pytest.fixture(scope="module")
def profile(voice):
    return settle_player_profile(voice.personality.player_profile)


@pytest.fixture(scope="module")
def take(voice, profile):
    return listen_to(perform_score(voice, tune(), player_profile=profile))


REGIONS = [Region(0, 0.0, 2.0, True), Region(0, 2.4, 4.0, False)]


def test_the_same_knobs_give_the_same_sound(voice, profile, take):
    for pair in replay([take], REGIONS, voice, profile):
        np.testing.assert_allclose(pair.after, pair.before, atol=2e-5)


@pytest.mark.parametrize(
    "knobs",
    [
        {"brightness": 0.4},
        {"noise_gain_db": -6.0, "brightness": -0.2},
        {"loudness_offset_db": -6.0},
    ],
)
def test_turned_knobs_sound_as_if_the_score_were_played_anew(
    voice, profile, take, knobs
):
    changed = steps.with_values(profile, knobs)
    anew = listen_to(perform_score(voice, tune(), player_profile=changed))
    (pair, _) = replay([take], REGIONS, voice, changed)
    middle = slice(4000, 14_000)
    np.testing.assert_allclose(pair.after[middle], anew.audio[middle], atol=1e-3)
    assert np.abs(pair.after[middle] - pair.before[middle]).max() > 1e-3


def test_vibrato_is_scaled(voice, profile, take):
    (line,) = take.record.lines
    wide = steps.with_values(profile, {"vibrato_scale": 2.0})
    scaled = turn_controls(line, profile, wide, spec=take.spec)
    held = slice(60, 95)

    def swing(f0_hz):
        return np.ptp(12 * np.log2(np.abs(f0_hz[held])))

    assert swing(scaled.f0_hz) == pytest.approx(2 * swing(line.f0_hz), rel=0.15)
    np.testing.assert_array_equal(np.sign(scaled.f0_hz), np.sign(line.f0_hz))


def test_a_take_that_does_not_say_what_was_played_is_not_replayed(voice, profile, take):
    assert replay([take._replace(record=None)], REGIONS, voice, profile) == []


def test_pairs_are_files(voice, profile, take, tmp_path):
    pairs = replay([take], REGIONS, voice, profile)
    write_pairs(pairs, tmp_path, sample_rate=take.spec.sample_rate)
    names = sorted(path.name for path in (tmp_path / "regions").iterdir())
    assert names == ["1-after.wav", "1-before.wav", "2-after.wav", "2-before.wav"]
