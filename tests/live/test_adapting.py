"""What a stream learns of the sound it follows: its loudness, and the octave that suits it."""

import numpy as np
import pytest

from amadeus.live.adapting import LoudnessMap, OctaveChoice, RunningHistogram
from amadeus.v1 import personality_pb2
from tests.play.instrument import SPEC, learned

SILENCE_DB = -80.0
NOTHING = personality_pb2.Statistics()


def listened(levels_db, statistics=None, rests_db=()):
    made = LoudnessMap(learned() if statistics is None else statistics, spec=SPEC)
    for level_db in rests_db:
        made.hear_rest(level_db)
    for level_db in levels_db:
        made.hear_note(level_db)
    return made


def test_a_histogram_forgets():
    histogram = RunningHistogram(0.0, 10.0, 0.5, memory=100)
    for value in [2.2] * 1_000 + [7.7] * 100:
        histogram.add(value)
    assert histogram.counts[4] / histogram.counts[15] == pytest.approx(0.58, abs=0.02)
    assert histogram.total == pytest.approx(histogram.counts.sum())
    assert histogram.total == pytest.approx(100, rel=0.01)


def test_values_outside_are_counted_at_the_ends():
    histogram = RunningHistogram(0.0, 10.0, 0.5, memory=100)
    for value in (-1e9, -3, 10, 1e9):
        histogram.add(value)
    assert histogram.counts[0] > 1.9
    assert histogram.counts[-1] > 1.9


def test_before_anything_is_heard_loudness_is_left_as_it_is():
    fresh = listened([])  # learned from -60 to -20 dB
    for level_db in (-60, -50, -40, -25, -20):
        assert fresh.map(level_db) == pytest.approx(level_db, abs=0.1)
    assert fresh.map(-10) == pytest.approx(-20, abs=0.1)
    assert fresh.map(-80) == SILENCE_DB


@pytest.mark.parametrize("shift_db", [-30, 0, 25])
def test_a_sound_of_any_level_soon_plays_at_the_learned_one(rng, shift_db):
    levels_db = rng.uniform(-60, -20, 1_500) + shift_db
    soon = listened(levels_db[:100])  # 1 s of notes
    assert soon.map(-40 + shift_db) == pytest.approx(-40, abs=8)
    later = listened(levels_db)
    for level_db in (-60, -50, -40, -30, -20):
        assert later.map(level_db + shift_db) == pytest.approx(level_db, abs=1.5)


def test_it_comes_to_what_is_done_offline(rng):
    from amadeus.play.transfer import _map_loudness

    levels_db = rng.normal(-30, 6, 2_000)
    rests_db = rng.normal(-65, 1, 500)
    running = listened(levels_db, rests_db=rests_db)
    for level_db in np.linspace(-60, -12, 49):
        given_db = np.concatenate([levels_db, rests_db, [level_db]])
        is_note = np.arange(len(given_db)) < 2_000
        [*_, whole] = _map_loudness(given_db, is_note, learned(), SILENCE_DB)
        # Older notes count less, so the tails lie a little elsewhere.
        assert running.map(level_db) == pytest.approx(whole, abs=2.5)


def test_the_map_only_rises(rng):
    made = LoudnessMap(learned(), spec=SPEC)
    levels_db = np.linspace(-100, 10, 200)
    for level_db in np.concatenate([rng.normal(-35, 10, 300), np.full(900, -35.0)]):
        made.hear_note(level_db)
        mapped = [made.map(level) for level in levels_db[rng.integers(20) :: 20]]
        assert (np.diff(mapped) >= 0).all()
        assert min(mapped) >= SILENCE_DB
        assert max(mapped) <= -20 + 1e-6


def test_a_sound_of_one_loudness_plays_in_the_middle():
    flat = listened([-33.0] * 2_000)
    assert flat.map(-33.0) == pytest.approx(-40, abs=0.5)
    assert flat.map(-32.0) < -39  # little dynamics stay little


def test_background_becomes_silence():
    noisy = listened([-30.0] * 1_200, rests_db=[-60.0] * 500)
    assert noisy.map(-61.0) == SILENCE_DB
    assert noisy.map(-45.0) > SILENCE_DB
    quiet = listened([-30.0] * 1_200)
    assert quiet.map(-61.0) > SILENCE_DB


def test_the_gate_lies_50_db_below_loud_notes():
    assert listened([]).gate_db == pytest.approx(-24 - 50, abs=0.5)
    assert listened([-5.0] * 2_000).gate_db == pytest.approx(-55, abs=0.5)


def test_without_learned_loudness_notes_stay_as_loud_as_they_are(rng):
    levels_db = rng.uniform(-50, -10, 2_000)
    made = listened(levels_db, NOTHING)
    for level_db in (-45, -30, -15):
        assert made.map(level_db) == pytest.approx(level_db, abs=0.3)


# Octaves.


def range_of(low, high):
    statistics = learned()
    statistics.pitch_quantiles_midi[:] = np.linspace(low, high, 11)
    return statistics


def chosen(pitches, low=48, high=64, octave=None):
    choice = OctaveChoice(range_of(low, high), spec=SPEC, octave=octave)
    for pitch in pitches:
        choice.hear(pitch)
    return choice.choose()


@pytest.mark.parametrize(
    ("pitch_midi", "octaves"),
    [(60, 0), (49, 0), (40, 1), (25, 2), (74, -1), (80, -2), (110, -4)],
)
def test_the_octave_is_that_of_offline(pitch_midi, octaves):
    assert chosen([pitch_midi] * 10) == octaves
    assert chosen([pitch_midi]) == octaves  # from the first frame on


def test_a_fixed_octave_is_obeyed():
    assert chosen([60], octave=-2) == -2
    assert chosen([90], octave=0) == 0


def test_without_learned_pitch_nothing_is_moved():
    choice = OctaveChoice(NOTHING, spec=SPEC, octave=None)
    choice.hear(100)
    assert choice.choose() == 0


def test_it_changes_its_mind_only_for_something_clearly_better():
    choice = OctaveChoice(range_of(48, 64), spec=SPEC, octave=None)
    choice.hear(70.0)
    assert choice.choose() == -1
    for _ in range(50):
        choice.hear(63.0)  # inside, and so is an octave lower
    assert choice.choose() == -1
    for _ in range(500):
        choice.hear(55.0)  # now nearly all lies too low
    assert choice.choose() == 0


def test_it_says_the_same_until_it_is_asked_to_choose():
    choice = OctaveChoice(range_of(48, 64), spec=SPEC, octave=None)
    choice.hear(70.0)
    choice.choose()
    for _ in range(500):
        choice.hear(40.0)
    assert choice.octaves == -1
    assert choice.choose() == 1
