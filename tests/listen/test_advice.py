"""What to record next: of material with one known gap, that gap comes first, with its number."""

import dataclasses
import re

import numpy as np
import pytest

from amadeus.listen import document, text
from amadeus.listen.advice import advise
from amadeus.listen.coach import _conclude
from amadeus.listen.coverage import measure_coverage
from amadeus.listen.instruments import Instrument
from amadeus.listen.material import LOWEST_DB, NOTE_FIELDS, no_material
from amadeus.listen.outlook import find_strengths, find_weaknesses
from amadeus.listen.playing import describe_playing
from amadeus.listen.report import Report, TakeReport, Warning

RATE = 16_000
CELLO = Instrument("cello", 36, 84, "asked")
LEVELS_DB = {"soft": -30, "medium": -15, "loud": -2}


def material(*, without=()):
    """Eight seconds of each note of a cello at each level, but for (low, high, level)."""
    seconds = no_material().seconds
    for note in range(36, 85):
        for level, level_db in LEVELS_DB.items():
            if not any(a <= note <= b and level in levels for a, b, levels in without):
                seconds[note, level_db - LOWEST_DB] = 8.0
    return seconds


def played(*, n_long=60, n_short=60, n_tied=60):
    notes = np.zeros(n_long + n_short + n_tied, NOTE_FIELDS)
    notes["duration_s"] = 0.3
    notes["duration_s"][:n_long] = 2.0
    notes["is_legato"][len(notes) - n_tied :] = True
    notes["pitch_midi"] = 50 + 2 * (np.arange(len(notes)) % 12)
    notes["vibrato_cents"] = np.where(np.arange(len(notes)) % 2, 0.0, 20.0)
    return notes


def make_take(name="take.wav", *, kind=None, seconds=100.0):
    warnings = [Warning(kind, f"{kind}!", {"x": 1.0}, name)] if kind else []
    return TakeReport(
        name=name,
        path=name,
        duration_s=seconds,
        heard_s=seconds,
        silent_s=0.0,
        sounding_s=seconds,
        pitched_s=seconds,
        lowest_midi=36.0,
        highest_midi=84.0,
        soft_db=-25.0,
        loud_db=-2.0,
        polyphonic_share=0.0,
        steady_share=1.0,
        snr_db=50.0,
        decay_60db_s=0.2,
        clipped_share=0.0,
        bandwidth_hz=8_000.0,
        peak=0.5,
        warnings=warnings,
    )


def make_report(*, without=(), notes=None, takes=None, lowest=36.0, highest=84.0):
    seconds = material(without=without)
    notes = played() if notes is None else notes
    takes = takes or [make_take(seconds=float(seconds.sum()))]
    report = Report(
        takes=takes,
        duration_s=1_000.0,
        heard_s=1_000.0,
        sounding_s=1_000.0,
        pitched_s=1_000.0,
        usable_duration_s=float(seconds.sum()),
        clean_duration_s=float(seconds.sum()),
        lowest_midi=lowest,
        highest_midi=highest,
        soft_db=-25.0,
        loud_db=-2.0,
        snr_db=50.0,
        decay_60db_s=0.2,
        bandwidth_hz=8_000.0,
        clipped_share=0.0,
        polyphonic_share=0.0,
        instrument=CELLO,
        coverage=measure_coverage(seconds, low_midi=36, high_midi=84),
        playing=describe_playing(notes),
        tuning=None,
        warnings=[w for take in takes for w in take.warnings],
        material=no_material()._replace(seconds=seconds, notes=notes),
    )
    return _conclude(report, sample_rate=16_000)


def test_a_soft_hole_is_what_to_record():
    first = make_report(without=[(36, 41, {"soft"})]).advice[0]
    assert (first.kind, first.level) == ("dynamics", "soft")
    assert (first.low_midi, first.high_midi) == (36, 41)
    assert first.text == (
        "Record the notes between C2 and F2 softly, about 20 s: nothing there."
    )


def test_neighbouring_holes_are_one_piece_of_advice():
    first = make_report(without=[(36, 53, {"loud"})]).advice[0]
    assert first.text.startswith(
        "Record the notes between C2 and F3 loudly, about 1 minute:"
    )


def test_notes_that_were_never_played_are_asked_for_at_every_level():
    report = make_report(without=[(72, 84, set(LEVELS_DB))], highest=71.0)
    first = report.advice[0]
    assert first.kind == "range"
    assert first.low_midi <= 73
    assert "from soft to loud" in first.text
    assert any("will be guessed" in sentence for sentence in report.weaknesses)


def test_the_larger_gap_comes_first():
    gaps = [(36, 41, {"soft"}), (60, 78, {"loud"})]
    levels = [a.level for a in make_report(without=gaps).advice[:2]]
    assert levels == ["loud", "soft"]


def test_what_was_played_matters_more_than_what_lies_beyond():
    gaps = [(36, 41, {"soft"}), (79, 84, {"soft"})]
    first = make_report(without=gaps, highest=78.0).advice[0]
    assert first.low_midi == 36


@pytest.mark.parametrize(
    ("notes", "words"),
    [
        (played(n_long=2), r"long notes .* only 4\.0 s are in notes of 1 s"),
        (played(n_tied=3), r"slurred .* only 3 of 123 notes are tied"),
        (played(n_long=40, n_short=0, n_tied=0), "slurred"),
    ],
)
def test_missing_kinds_of_notes_are_asked_for(notes, words):
    assert re.search(words, make_report(notes=notes).advice[0].text)


@pytest.mark.parametrize(
    ("kind", "remedy"),
    [
        ("clipping", "with less gain"),
        ("noise", "closer to the microphone"),
        ("reverb", "in a drier room"),
        ("polyphony", "one note at a time"),
    ],
)
def test_spoilt_takes_are_to_be_recorded_again(kind, remedy):
    takes = [make_take("good.wav"), make_take("bad.wav", kind=kind, seconds=90)]
    first = make_report(takes=takes).advice[0]
    assert first.kind == "again"
    assert first.text.startswith(f"Record bad.wav again, {remedy}")
    assert "spoils 1:30 min" in first.text


def test_there_are_always_three_and_each_has_a_number():
    for gaps in ([], [(36, 41, {"soft"})], [(36, 84, {"soft", "medium"})]):
        advice = make_report(without=gaps).advice
        assert len(advice) == 3
        assert all(any(c.isdigit() for c in item.text) for item in advice)
        gains = [item.gain_s for item in advice]
        assert gains == sorted(gains, reverse=True)


def test_a_full_field_is_a_strength_and_no_weakness():
    report = make_report()
    assert report.strengths[0].startswith("C2 to C6 at every level")
    assert report.weaknesses == []


def test_a_hole_is_a_weakness_and_leaves_the_strength():
    report = make_report(without=[(36, 41, {"soft"})])
    assert report.weaknesses == ["C2 to F2 played softly: only 0.0 s"]
    assert report.strengths[0].startswith("F#2 to C6 at every level")


def test_dull_recordings_are_told_with_both_frequencies():
    takes = [make_take(kind="bandwidth", seconds=1_176.0)]
    report = dataclasses.replace(make_report(takes=takes), bandwidth_hz=7_600.0)
    first = advise(report, sample_rate=48_000)[0]
    assert first.kind == "bandwidth"
    assert "nothing lies above 7600 Hz" in first.text
    weak = find_weaknesses(report, sample_rate=48_000)
    assert "the recordings end at 7600 Hz" in weak[-1]


def test_silence_is_answered_with_something_to_record(hear):
    report = hear(np.zeros(3 * RATE))
    assert [a.kind for a in report.advice] == ["first"]
    assert "3.0 s of silence" in report.advice[0].text
    assert find_strengths(report) == []


def test_advice_stands_last_in_the_text_and_whole_in_json(tune, hear):
    report = hear(tune(1), name="cello")
    words = text.render(report)
    assert words.index("record next") > words.index("and will have to guess")
    advice = document.to_dict(report)["advice"]
    assert len(advice) == 3
    plain = " ".join(words.split())
    assert all(item["text"] in plain for item in advice)
    assert "a cello plays C2 to C6 (by the names of files" in plain


def test_lines_of_the_text_are_no_wider_than_a_terminal(tune, hear):
    rows = text.render(hear(tune(1))).splitlines()
    assert max(map(len, rows)) <= 100
