"""The lineage of a deu as text to read."""

import time
from collections.abc import Iterator

from amadeus.home import Deu, Home
from amadeus.lineage.read import (
    ExecutionRecord,
    GenerationRecord,
    TakeRecord,
    lineage_of,
)

MAX_TAKES = 12  # listed one by one
_DIGEST_CHARACTERS = 12


def render_text(home: Home, deu: Deu) -> str:
    """Tells where the voices of a deu come from, newest first.

    Raises:
      HomeError: The metadata cannot be read.
    """
    records = lineage_of(home, deu)
    if not records:
        return f"{deu.name} has no lineage yet: no practice of it has pushed a voice."
    noun = "generation" if len(records) == 1 else "generations"
    blocks = [f"{deu.name}: {len(records)} {noun}"]
    current = deu.current_generation()
    for record in reversed(records):
        blocks.append("\n".join(_lines(record, record.generation == current)))
    return "\n\n".join(blocks)


def _lines(record: GenerationRecord, is_current: bool) -> Iterator[str]:
    playing = "  (plays now)" if is_current else ""
    yield f"generation {record.generation}  {_short(record.digest)}{playing}"
    yield _birth(record)
    yield f"  parent        {_parent(record)}"
    if record.metrics:
        yield f"  metrics       {_metrics(record.metrics)}"
    if record.takes:
        yield f"  learned from  {_count(record.takes)}"
        for take in record.takes[:MAX_TAKES]:
            yield f"    {_short(take.digest)}  {' and '.join(take.splits):5}  {take.name}"
        if len(record.takes) > MAX_TAKES:
            yield f"    and {len(record.takes) - MAX_TAKES} more"
    if record.executions:
        yield "  steps"
        for execution in record.executions:
            yield f"    {execution.component:18}{_cost(execution)}"


def _birth(record: GenerationRecord) -> str:
    moment, practice = _moment(record.created_ms), record.practice or "unknown"
    if record.is_imported:
        return f"  imported      {moment}, born elsewhere in practice {practice}"
    return f"  born          {moment} in practice {practice}"


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
    return ", ".join(f"{name} {metric:.4g}" for name, metric in metrics.items())


def _count(takes: tuple[TakeRecord, ...]) -> str:
    n_held_out = sum("eval" in take.splits for take in takes)
    if len(takes) == 1:
        return "1 take, its end held out"
    return f"{len(takes)} takes, {n_held_out} of them held out"


def _cost(execution: ExecutionRecord) -> str:
    if execution.component == "Parent":
        return "taken as recorded" if execution.cached else "recorded anew"
    if execution.cached:
        return "from the cache"
    if execution.state != "complete":
        return execution.state
    return f"{execution.duration_s:.1f} s"


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:_DIGEST_CHARACTERS]


def _moment(milliseconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(milliseconds / 1000))
