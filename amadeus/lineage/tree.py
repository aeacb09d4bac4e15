"""The tree of a deu's generations: who came from whom, drawn as text, JSON and Graphviz.

A branch is drawn under the generation it grew from; the child that came last goes on straight below, so that a deu
that never went back is one straight line.
"""

import json
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from amadeus.home import Deu
from amadeus.lineage.records import GenerationRecord
from amadeus.personality.quoting import tame
from amadeus.report.wording import metric_label, metric_value, sorted_metrics

DIGEST_CHARACTERS = 12
_KIND_WORDS = {
    "imitation": "learned",
    "tuning": "tuned",
    "feedback": "after feedback",
    "import": "imported",
    "found": "recorded afterwards",
}


class Standing(NamedTuple):
    """How a deu stands, here or in a studio.

    Attributes:
      deu: Its name.
      current: The generation that plays; 0: none.
      held: Those whose files are there.
      notice: What the ama should know of the voice that plays; empty: nothing.
    """

    deu: str
    current: int
    held: frozenset[int]
    notice: str = ""


class Row(NamedTuple):
    """A generation in its place in the tree.

    Attributes:
      record: The generation.
      lead: What is drawn before it.
    """

    record: GenerationRecord
    lead: str


def standing_of(deu: Deu) -> Standing:
    """Looks which generations are there."""
    return Standing(
        deu.name,
        deu.current_generation(),
        frozenset(deu.generations()),
        deu.pointer_notice(),
    )


def children_of(
    records: Sequence[GenerationRecord],
) -> dict[int, list[GenerationRecord]]:
    """Groups generations by their parent, oldest first; those without one under 0."""
    known = {record.generation for record in records}
    children: dict[int, list[GenerationRecord]] = {}
    for record in records:
        parent = record.parent_generation
        # A parent of a higher number belonged to another time of this deu: no circles.
        is_here = parent in known and parent is not None and parent < record.generation
        children.setdefault(parent if is_here and parent else 0, []).append(record)
    return children


def ancestors_of(records: Sequence[GenerationRecord], generation: int) -> list[int]:
    """Names a generation, its parent and so on."""
    parents = {r.generation: r.parent_generation for r in records}
    chain: list[int] = []
    number: int | None = generation
    while number in parents and number not in chain[-1:]:
        if chain and number is not None and number >= chain[-1]:
            break
        chain.append(number or 0)
        number = parents[number]
    return chain


def lay_out(records: Sequence[GenerationRecord]) -> list[Row]:
    """Puts generations in the order they are drawn, without recursion: a lineage may be deep."""
    children = children_of(records)
    rows: list[Row] = []
    # each entry: a generation, what is drawn before its branches, what is drawn before itself
    waiting = [(root, "", "") for root in reversed(children.get(0, []))]
    while waiting:
        record, rail, lead = waiting.pop()
        rows.append(Row(record, lead))
        below = children.get(record.generation, [])
        if not below:
            continue
        *branches, last = below
        waiting.append((last, rail, rail))
        for branch in reversed(branches):
            waiting.append((branch, f"{rail}│ ", f"{rail}├─"))
    return rows


def render_tree(standing: Standing, records: Sequence[GenerationRecord]) -> str:
    """Draws the tree of a deu, a generation a line."""
    if not records:
        return (
            f"{standing.deu} has no lineage yet: no practice of it has pushed a voice."
        )
    noun = "generation" if len(records) == 1 else "generations"
    lines = [f"{standing.deu}: {len(records)} {noun}"]
    rows = lay_out(records)
    width = max(len(row.lead) + len(str(row.record.generation)) for row in rows)
    lines += [_line(row, standing, width) for row in rows]
    if standing.notice:
        lines += ["", standing.notice]
    unrecorded = standing.held - {record.generation for record in records}
    if unrecorded:
        named = ", ".join(map(str, sorted(unrecorded)))
        lines += [
            "",
            f"there, but not recorded yet: {named}; the next practice or import of {standing.deu} does it",
        ]
    return "\n".join(lines)


def _line(row: Row, standing: Standing, width: int) -> str:
    record = row.record
    mark = "●" if record.generation == standing.current else "○"
    name = f"{row.lead}{mark} {record.generation}"
    return f"{name:<{width + 2}}  {'  '.join(_words(record, standing))}"


def _words(record: GenerationRecord, standing: Standing) -> Iterator[str]:
    yield short(record.digest)
    yield moment(record.created_ms)
    yield _KIND_WORDS[record.kind]
    if record.n_elsewhere:
        noun = "ancestor" if record.n_elsewhere == 1 else "ancestors"
        yield f"{record.n_elsewhere} {noun} elsewhere"
    metrics = sorted_metrics(record.metrics)
    if metrics:
        name = metrics[0]
        yield f"{metric_label(name)} {metric_value(name, record.metrics[name])}"
    if record.generation == standing.current:
        yield "(plays now)"
    elif record.generation not in standing.held:
        yield "(files gone)"


def render_json(standing: Standing, records: Sequence[GenerationRecord]) -> str:
    """Writes the lineage as JSON: an object for the deu, one for each generation."""
    rows = [describe(record, standing) for record in records]
    document = {"deu": standing.deu, "current": standing.current, "generations": rows}
    return json.dumps(document, indent=1, ensure_ascii=False)


def describe(record: GenerationRecord, standing: Standing) -> dict[str, Any]:
    """Makes plain JSON of a generation."""
    return {
        "generation": record.generation,
        "digest": record.digest,
        "parent_generation": record.parent_generation,
        "parent_digest": record.parent_digest,
        "kind": record.kind,
        "practice": record.practice,
        "created_ms": record.created_ms,
        "plays": record.generation == standing.current,
        "held": record.generation in standing.held,
        "path": str(record.voice_path),
        "metrics": record.metrics,
        "recordings": [
            {
                "name": take.name,
                "digest": take.digest,
                "splits": list(take.splits),
                "duration_s": take.duration_s,
            }
            for take in record.takes
        ],
        "recording_count": max(record.n_takes, len(record.takes)),
        "skipped": record.skipped,
    }


def render_dot(standing: Standing, records: Sequence[GenerationRecord]) -> str:
    """Writes the tree for Graphviz."""
    lines = [
        f"digraph {_quote(standing.deu)} {{",
        "  rankdir=LR; node [shape=box, style=rounded];",
    ]
    for record in records:
        label = (
            f"{record.generation}\\n{short(record.digest)}\\n{_KIND_WORDS[record.kind]}"
        )
        style = "dashed" if record.generation not in standing.held else "rounded"
        if record.generation == standing.current:
            style = "bold"
        lines.append(f'  g{record.generation} [label="{tame(label)}", style={style}];')
    for parent, children in children_of(records).items():
        lines += [f"  g{parent} -> g{c.generation};" for c in children if parent]
    return "\n".join([*lines, "}"])


def short(digest: str) -> str:
    """Shortens a digest to what tells it from others."""
    return tame(digest.removeprefix("sha256:")[:DIGEST_CHARACTERS])


def moment(milliseconds: int) -> str:
    """Says a time to the minute, in UTC."""
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(milliseconds / 1000))


def _quote(text: str) -> str:
    return json.dumps(text)
