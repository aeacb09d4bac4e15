"""What to record next: everything that is missing, ranked by what it would add.

All gaps are put into one currency, seconds that a voice lacks. A region of notes lacks what it has
less than `GOAL_S` at a level; gaps that a voice bridges by itself weigh less (the constants below
are judgement, not measurement). Neighbouring gaps are one piece of advice.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from amadeus.listen.coverage import GOAL_S, HOLE_S, LEVELS, Coverage, Level, Region
from amadeus.listen.outlook import FEW_NOTES, LONG_ENOUGH_S, MANY_NOTES, spans
from amadeus.listen.playing import LONG_S, Playing
from amadeus.listen.report import Report, TakeReport, WarningKind
from amadeus.listen.words import note_name, say_about, say_notes, say_time

ENOUGH_S = 600.0  # ten minutes
N_ADVICE = 3

AdviceKind = Literal[
    "range", "dynamics", "playing", "again", "bandwidth", "more", "first"
]

_LEVEL_WEIGHTS: dict[Level, float] = {"soft": 1.0, "medium": 0.7, "loud": 1.0}
_BEYOND_WEIGHT = (
    0.6  # of notes beyond those that were played: perhaps they are not wanted
)
_ATTACK_S, _TIE_S = 0.7, 0.5  # what one more note of the kind adds
_VIBRATO_S = 15.0
_MORE_WEIGHT = 0.2  # of another second like those there are
_SPOILT_WEIGHTS: dict[WarningKind, float] = {
    "polyphony": 0.8,
    "clipping": 0.6,
    "noise": 0.6,
    "reverb": 0.5,
}
_REMEDIES: dict[WarningKind, str] = {
    "polyphony": "one note at a time, without accompaniment",
    "clipping": "with less gain",
    "noise": "closer to the microphone or in a quieter room",
    "reverb": "in a drier room, or with the damping that stops the strings",
}
_WORDS: dict[Level, str] = {
    "soft": "softly",
    "medium": "at medium level",
    "loud": "loudly",
}
_CAUSES: dict[WarningKind, str] = {
    "polyphony": "several notes at once",
    "clipping": "clipping",
    "noise": "noise",
    "reverb": "echo",
}


@dataclass(frozen=True, kw_only=True)
class Advice:
    """Something to record.

    Attributes:
      kind: What it would mend.
      text: One sentence: what, how long, and the number behind it.
      gain_s: What it would add, in seconds that a voice lacks; advice is ranked by it.
      record_s: About how long to record.
      low_midi, high_midi: First and last note where it is about notes, else NaN.
      level: How loud, where it is about that.
    """

    kind: AdviceKind
    text: str
    gain_s: float
    record_s: float
    low_midi: float = math.nan
    high_midi: float = math.nan
    level: Level | None = None


def advise(report: Report, *, sample_rate: int) -> list[Advice]:
    """Ranks what to record next.

    Args:
      report: All but the advice.
      sample_rate: Of the voice, in Hz.

    Returns:
      At most three, the most useful first.
    """
    if not report.usable_duration_s or report.coverage is None:
        return _first(report)
    wanted = [
        *_about_range(report.coverage, report),
        *_about_levels(report.coverage, report),
        *_about_playing(report.playing),
        *_about_takes(report.takes),
        *_about_bandwidth(report, sample_rate),
        *_about_length(report),
    ]
    wanted = [advice for advice in wanted if advice.gain_s > 0]
    ranked = sorted(wanted, key=lambda advice: -advice.gain_s)[:N_ADVICE]
    return ranked + _thinnest(report.coverage, n=N_ADVICE - len(ranked))


def _first(report: Report) -> list[Advice]:
    """Advises on recordings that hold nothing to learn."""
    if not report.sounding_s:
        heard = f"{say_time(report.heard_s)} of silence were given"
    else:
        heard = (
            f"of {say_time(report.sounding_s)} of sound, "
            f"{say_time(report.pitched_s)} have a pitch and none is usable"
        )
    text = f"Record a scale over the whole range, one note of 2 s after the other, about 2 minutes: {heard}."
    return [Advice(kind="first", text=text, gain_s=ENOUGH_S, record_s=120.0)]


def _about_range(coverage: Coverage, report: Report) -> Iterator[Advice]:
    for span in spans(coverage.regions, lambda region: region.total_s < HOLE_S):
        there_s = sum(region.total_s for region in span)
        gain_s = sum(_missing(r, name, report) for r in span for name in LEVELS)
        record_s = len(LEVELS) * GOAL_S * len(span) - there_s
        yield _about_notes(
            "range", span, "from soft to loud", there_s, record_s, gain_s, None
        )


def _about_levels(coverage: Coverage, report: Report) -> Iterator[Advice]:
    for level in LEVELS:
        # A whole gap is worth a walk; below half of the goal it is one.
        gaps = spans(
            coverage.regions,
            lambda r, name=level: r.total_s >= HOLE_S and r.seconds(name) < GOAL_S / 2,
        )
        for span in gaps:
            there_s = sum(region.seconds(level) for region in span)
            gain_s = sum(_missing(region, level, report) for region in span)
            record_s = GOAL_S * len(span) - there_s
            yield _about_notes(
                "dynamics", span, _WORDS[level], there_s, record_s, gain_s, level
            )


def _about_notes(
    kind: AdviceKind,
    span: list[Region],
    how: str,
    there_s: float,
    record_s: float,
    gain_s: float,
    level: Level | None,
) -> Advice:
    low, high = span[0].low_midi, span[-1].high_midi
    notes = f"the notes between {note_name(low)} and {note_name(high)}"
    if low == high:
        notes = f"the note {note_name(low)}"
    there = f"only {say_time(there_s)} there" if there_s >= 0.05 else "nothing there"
    return Advice(
        kind=kind,
        text=f"Record {notes} {how}, about {say_about(record_s)}: {there}.",
        gain_s=gain_s,
        record_s=record_s,
        low_midi=low,
        high_midi=high,
        level=level,
    )


def _about_playing(playing: Playing) -> Iterator[Advice]:
    missing_s = LONG_ENOUGH_S - playing.long_s
    yield _kind_of_playing(
        f"Record long notes of 3 s or more in every register, about {say_about(missing_s)}: only "
        f"{say_time(playing.long_s)} are in notes of {LONG_S:g} s or more.",
        missing_s,
    )
    n_missing = MANY_NOTES - playing.n_separate
    yield _kind_of_playing(
        f"Record separate notes, each with its own attack, about {say_about(n_missing)}: only {playing.n_separate} "
        f"of {playing.n_notes} begin on their own.",
        n_missing * _ATTACK_S,
    )
    n_missing = MANY_NOTES - playing.n_tied
    yield _kind_of_playing(
        f"Record slurred scales and leaps, about {say_about(n_missing)}: only {playing.n_tied} of {playing.n_notes} "
        "notes are tied to the one before.",
        n_missing * _TIE_S,
    )
    n_told = playing.n_vibrato + playing.n_plain
    if n_told >= FEW_NOTES and playing.n_plain < 0.1 * n_told:
        yield _kind_of_playing(
            f"Record long notes without vibrato, about 30 s: {playing.n_vibrato} of {n_told} long notes have it.",
            _VIBRATO_S,
        )


def _kind_of_playing(text: str, gain_s: float) -> Advice:
    return Advice(kind="playing", text=text, gain_s=gain_s, record_s=max(gain_s, 10.0))


def _about_takes(takes: list[TakeReport]) -> Iterator[Advice]:
    for kind, weight in _SPOILT_WEIGHTS.items():
        spoilt = [t for t in takes if any(w.kind == kind for w in t.warnings)]
        if not spoilt:
            continue
        spoilt_s = sum(take.whole_pitched_s for take in spoilt)
        which = spoilt[0].name if len(spoilt) == 1 else f"{len(spoilt)} takes"
        yield Advice(
            kind="again",
            text=f"Record {which} again, {_REMEDIES[kind]}, about {say_about(spoilt_s)}: {_CAUSES[kind]} spoils "
            f"{say_time(spoilt_s)} there.",
            gain_s=weight * spoilt_s,
            record_s=spoilt_s,
        )


def _about_bandwidth(report: Report, sample_rate: int) -> Iterator[Advice]:
    dull = [t for t in report.takes if any(w.kind == "bandwidth" for w in t.warnings)]
    dull_s = sum(take.usable_s for take in dull)
    if dull_s > 0.5 * report.usable_duration_s:
        rate = 48_000 if sample_rate > 16_000 else 44_100
        yield Advice(
            kind="bandwidth",
            text=f"Record at {rate} Hz without compression, about {say_about(dull_s)}: now nothing lies above "
            f"{report.bandwidth_hz:.0f} Hz, and a voice of {sample_rate} Hz could reach {sample_rate / 2:.0f} Hz.",
            gain_s=0.5 * dull_s,
            record_s=dull_s,
        )


def _about_length(report: Report) -> Iterator[Advice]:
    missing_s = ENOUGH_S - report.usable_duration_s
    yield Advice(
        kind="more",
        text=f"Record more of the same, about {say_about(missing_s)}: {say_time(report.usable_duration_s)} are usable, "
        f"and {ENOUGH_S / 60:.0f} minutes are good.",
        gain_s=_MORE_WEIGHT * missing_s,
        record_s=missing_s,
    )


def _thinnest(coverage: Coverage, *, n: int) -> list[Advice]:
    """Names the places with the least material, where nothing is really missing."""
    cells = [(r.seconds(name), r, name) for r in coverage.regions for name in LEVELS]
    cells.sort(key=lambda cell: cell[0])
    return [
        Advice(
            kind="dynamics",
            text=f"Record {say_notes(region.low_midi, region.high_midi)} {_WORDS[level]}, about {say_about(GOAL_S)}: "
            f"with {say_time(there_s)} the thinnest place left.",
            gain_s=0.0,
            record_s=GOAL_S,
            low_midi=region.low_midi,
            high_midi=region.high_midi,
            level=level,
        )
        for there_s, region, level in cells[: max(0, n)]
    ]


def _missing(region: Region, level: Level, report: Report) -> float:
    """Seconds a region lacks at a level, weighed."""
    was_played = (
        region.high_midi >= report.lowest_midi
        and region.low_midi <= report.highest_midi
    )
    weight = _LEVEL_WEIGHTS[level] * (1.0 if was_played else _BEYOND_WEIGHT)
    return weight * max(0.0, GOAL_S - region.seconds(level))
