"""The coach's report in words: plain text for a terminal, JSON for programs."""

import dataclasses
import json
import math
from typing import Any

from amadeus.listen.report import Report, TakeReport

_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_NAME_WIDTH = 40
_MOST_TAKES = 40  # lines; a folder of hundreds is told by its sum and its warnings


def render(report: Report) -> str:
    """Renders a report as aligned plain text."""
    lines = [_row("take", "length", "usable", "pitch", "dynamics", "remarks")]
    lines += [_take_row(take) for take in report.takes[:_MOST_TAKES]]
    if len(report.takes) > _MOST_TAKES:
        lines.append(f"... and {len(report.takes) - _MOST_TAKES} more takes")
    lines += ["", *_totals(report)]
    if report.warnings:
        lines += ["", "warnings"]
        lines += [
            f"  {warning.take + ': ' if warning.take else ''}{warning.text}."
            for warning in report.warnings
        ]
    return "\n".join(lines)


def to_dict(report: Report) -> dict[str, Any]:
    """Turns a report into values that JSON knows; what could not be measured is None."""
    return _known(
        dataclasses.asdict(report)
        | {
            "dynamics_db": report.dynamics_db,
            "lowest_hz": _hz(report.lowest_midi),
            "highest_hz": _hz(report.highest_midi),
        }
    )


def to_json(report: Report) -> str:
    """Renders a report as JSON."""
    return json.dumps(to_dict(report), indent=2, ensure_ascii=False, allow_nan=False)


def note_name(pitch_midi: float) -> str:
    """Names the nearest note, such as `A4` for 69."""
    octave, index = divmod(round(pitch_midi), 12)
    return f"{_NAMES[index]}{octave - 1}"


def _take_row(take: TakeReport) -> str:
    remarks = ", ".join(dict.fromkeys(warning.kind for warning in take.warnings))
    return _row(
        _shorten(take.name),
        _time(take.duration_s),
        _time(take.usable_s),
        _pitch_range(take.lowest_midi, take.highest_midi),
        _decibels(take.loud_db - take.soft_db),
        remarks or "good",
    )


def _totals(report: Report) -> list[str]:
    low, high = report.lowest_midi, report.highest_midi
    facts = {
        "usable": f"{_time(report.usable_duration_s)} of {_time(report.duration_s)}",
        "pitch": "none",
        "dynamics": f"{_decibels(report.dynamics_db)} between soft and loud notes".lstrip(),
    }
    if not math.isnan(low):
        facts["pitch"] = (
            f"{note_name(low)} to {note_name(high)} ({_hz(low):.0f} to {_hz(high):.0f} Hz)"
        )
    if report.heard_s < 0.99 * report.duration_s:
        facts["heard"] = (
            f"{_time(report.heard_s)}, spread evenly; the rest is estimated"
        )
    return [f"{name:<9} {fact}" for name, fact in facts.items()]


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


def _time(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)}:{int(seconds % 60):02d} min"


def _pitch_range(lowest_midi: float, highest_midi: float) -> str:
    if math.isnan(lowest_midi):
        return "-"
    return f"{note_name(lowest_midi)} - {note_name(highest_midi)}"


def _decibels(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.0f} dB"


def _hz(pitch_midi: float) -> float:
    return 440 * 2 ** ((pitch_midi - 69) / 12)


def _known(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _known(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_known(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
