"""Seconds by pitch and level, variety of notes and tuning, on sounds that are known."""

import math

import numpy as np
import pytest

from amadeus.errors import ConfigError
from amadeus.listen import instruments
from amadeus.listen.coverage import measure_coverage
from amadeus.listen.instruments import Instrument, find_instrument
from amadeus.listen.material import NOTE_FIELDS
from amadeus.listen.playing import describe_playing, estimate_tuning

RATE = 16_000
CELLO = {"instrument": "cello"}


def pause(seconds):
    return np.zeros(round(seconds * RATE), np.float32)


def guess(*names, low, high, asked=None):
    return find_instrument(asked, names=names, lowest_midi=low, highest_midi=high)


def test_seconds_are_counted_where_they_were_played(note, hear):
    report = hear(note(110, 4, -8), pause(1), note(110, 3, -36), **CELLO)
    by_pitch = report.material.seconds.sum(axis=1)
    assert by_pitch[45] == pytest.approx(7, abs=0.2)
    assert by_pitch.sum() == pytest.approx(report.usable_duration_s, abs=0.01)
    region = next(r for r in report.coverage.regions if r.low_midi <= 45 <= r.high_midi)
    assert region.loud_s == pytest.approx(4, abs=0.2)
    assert region.soft_s == pytest.approx(3, abs=0.2)
    assert region.medium_s < 0.2
    assert report.coverage.range_db == pytest.approx(28, abs=1.5)


def test_attacks_and_ends_of_loud_notes_are_no_soft_playing(note, hear):
    short = [np.concatenate([note(220, 0.3), pause(0.1)]) for _ in range(20)]
    report = hear(np.concatenate(short), **CELLO)
    assert sum(region.soft_s for region in report.coverage.regions) == 0


def test_regions_are_the_instrument_s_range_without_gap_or_overlap(note, hear):
    regions = hear(note(220, 2), **CELLO).coverage.regions
    notes = [n for r in regions for n in range(r.low_midi, r.high_midi + 1)]
    assert notes == list(range(36, 85))


def test_all_seconds_are_in_one_region_and_level(rng):
    seconds = rng.uniform(0, 0.1, (128, 100))
    coverage = measure_coverage(seconds, low_midi=36, high_midi=84)
    inside = sum(region.total_s for region in coverage.regions)
    assert inside + coverage.outside_s == pytest.approx(seconds.sum())


@pytest.mark.parametrize("a4_hz", [430.0, 440.0, 443.0, 450.0])
def test_the_tuning_is_heard(tune, hear, a4_hz):
    tuning = hear(tune(5, n_notes=24, a4_hz=a4_hz)).tuning
    assert tuning.a4_hz == pytest.approx(a4_hz, abs=1.0)  # 4 cents
    assert tuning.spread_cents < 8


def test_notes_out_of_tune_spread_the_tuning(rng):
    notes = np.zeros(400, NOTE_FIELDS)
    notes["duration_s"] = 0.5
    notes["pitch_midi"] = rng.integers(50, 70, 400) + rng.normal(0, 0.15, 400)
    assert estimate_tuning(notes).spread_cents == pytest.approx(15, abs=2)
    assert estimate_tuning(notes[:4]) is None


def test_long_short_repeated_and_tied_notes_are_told_apart(note, hear):
    long = [note(220, 2.0), pause(0.4), note(330, 2.0), pause(0.4)]
    short = [np.concatenate([note(440, 0.15), pause(0.1)]) for _ in range(10)]
    times = np.arange(RATE * 3) / RATE
    pitches = np.array([262.0, 330.0, 392.0, 330.0, 262.0, 392.0])
    f0_hz = pitches[np.minimum((times * 2).astype(int), 5)]
    phase = 2 * np.pi * np.cumsum(f0_hz) / RATE
    tied = 0.1 * sum(np.sin(k * phase) / k for k in range(1, 10))
    report = hear(np.concatenate([*long, *short, pause(0.5), tied]), **CELLO)
    playing = report.playing
    assert playing.long_s == pytest.approx(4, abs=0.3)
    assert playing.n_repeated == pytest.approx(9, abs=1)
    assert playing.n_tied == 5
    assert playing.n_separate == pytest.approx(13, abs=1)
    assert playing.longest_s == pytest.approx(2, abs=0.1)


def test_vibrato_is_counted_among_the_longer_notes(tune, hear, note):
    with_vibrato = hear(tune(4, n_notes=8, seconds=1.0)).playing
    assert with_vibrato.vibrato_share > 0.8
    plain = [np.concatenate([note(f, 1.0), pause(0.2)]) for f in (220, 330, 440)]
    assert hear(np.concatenate(plain)).playing.vibrato_share == 0


def test_no_notes_have_no_shares():
    playing = describe_playing(np.zeros(0, NOTE_FIELDS))
    assert playing.n_notes == 0
    assert math.isnan(playing.long_share)
    assert math.isnan(playing.vibrato_share)


@pytest.mark.parametrize(
    ("names", "low", "high", "expected"),
    [
        (["cello take 1", "cello take 2"], 40, 60, ("cello", "name")),
        (["My Alto-Flute 3"], 60, 80, ("alto flute", "name")),
        (["saxophone_A3_phrase"], 44, 75, ("tenor saxophone", "name")),
        (["sax"], 57, 87, ("soprano saxophone", "name")),
        (["singing-female"], 60, 78, ("soprano voice", "name")),
        (["take 1"], 36, 80, ("cello", "pitch")),
        (["horny toad"], 55, 98, ("violin", "pitch")),
    ],
)
def test_instruments_are_read_from_names_or_guessed(names, low, high, expected):
    found = guess(*names, low=low, high=high)
    assert (found.name, found.source) == expected


def test_what_was_asked_for_wins():
    found = guess("cello", low=50, high=60, asked="Bass-Clarinet")
    assert (found.name, found.source) == ("bass clarinet", "asked")


def test_a_range_of_no_instrument_is_what_was_heard():
    found = guess("x", low=20.5, high=107.2)
    assert found == Instrument("", 20, 108, "pitch")
    assert guess("x", low=math.nan, high=math.nan) is None


def test_an_unknown_instrument_is_refused_with_a_hint():
    with pytest.raises(ConfigError, match="did you mean cello"):
        guess(low=50, high=60, asked="celo")
    with pytest.raises(ConfigError, match="choose violin, viola"):
        guess(low=50, high=60, asked="xyzzy")


def test_every_range_goes_upwards():
    assert all(0 < low < high < 128 for low, high in instruments.RANGES.values())


def test_nobody_is_asked_for_notes_beyond_a_guess(note, hear):
    takes = np.concatenate([note(f0_hz, 2) for f0_hz in (220, 262, 330, 440)])
    guessed, asked = hear(takes), hear(takes, instrument="cello")
    assert guessed.instrument.source == "pitch"
    assert guessed.coverage.regions[0].low_midi == 57
    assert guessed.coverage.regions[-1].high_midi == 69
    assert all(not a.low_midi < 57 for a in guessed.advice)
    assert any(a.low_midi < 57 for a in asked.advice)
