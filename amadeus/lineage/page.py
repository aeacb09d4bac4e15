"""The lineage of a deu as one self-contained HTML page with sound; it needs no network and no script."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup

from amadeus import __version__
from amadeus.errors import AmadeusError
from amadeus.home import Deu, Home, write_atomically
from amadeus.lineage import sound
from amadeus.lineage.diff import Section, Side, compare, personality_of
from amadeus.lineage.read import detailed, generations_of
from amadeus.lineage.records import GenerationRecord
from amadeus.lineage.tree import (
    Standing,
    ancestors_of,
    children_of,
    lay_out,
    moment,
    short,
    standing_of,
)
from amadeus.report.chart import Axis, Curve, Frame, draw_chart, fit_axis
from amadeus.report.page import find_template
from amadeus.report.wording import (
    METRICS,
    duration,
    metric_label,
    metric_value,
    sorted_metrics,
)

TEMPLATE_NAME = "lineage.html"
MAX_SOUNDS = 100  # the newest; a second and 50 kB each
MAX_DETAILED = 100  # generations told one by one
MAX_ROWS = 1_000  # of the tree
MAX_CHARTS = 4
MAX_OTHERS = 12  # lines of other branches in a chart
_FORK = "├─"
_KIND_WORDS = {
    "imitation": "learned from recordings",
    "tuning": "tuned by its knobs",
    "feedback": "shaped by feedback",
    "import": "imported",
    "found": "recorded afterwards",
}


class Branch(NamedTuple):
    """A generation in the drawn tree.

    Attributes:
      number: Its generation.
      rails: What is drawn before it, from the left: `rail` or `fork`.
      up: Whether a line comes from above.
      down: Whether a line goes on below.
      words: What is said of it.
      audio: The phrase as a data URI; empty where it cannot be played.
      silence: Why there is none.
      plays: Whether it plays now.
    """

    number: int
    rails: list[str]
    up: bool
    down: bool
    words: list[str]
    audio: str
    silence: str
    plays: bool


class Portrait(NamedTuple):
    """A generation told in full.

    Attributes:
      record: The generation, with its takes.
      title: What made it, and when.
      parent: How its parent is called; empty: none.
      changes: What differs from its parent.
      metrics: Name and value of each.
      takes: Name and length of each recording, of many the first.
      n_takes: How many they are.
      skipped: What was given and could not be learned from.
    """

    record: GenerationRecord
    title: str
    parent: str
    changes: list[Section]
    metrics: list[tuple[str, str]]
    takes: list[tuple[str, str]]
    n_takes: int = 0
    skipped: str = ""


class Sounds(NamedTuple):
    """What can be heard.

    Attributes:
      phrase: The notes, in words.
      uris: Data URIs by generation.
      silences: Why others are silent, by generation.
    """

    phrase: str
    uris: dict[int, str]
    silences: dict[int, str]


def write_page(home: Home, deu: Deu, path: Path) -> str:
    """Writes the page; an existing file is replaced at once.

    Returns:
      What is in it, in a few words.

    Raises:
      HomeError: The metadata cannot be read.
    """
    records = generations_of(home, deu)
    standing = standing_of(deu)
    sounds = play_all(deu, records, standing)
    told = [
        Side(detailed(home, record), personality_of(deu, record.generation))
        for record in records[-MAX_DETAILED:]
    ]
    write_atomically(path, render_page(standing, records, told, sounds))
    noun = "generation" if len(records) == 1 else "generations"
    return f"{len(records)} {noun}, {len(sounds.uris)} of them with sound"


def play_all(
    deu: Deu, records: Sequence[GenerationRecord], standing: Standing
) -> Sounds:
    """Has every generation that is there play the same phrase; equal personalities play once."""
    current = personality_of(deu, standing.current) if standing.current else None
    if current is None:
        return Sounds("", {}, {})
    phrase = sound.choose_phrase(current.statistics)
    by_digest: dict[str, str] = {}
    uris: dict[int, str] = {}
    silences: dict[int, str] = {}
    for record in reversed(records):
        number = record.generation
        if number not in standing.held:
            silences[number] = "its files are gone"
        elif record.digest not in by_digest and len(by_digest) >= MAX_SOUNDS:
            silences[number] = f"only the newest {MAX_SOUNDS} play here"
        else:
            try:
                if record.digest not in by_digest:
                    path = deu.voice_path(number)
                    by_digest[record.digest] = sound.render_phrase(path, phrase)
                uris[number] = by_digest[record.digest]
            except AmadeusError:
                silences[number] = "it is damaged and does not play"
    return Sounds(sound.say_phrase(phrase), uris, silences)


def render_page(
    standing: Standing,
    records: Sequence[GenerationRecord],
    told: Sequence[Side],
    sounds: Sounds,
) -> str:
    """Renders the page as HTML.

    Args:
      standing: How the deu stands.
      records: All its generations, oldest first.
      told: The newest of them in detail, at most `MAX_DETAILED`.
      sounds: What can be heard of them.
    """
    branches = _branches(records, standing, sounds)
    return find_template(TEMPLATE_NAME).render(
        deu=standing.deu,
        version=__version__,
        facts=_facts(records, standing),
        notice=standing.notice,
        phrase=sounds.phrase,
        branches=branches[-MAX_ROWS:],
        n_branches_left_out=max(0, len(branches) - MAX_ROWS),
        charts=_charts(records, standing),
        portraits=_portraits(told),
        n_left_out=max(0, len(records) - len(told)),
        current=standing.current,
    )


def _facts(
    records: Sequence[GenerationRecord], standing: Standing
) -> list[tuple[str, str]]:
    if not records:
        return []
    parents = {record.parent_generation for record in records}
    n_tips = sum(record.generation not in parents for record in records)
    return [
        ("plays now", f"generation {standing.current}"),
        ("generations", str(len(records))),
        ("branches", str(n_tips)),
        ("with their files", str(sum(r.generation in standing.held for r in records))),
        ("since", moment(records[0].created_ms)[:10]),
    ]


def _branches(
    records: Sequence[GenerationRecord], standing: Standing, sounds: Sounds
) -> list[Branch]:
    children = children_of(records)
    roots = {record.generation for record in children.get(0, [])}
    made = []
    for record, lead in lay_out(records):
        number = record.generation
        units = [lead[i : i + 2] for i in range(0, len(lead), 2)]
        made.append(
            Branch(
                number=number,
                rails=["fork" if unit == _FORK else "rail" for unit in units],
                up=number not in roots and not lead.endswith(_FORK),
                down=number in children,
                words=_words(record),
                audio=sounds.uris.get(number, ""),
                silence=sounds.silences.get(number, ""),
                plays=number == standing.current,
            )
        )
    return made


def _words(record: GenerationRecord) -> list[str]:
    words = [_KIND_WORDS[record.kind], moment(record.created_ms)]
    if record.n_elsewhere:
        noun = "ancestor" if record.n_elsewhere == 1 else "ancestors"
        words.append(f"{record.n_elsewhere} {noun} elsewhere")
    metrics = sorted_metrics(record.metrics)
    if metrics:
        value = metric_value(metrics[0], record.metrics[metrics[0]])
        words.append(f"{metric_label(metrics[0])} {value}")
    return words


def _charts(
    records: Sequence[GenerationRecord], standing: Standing
) -> list[tuple[str, str, Markup]]:
    """Draws each metric along the line that led to what plays, other branches behind it."""
    by_number = {record.generation: record for record in records}
    parents = {record.parent_generation for record in records}
    tips = [r.generation for r in records if r.generation not in parents]
    lines = [ancestors_of(records, tip) for tip in tips[-MAX_OTHERS:]]
    own = ancestors_of(records, standing.current)
    names = [
        name
        for name in sorted_metrics(
            {n: v for record in records for n, v in record.metrics.items()}
        )
        if name in METRICS
    ]
    charts = []
    for name in names[:MAX_CHARTS]:
        others = [line for line in lines if line != own]
        curves = [_curve(line, by_number, name, "reference") for line in others]
        curves.append(_curve(own, by_number, name, "result"))
        curves = [curve for curve in curves if len(curve.x) > 1]
        values = np.concatenate([np.zeros(0), *(curve.y for curve in curves)])
        if curves and np.ptp(values) > 0:  # what never changes makes no picture
            unit = METRICS[name].unit
            chart = draw_chart(
                curves,
                x_axis=_generation_axis(records),
                y_axis=fit_axis(unit or metric_label(name), values),
                description=f"{metric_label(name)} by generation.",
                frame=Frame(height=220),
            )
            charts.append((metric_label(name), METRICS[name].meaning, chart))
    return charts


def _curve(
    line: Sequence[int],
    by_number: dict[int, GenerationRecord],
    name: str,
    style: Any,
) -> Curve:
    known = [n for n in reversed(line) if n in by_number]
    told = [n for n in known if name in by_number[n].metrics]
    x = np.array(told, dtype=float)
    y = np.array([by_number[n].metrics[name] for n in told])
    scale = 100 if METRICS[name].unit == "%" else 1
    return Curve(f"to generation {line[0] if line else ''}", x, scale * y, style)


def _generation_axis(records: Sequence[GenerationRecord]) -> Axis:
    low, high = records[0].generation, records[-1].generation
    step = max(1, -(-(high - low) // 10))
    ticks = [(float(n), str(n)) for n in range(low, high + 1, step)]
    return Axis("generation", float(low), float(max(high, low + 1)), ticks)


def _portraits(told: Sequence[Side]) -> list[Portrait]:
    by_number = {side.record.generation: side for side in told}
    made = []
    for side in reversed(told):
        record = side.record
        parent = by_number.get(record.parent_generation or 0)
        made.append(
            Portrait(
                record=record,
                title=f"{_KIND_WORDS[record.kind]}, {moment(record.created_ms)} UTC",
                parent=_say_parent(record),
                changes=_changes(parent, side) if parent is not None else [],
                metrics=[
                    (metric_label(name), metric_value(name, record.metrics[name]))
                    for name in sorted_metrics(record.metrics)
                ],
                takes=[
                    (t.name, "" if t.duration_s is None else duration(t.duration_s))
                    for t in record.takes
                ],
                n_takes=max(record.n_takes, len(record.takes)),
                skipped=record.skipped,
            )
        )
    return made


def _changes(before: Side, after: Side) -> list[Section]:
    sections = compare(before, after)
    # The metrics stand in a table of their own.
    return [s for s in sections if s.rows and s.title != "statistics"]


def _say_parent(record: GenerationRecord) -> str:
    if record.parent_generation:
        return f"generation {record.parent_generation}"
    if record.parent_digest:
        return f"{short(record.parent_digest)}, which is not held here"
    return ""
