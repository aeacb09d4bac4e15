"""A census in words, for a terminal."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from amadeus.datasets.census import Census
from amadeus.errors import legible
from amadeus.listen.words import note_name

if TYPE_CHECKING:
    from amadeus.datasets.singles import Single

_HEADS = ("family", "source", "notes", "instruments", "pitches", "duration")
_FAULTS = {
    "corrupt_record": "damaged",
    "truncated": "cut off",
    "wrong_schema": "of another kind",
}


def render(census: Census) -> str:
    """Writes a census as a table of families and sources, and what was not counted in it."""
    rows = [
        (
            kind.family,
            kind.source,
            f"{row.n_notes:,}",
            f"{len(row.instruments):,}",
            _pitches(row.lowest, row.highest),
            _clock(row.duration_s),
        )
        for kind, row in census.in_order()
    ]
    lines = _lay_out([_HEADS, *rows]) if rows else []
    return "\n".join([*lines, *([""] if rows else []), *_sum_up(census)])


def render_singles(examined: Sequence["Single"]) -> str:
    """Writes what became of files that were to be notes: the odd ones in a line each, then how many."""
    lines = [f"{legible(one.path.name)}: {_judge(one)}" for one in examined if one.text]
    outcomes = Counter(one.outcome for one in examined)
    taken = [one.pitch for one in examined if one.outcome == "taken"]
    pitches = [pitch for pitch in taken if pitch is not None]
    span = f", {_pitches(min(pitches), max(pitches))}" if pitches else ""
    others = [
        f"{n} {outcome}"
        for outcome, n in sorted(outcomes.items())
        if outcome != "taken"
    ]
    left = f"; left out: {', '.join(others)}" if others else ""
    return "\n".join([*lines, f"{len(taken)} of {len(examined)} notes{span}{left}"])


def _judge(one: "Single") -> str:
    if one.verdict is None or one.pitch is None:
        return one.text
    called = one.pitch
    if one.verdict.cents is not None and one.verdict.heard_midi is not None:
        called = round(one.verdict.heard_midi - one.verdict.cents / 100)
    end = {"wrong": "left out", "taken": "taken"}.get(one.outcome, one.outcome)
    if one.outcome == "taken" and called != one.pitch:
        end = f"taken as {note_name(one.pitch)}"
    return f"called {note_name(called)}, but {one.text}; {end}"


def _sum_up(census: Census) -> list[str]:
    total_s = sum(row.duration_s for row in census.rows.values())
    files = "1 file" if census.n_files == 1 else f"{census.n_files:,} files"
    lines = [
        f"{census.n_notes:,} notes, {_clock(total_s)}, in {files} of {census.n_bytes / 1e6:,.1f} MB"
    ]
    if census.n_passed:
        lines.append(f"not chosen: {census.n_passed:,}")
    if census.n_notes:
        lines.append(f"velocities: {_counts(census.velocities)}")
    if len(census.rates) > 1:
        lines.append(f"sample rates in Hz: {_counts(census.rates)}")
    if census.n_unusable:
        told = [
            f"{n:,} {_FAULTS[fault]}" for fault, n in sorted(census.unusable.items())
        ]
        lines.append(f"cannot be used: {', '.join(told)}")
        lines += [f"  {sentence}" for sentence in census.sentences]
        if census.n_unusable > len(census.sentences):
            lines.append(f"  and {census.n_unusable - len(census.sentences):,} more")
    return lines


def _lay_out(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    is_number = (False, False, True, True, False, True)
    return [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, is_number, strict=True)
        ).rstrip()
        for row in rows
    ]


def _pitches(lowest: int, highest: int) -> str:
    low, high = note_name(lowest), note_name(highest)
    return f"{lowest}-{highest} ({low} to {high})" if high != low else f"{low}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _counts(counted: Counter[int]) -> str:
    parts = [f"{value} ({n:,})" for value, n in sorted(counted.items())]
    shown = parts[:8]
    return ", ".join(shown) + (" and others" if parts[8:] else "")
