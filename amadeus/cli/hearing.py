"""What the coach heard, in lines of text and in JSON."""

import dataclasses
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from amadeus.report.wording import duration, note_name

if TYPE_CHECKING:
    from amadeus.listen.report import Report, TakeReport

_COLUMNS = ("take", "length", "usable", "pitch", "loudness", "noise", "warnings")
_MAX_NAME = 40


def as_text(report: "Report") -> Iterator[str]:
    """Says what would be learned: a row for each take, the totals, the warnings."""
    rows = [_COLUMNS, *(_row(take) for take in report.takes)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
    for row in rows:
        cells = (f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()
    yield ""
    yield f"usable    {duration(report.usable_duration_s)} of {duration(report.duration_s)}"
    yield f"pitch     {_pitches(report)}"
    yield f"dynamics  {_loudness(report)}"
    if report.warnings:
        yield ""
    for warning in report.warnings:
        yield f"warning: {warning.text}"


def as_json(report: "Report") -> dict[str, Any]:
    """Says the same as plain data; what could not be measured is null."""
    content = _plain(dataclasses.asdict(report))
    for take, heard in zip(content["takes"], report.takes, strict=True):
        take["usable_s"] = _plain(heard.usable_s)
    return content


def _row(take: "TakeReport") -> tuple[str, ...]:
    name = (
        take.name if len(take.name) <= _MAX_NAME else f"{take.name[: _MAX_NAME - 1]}…"
    )
    noise = f"{-take.snr_db:.0f} dB" if math.isfinite(take.snr_db) else "?"
    kinds = dict.fromkeys(warning.kind for warning in take.warnings)
    return (
        name,
        duration(take.duration_s),
        duration(take.usable_s),
        _pitches(take),
        _loudness(take),
        noise,
        ", ".join(kinds),
    )


def _pitches(heard: "Report | TakeReport") -> str:
    if not math.isfinite(heard.lowest_midi):
        return "none"
    return f"{note_name(heard.lowest_midi)} to {note_name(heard.highest_midi)}"


def _loudness(heard: "Report | TakeReport") -> str:
    if not math.isfinite(heard.soft_db):
        return "?"
    return f"{heard.soft_db:.0f} to {heard.loud_db:.0f} dB"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if hasattr(value, "item"):  # a NumPy scalar
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
