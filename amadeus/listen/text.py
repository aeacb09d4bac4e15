"""The coach's report as plain text for a terminal; what to do next stands last, where the eye is."""

import math
import textwrap
from collections.abc import Iterator

from amadeus.listen.coverage import GOAL_S, LEVELS, Region
from amadeus.listen.playing import LONG_S, SHORT_S, Playing
from amadeus.listen.report import Report, TakeReport
from amadeus.listen.warnings import say_warnings
from amadeus.listen.words import (
    note_name,
    say_decibels,
    say_notes,
    say_time,
    to_hz,
)

_NAME_WIDTH = 40
_WIDTH = 100
_MOST_TAKES = 40  # lines; a folder of hundreds is told by its sum and its warnings
_BAR_CELLS = 8


def render(report: Report) -> str:
    """Renders a report as aligned plain text."""
    sections = [
        "\n".join(_takes(report)),
        "\n".join(_hang(fact, f"{name:<10}") for name, fact in _facts(report)),
        *_titled(
            "seconds by pitch and level (a full bar is enough)", _coverage(report)
        ),
        *_titled("a voice from this will be good at", _points(report.strengths, "+")),
        *_titled("and will have to guess", _points(report.weaknesses, "-")),
        *_titled("warnings", _points(say_warnings(report.warnings), "!")),
        *_titled("record next", _numbered([a.text for a in report.advice])),
    ]
    return "\n\n".join(sections)


def say_instrument(report: Report) -> str:
    """Says whose range the recordings are held against, and how that is known."""
    instrument = report.instrument
    if instrument is None:
        return ""
    plays = f"plays {say_notes(instrument.low_midi, instrument.high_midi)}"
    if not instrument.name:
        return "no known instrument has this range; --instrument says what it is"
    article = "an" if instrument.name[0] in "aeiou" else "a"
    why = {
        "asked": "as you said",
        "name": "by the names of files; --instrument names another",
        "pitch": (
            "guessed by pitch alone, so only what lies between the notes heard is asked for; "
            "--instrument says what it is"
        ),
    }[instrument.source]
    return f"{article} {instrument.name} {plays} ({why})"


def say_playing(playing: Playing) -> str:
    """Says in one line how varied the notes are."""
    if not playing.n_notes:
        return "no notes"
    parts = [
        f"{playing.long_share:.0%} of the time in notes of {LONG_S:g} s or more",
        f"{playing.short_share:.0%} of the notes below {SHORT_S:g} s",
        f"{playing.tied_share:.0%} tied",
        f"{playing.n_repeated} repeated",
    ]
    if not math.isnan(playing.vibrato_share):
        parts.append(f"vibrato on {playing.vibrato_share:.0%} of the longer ones")
    return f"{playing.n_notes} notes: {', '.join(parts)}"


def say_tuning(report: Report) -> str:
    """Says the pitch of A4 and how far notes stray from it; nothing from too few notes."""
    tuning = report.tuning
    if tuning is None:
        return ""
    return (
        f"A4 at {tuning.a4_hz:.1f} Hz, notes stray by {tuning.spread_cents:.0f} cents"
    )


def say_sound(report: Report) -> str:
    """Says in one line how clean and how bright the recordings are."""
    parts = []
    if not math.isnan(report.snr_db):
        parts.append(f"background {report.snr_db:.0f} dB below the sound")
    if not math.isnan(report.decay_60db_s):
        parts.append(f"echo dies away in {report.decay_60db_s:.1f} s")
    if not math.isnan(report.bandwidth_hz):
        parts.append(f"content up to {report.bandwidth_hz / 1_000:.1f} kHz")
    if report.clipped_share > 0:
        parts.append(f"{report.clipped_share:.2%} of the samples clipped")
    return ", ".join(parts)


def _takes(report: Report) -> Iterator[str]:
    yield _row("take", "length", "usable", "pitch", "dynamics", "remarks")
    yield from (_take_row(take) for take in report.takes[:_MOST_TAKES])
    if len(report.takes) > _MOST_TAKES:
        yield f"... and {len(report.takes) - _MOST_TAKES} more takes"


def _take_row(take: TakeReport) -> str:
    remarks = ", ".join(dict.fromkeys(warning.kind for warning in take.warnings))
    return _row(
        _shorten(take.name),
        say_time(take.duration_s),
        say_time(take.usable_s),
        _pitch_range(take),
        say_decibels(take.loud_db - take.soft_db),
        remarks or "good",
    )


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    usable = f"{say_time(report.usable_duration_s)} of {say_time(report.duration_s)}"
    if report.usable_duration_s:
        usable += f", {say_time(report.clean_duration_s)} of it clean"
    yield "usable", usable
    low, high = report.lowest_midi, report.highest_midi
    if math.isnan(low):
        yield "pitch", "none"
    else:
        yield (
            "pitch",
            f"{say_notes(low, high)} ({to_hz(low):.0f} to {to_hz(high):.0f} Hz)",
        )
    dynamics = f"{say_decibels(report.dynamics_db)} between soft and loud notes"
    if report.coverage is not None:
        dynamics += f", {report.coverage.range_db:.0f} dB over the time played"
    further = {
        "range": say_instrument(report),
        "dynamics": dynamics,
        "playing": say_playing(report.playing) if report.usable_duration_s else "",
        "tuning": say_tuning(report),
        "sound": say_sound(report),
    }
    yield from ((name, fact) for name, fact in further.items() if fact)
    if report.heard_s < 0.99 * report.duration_s:
        yield (
            "heard",
            f"{say_time(report.heard_s)}, spread evenly; the rest is estimated",
        )


def _coverage(report: Report) -> list[str]:
    if report.coverage is None:
        return []
    header = "".join(f"{level:<{_BAR_CELLS + 10}}" for level in LEVELS)
    rows = [_region_row(region) for region in reversed(report.coverage.regions)]
    return [f"  {'':<12}{header}".rstrip(), *rows]


def _region_row(region: Region) -> str:
    notes = f"{note_name(region.low_midi)} - {note_name(region.high_midi)}"
    cells = "".join(
        f"{_bar(region.seconds(level))}{region.seconds(level):6.1f} s  "
        for level in LEVELS
    )
    return f"  {notes:<12}{cells}".rstrip()


def _bar(seconds: float) -> str:
    filled = min(_BAR_CELLS, round(_BAR_CELLS * seconds / GOAL_S))
    return "#" * filled + "." * (_BAR_CELLS - filled)


def _titled(title: str, lines: list[str]) -> list[str]:
    return ["\n".join([title, *lines])] if lines else []


def _points(sentences: list[str], mark: str) -> list[str]:
    return [_hang(sentence, f"  {mark} ") for sentence in sentences]


def _numbered(sentences: list[str]) -> list[str]:
    return [_hang(text, f"  {number}. ") for number, text in enumerate(sentences, 1)]


def _hang(sentence: str, start: str) -> str:
    return textwrap.fill(
        sentence,
        _WIDTH,
        initial_indent=start,
        subsequent_indent=" " * len(start),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _row(*cells: str) -> str:
    widths = (-_NAME_WIDTH, 8, 8, 10, 9, -1)
    padded = (
        cell.ljust(-width) if width < 0 else cell.rjust(width)
        for cell, width in zip(cells, widths, strict=True)
    )
    return "  ".join(padded).rstrip()


def _shorten(name: str) -> str:
    if len(name) <= _NAME_WIDTH:
        return name
    half = (_NAME_WIDTH - 3) // 2
    return f"{name[: _NAME_WIDTH - 3 - half]}...{name[-half:]}"


def _pitch_range(take: TakeReport) -> str:
    if math.isnan(take.lowest_midi):
        return "-"
    return f"{note_name(take.lowest_midi)} - {note_name(take.highest_midi)}"
