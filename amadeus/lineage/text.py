"""Generations as text to read: one, with all that is known of it, or all."""

import time
from collections.abc import Iterator
from typing import NamedTuple

from amadeus.home import Deu, Home
from amadeus.lineage.diff import personality_of
from amadeus.lineage.read import ancestry_of, detailed, generations_of
from amadeus.lineage.records import (
    ExecutionRecord,
    GenerationRecord,
    TakeRecord,
)
from amadeus.lineage.tree import short as _short
from amadeus.personality.quoting import printable, tame
from amadeus.report.wording import duration, player_settings
from amadeus.v1 import personality_pb2

MAX_TAKES = 12  # listed one by one
MAX_DETAILED = 20  # generations told in full; the tree tells of all
MAX_ANCESTORS = 12


def render_text(home: Home, deu: Deu) -> str:
    """Tells where the voices of a deu come from, newest first.

    Raises:
      HomeError: The metadata cannot be read.
    """
    records = generations_of(home, deu)
    if not records:
        return f"{deu.name} has no lineage yet: no practice of it has pushed a voice."
    noun = "generation" if len(records) == 1 else "generations"
    blocks = [f"{deu.name}: {len(records)} {noun}"]
    current = deu.current_generation()
    for record in reversed(records[-MAX_DETAILED:]):
        blocks.append(
            "\n".join(_lines(detailed(home, record), record.generation == current))
        )
    if len(records) > MAX_DETAILED:
        blocks.append(
            f"and {len(records) - MAX_DETAILED} before: amadeus lineage {deu.name}"
        )
    return "\n\n".join(blocks)


class Told(NamedTuple):
    """All that is known of a generation.

    Attributes:
      record: The generation in detail.
      ancestors: Its parent, and so on; as many as are known by name.
      n_ancestors: How many there are.
      personality: Its profiles; None where nothing tells them.
      plays: Whether it plays now.
      files: Where its files are, or what became of them.
    """

    record: GenerationRecord
    ancestors: list[GenerationRecord]
    n_ancestors: int
    personality: personality_pb2.Personality | None
    plays: bool
    files: str


def tell(home: Home, deu: Deu, generation: int) -> Told:
    """Reads all that is known of a generation of this home.

    Raises:
      NotHeldError: There is no such generation.
      HomeError: The metadata cannot be read.
    """
    first, *ancestors = ancestry_of(home, deu, generation)
    return Told(
        detailed(home, first),
        ancestors,
        len(ancestors),
        personality_of(deu, generation),
        generation == deu.current_generation(),
        _files(deu, first),
    )


def render_generation(told: Told) -> str:
    """Tells all that is known of a generation."""
    record, personality = told.record, told.personality
    lines = list(_lines(record, told.plays))
    numbers = [_name(r) for r in told.ancestors[:MAX_ANCESTORS]]
    if numbers:
        more = told.n_ancestors - len(numbers)
        lines.append(
            f"  grew from     {' < '.join(numbers)}"
            + (f" and {more} before" if more else "")
        )
    lines.append(f"  files         {told.files}")
    if personality is not None:
        turned = [
            f"{s.name}={s.value}"
            for s in player_settings(personality.player_profile)
            if not s.is_default
        ]
        lines.append(
            f"  plays with    {', '.join(turned) or 'every knob at its default'}"
        )
        lines.append(
            f"  made by       Amadeus {tame(personality.amadeus_version) or 'unknown'}, "
            f"{personality.trained_step_count} steps, seed {personality.learner_profile.seed}"
        )
    return "\n".join(lines)


def _name(record: GenerationRecord) -> str:
    if record.generation:
        return str(record.generation)
    return f"{record.born_deu} {record.born_generation} elsewhere ({_short(record.digest)})"


def _files(deu: Deu, record: GenerationRecord) -> str:
    if record.generation in deu.generations():
        return str(deu.voices_path / str(record.generation))
    return say_gone(is_pruned=record.generation in deu.pruned_generations())


def say_gone(*, is_pruned: bool) -> str:
    """Says that a generation cannot be played, and why."""
    how = "it was pruned" if is_pruned else "they were removed"
    return f"gone: {how}, and cannot be played any more"


def _lines(record: GenerationRecord, is_current: bool) -> Iterator[str]:
    playing = "  (plays now)" if is_current else ""
    yield f"generation {record.generation}  {_short(record.digest)}{playing}"
    yield _birth(record)
    yield f"  parent        {_parent(record)}"
    if record.metrics:
        yield f"  metrics       {_metrics(record.metrics)}"
    if record.takes or record.n_takes:
        yield f"  learned from  {_count(record)}"
        for take in record.takes[:MAX_TAKES]:
            yield f"    {_short(take.digest)}  {' and '.join(take.splits):5}  {tame(take.name)}{_length(take)}"
        if len(record.takes) > MAX_TAKES:
            yield f"    and {len(record.takes) - MAX_TAKES:,} more"
        if not record.takes:
            yield "    their names went with the files of the practice"
    if record.skipped:
        yield f"  {printable(record.skipped)}"
    if record.executions:
        yield "  steps"
        for execution in record.executions:
            yield f"    {execution.component:18}{_cost(execution)}"


def _length(take: TakeRecord) -> str:
    return f"  {duration(take.duration_s)}" if take.duration_s is not None else ""


_VERBS = {"imitation": "born", "tuning": "tuned", "feedback": "shaped"}


def _birth(record: GenerationRecord) -> str:
    moment, practice = _moment(record.created_ms), tame(record.practice) or "unknown"
    if record.is_imported:
        whom = (
            f" as {record.born_deu} {record.born_generation}" if record.born_deu else ""
        )
        when = f" at {_moment(record.born_ms)}" if record.born_ms else ""
        return f"  imported      {moment}, born elsewhere{whom}{when} in practice {practice}"
    verb = _VERBS.get(record.kind, "born")
    return f"  {verb:<13} {moment} in practice {practice}"


def _parent(record: GenerationRecord) -> str:
    if record.parent_generation is None and record.parent_digest:
        return f"{_short(record.parent_digest)}, which is not held here"
    if record.parent_generation is None:
        return "none: it grew from nothing"
    number = f"generation {record.parent_generation}"
    if not record.parent_digest:
        return (
            f"{number}, of another make: it was compared with it and grew from nothing"
        )
    return f"{number}  {_short(record.parent_digest)}"


def _metrics(metrics: dict[str, float]) -> str:
    return ", ".join(f"{tame(name)} {metric:.4g}" for name, metric in metrics.items())


def _count(record: GenerationRecord) -> str:
    n_takes = max(record.n_takes, len(record.takes))
    n_held_out = sum("eval" in take.splits for take in record.takes)
    if n_takes == 1:
        return "1 take, its end held out"
    if len(record.takes) < n_takes:  # notes of a data set, or their names are gone
        return f"{n_takes:,} takes"
    return f"{n_takes:,} takes, {n_held_out:,} of them held out"


def _cost(execution: ExecutionRecord) -> str:
    if execution.component == "Parent":
        return "taken as recorded" if execution.cached else "recorded anew"
    if execution.cached:
        return "from the cache"
    if execution.state != "complete":
        return execution.state
    return f"{execution.duration_s:.1f} s"


def _moment(milliseconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(milliseconds / 1000))
