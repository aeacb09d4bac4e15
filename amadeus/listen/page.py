"""The coach's report as one self-contained HTML page with pictures; no network, no script."""

import math
from pathlib import Path
from typing import Any

from amadeus import __version__
from amadeus.home import write_atomically
from amadeus.listen import pictures, text
from amadeus.listen.coach import ENOUGH_S
from amadeus.listen.coverage import GOAL_S, HOLE_S
from amadeus.listen.report import Report, TakeReport
from amadeus.listen.warnings import say_warnings
from amadeus.listen.words import say_decibels, say_notes, say_time
from amadeus.report.page import Verdict, find_template
from amadeus.report.spectrogram import RANGE_DB, draw_scale

TEMPLATE_NAME = "listen.html"
MAX_ROWS = 300  # takes; more make no page to read

_NOT_KNOWN = "\N{EM DASH}"


def write_page(report: Report, path: Path) -> None:
    """Writes a report as a page; an existing file is replaced at once.

    Args:
      report: What the coach says.
      path: Where to write.
    """
    write_atomically(path, render_page(report))


def render_page(report: Report) -> str:
    """Renders a report as HTML; recordings are read again where trouble is shown."""
    has_map = report.coverage is not None
    return find_template(TEMPLATE_NAME).render(
        title=_title(report),
        version=__version__,
        verdict=judge(report),
        facts=list(_facts(report)),
        report=report,
        warnings=say_warnings(report.warnings),
        instrument=text.say_instrument(report),
        playing=_playing(report),
        map=pictures.draw_map(report) if has_map else "",
        pitches=pictures.draw_pitches(report) if has_map else "",
        levels=pictures.draw_levels(report) if has_map else "",
        lengths=pictures.draw_lengths(report) if has_map else "",
        goal_s=GOAL_S,
        hole_s=HOLE_S,
        places=pictures.draw_places(report),
        scale=draw_scale(),
        range_db=RANGE_DB,
        rows=[_row(take) for take in report.takes[:MAX_ROWS]],
        n_left_out=max(0, len(report.takes) - MAX_ROWS),
        say_time=say_time,
    )


def judge(report: Report) -> Verdict:
    """Puts what can be learned in a word and a sentence."""
    usable = f"{say_time(report.usable_duration_s)} of {say_time(report.duration_s)} can be learned from"
    if not report.usable_duration_s:
        return Verdict(
            "bad",
            "Nothing to learn",
            f"Nothing in {say_time(report.duration_s)} is usable sound of one note at a time.",
        )
    if report.usable_duration_s < ENOUGH_S:
        return Verdict("bad", "Too little", f"{usable}; a voice needs a minute.")
    if report.clean_duration_s < 0.7 * report.usable_duration_s:
        clean = say_time(report.clean_duration_s)
        return Verdict("open", "Spoilt in part", f"{usable}, only {clean} of it clean.")
    if report.usable_duration_s < 5 * ENOUGH_S:
        return Verdict("open", "A beginning", f"{usable}; ten minutes are good.")
    return Verdict("good", "Good material", f"{usable}.")


def _title(report: Report) -> str:
    if len(report.takes) == 1:
        return report.takes[0].name
    folders = {Path(take.path).parent.name for take in report.takes}
    folder = f" in {folders.pop()}" if len(folders) == 1 else ""
    return f"{len(report.takes)} recordings{folder}"


def _facts(report: Report) -> Any:
    yield "usable", say_time(report.usable_duration_s)
    yield "clean", say_time(report.clean_duration_s)
    if not math.isnan(report.lowest_midi):
        yield "pitch", say_notes(report.lowest_midi, report.highest_midi)
    if report.coverage is not None:
        yield "soft to loud", say_decibels(report.coverage.range_db)
    if report.tuning is not None:
        yield "A4", f"{report.tuning.a4_hz:.1f} Hz"
    if not math.isnan(report.snr_db):
        yield "over the noise", say_decibels(report.snr_db)
    if not math.isnan(report.bandwidth_hz):
        yield "content up to", f"{report.bandwidth_hz / 1_000:.1f} kHz"


def _playing(report: Report) -> list[tuple[str, str]]:
    playing = report.playing
    if not playing.n_notes:
        return []
    vibrato = _share(playing.vibrato_share)
    return [
        ("notes", f"{playing.n_notes}, the longest {playing.longest_s:.1f} s"),
        ("time in notes of 1 s or more", _share(playing.long_share)),
        ("notes below 0.25 s", _share(playing.short_share)),
        ("tied to the note before", f"{playing.n_tied} ({_share(playing.tied_share)})"),
        ("with an attack of their own", str(playing.n_separate)),
        ("repeated on the same pitch", str(playing.n_repeated)),
        (
            "vibrato, of notes of 0.5 s or more",
            f"{vibrato} ({playing.n_vibrato} with, {playing.n_plain} without)",
        ),
        ("tuning", text.say_tuning(report) or _NOT_KNOWN),
    ]


def _row(take: TakeReport) -> dict[str, Any]:
    has_pitch = not math.isnan(take.lowest_midi)
    return {
        "name": take.name,
        "length": say_time(take.duration_s),
        "usable": say_time(take.usable_s),
        "pitch": say_notes(take.lowest_midi, take.highest_midi)
        if has_pitch
        else _NOT_KNOWN,
        "dynamics": _decibels(take.loud_db - take.soft_db),
        "snr": _decibels(take.snr_db),
        "echo": _number(take.decay_60db_s, "{:.1f} s"),
        "bandwidth": _number(take.bandwidth_hz / 1_000, "{:.1f} kHz"),
        "remarks": list(dict.fromkeys(warning.kind for warning in take.warnings)),
    }


def _share(share: float) -> str:
    return _number(100 * share, "{:.0f} %")


def _decibels(level_db: float) -> str:
    return _number(level_db, "{:.0f} dB")


def _number(value: float, form: str) -> str:
    return _NOT_KNOWN if math.isnan(value) else form.format(value)
