"""What two generations do not share: profiles, metrics, statistics and recordings."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from google.protobuf import json_format

from amadeus.errors import VoiceError
from amadeus.home import Deu
from amadeus.lineage.records import GenerationRecord, TakeRecord
from amadeus.personality import content
from amadeus.personality.quoting import tame
from amadeus.report.tables import note_rows, statistics_rows
from amadeus.report.wording import (
    Setting,
    metric_label,
    metric_value,
    player_settings,
    settings,
    sorted_metrics,
)
from amadeus.v1 import personality_pb2


class Change(NamedTuple):
    """Something that differs: its name, how it was, how it is."""

    name: str
    before: str
    after: str


class Section(NamedTuple):
    """What differs in one respect; no rows: nothing."""

    title: str
    rows: list[Change]


class Side(NamedTuple):
    """A generation as far as it is known.

    Attributes:
      record: From the lineage.
      personality: From its files, or what was kept of them; None where neither is.
    """

    record: GenerationRecord
    personality: personality_pb2.Personality | None


def personality_of(deu: Deu, generation: int) -> personality_pb2.Personality | None:
    """Reads who a generation is, or was if it has been pruned; None where nothing tells."""
    try:
        return content.read_personality(deu.voices_path / str(generation))
    except VoiceError:
        pass
    try:
        text = (deu.pruned_path / f"{generation}.json").read_text()
        return json_format.Parse(
            text, personality_pb2.Personality(), ignore_unknown_fields=True
        )
    except (OSError, ValueError, json_format.ParseError):
        return None


def compare(before: Side, after: Side) -> list[Section]:
    """Lists what differs between two generations."""
    sections = []
    old, new = before.personality, after.personality
    if old is not None and new is not None:
        sections = [
            Section(
                "player profile",
                _changed(
                    player_settings(old.player_profile),
                    player_settings(new.player_profile),
                ),
            ),
            Section(
                "learner profile",
                _changed(settings(old.learner_profile), settings(new.learner_profile)),
            ),
        ]
    sections.append(
        Section("metrics", _metrics(before.record.metrics, after.record.metrics))
    )
    if old is not None and new is not None:
        rows = _statistics(old.statistics, new.statistics)
        sections.append(Section("statistics", rows))
    takes = list(_takes(before.record.takes, after.record.takes))
    return [*sections, Section("recordings", takes)]


def render_diff(deu_name: str, before: Side, after: Side) -> str:
    """Words the differences."""
    bare = [side.record for side in (before, after) if side.personality is None]
    sections = compare(before, after)
    return render_sections(deu_name, before.record, after.record, sections, bare)


def render_sections(
    deu_name: str,
    before: GenerationRecord,
    after: GenerationRecord,
    sections: Sequence[Section],
    bare: Sequence[GenerationRecord] = (),
) -> str:
    """Words differences that were found.

    Args:
      deu_name: Whose generations they are.
      before: How it was.
      after: How it is.
      sections: What differs.
      bare: Those of which neither files nor profiles are left.
    """
    pair = (before.generation, after.generation)
    lines = [f"{deu_name}: generation {pair[0]} against generation {pair[1]}"]
    if before.digest == after.digest:
        lines.append("  both are the same personality: equal digests")
    sections = [section for section in sections if section.rows]
    for section in sections:
        lines.append(f"  {section.title}")
        width = max(len(row.name) for row in section.rows)
        for row in section.rows:
            arrow = f"{row.before or '-'} -> {row.after or '-'}"
            lines.append(f"    {row.name:<{width}}  {arrow}")
    if not sections:
        lines.append("  nothing that is recorded differs")
    lines += [
        f"  of generation {record.generation} neither files nor profiles are left: only what the lineage keeps was "
        "compared"
        for record in bare
    ]
    return "\n".join(lines)


def _changed(before: Sequence[Setting], after: Sequence[Setting]) -> list[Change]:
    return [
        Change(old.name, _with_unit(old), _with_unit(new))
        for old, new in zip(before, after, strict=True)
        if old.value != new.value
    ]


def _with_unit(setting: Setting) -> str:
    return f"{setting.value} {setting.unit}".strip()


def _metrics(before: dict[str, float], after: dict[str, float]) -> list[Change]:
    both = {**before, **after}
    return [
        Change(
            tame(metric_label(name)),
            metric_value(name, before.get(name)),
            metric_value(name, after.get(name)),
        )
        for name in sorted_metrics(both)
        if before.get(name) != after.get(name)
    ]


def _statistics(
    before: personality_pb2.Statistics, after: personality_pb2.Statistics
) -> list[Change]:
    old = dict([*statistics_rows(before), *note_rows(before)])
    new = dict([*statistics_rows(after), *note_rows(after)])
    names = list(dict.fromkeys([*old, *new]))
    return [
        Change(name, old.get(name, ""), new.get(name, ""))
        for name in names
        if old.get(name) != new.get(name)
    ]


def _takes(
    before: Sequence[TakeRecord], after: Sequence[TakeRecord]
) -> Iterator[Change]:
    old = {take.digest: take for take in before}
    new = {take.digest: take for take in after}
    for digest, take in old.items():
        if digest not in new:
            yield Change(tame(take.name), "heard", "not heard")
    for digest, take in new.items():
        known = old.get(digest)
        if known is None:
            yield Change(tame(take.name), "not heard", "heard")
        elif known.splits != take.splits:
            yield Change(
                tame(take.name), " and ".join(known.splits), " and ".join(take.splits)
            )
