"""Lineage records as messages, and back: what studios and their clients both speak."""

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from amadeus.lineage.diff import Change, Section
from amadeus.lineage.records import (
    ExecutionRecord,
    GenerationRecord,
    Kind,
    TakeRecord,
)
from amadeus.lineage.tree import Standing
from amadeus.v1 import lineage_pb2

_KINDS: dict[Kind, Any] = {
    "imitation": lineage_pb2.Generation.KIND_IMITATION,
    "tuning": lineage_pb2.Generation.KIND_TUNING,
    "feedback": lineage_pb2.Generation.KIND_FEEDBACK,
    "import": lineage_pb2.Generation.KIND_IMPORT,
    "found": lineage_pb2.Generation.KIND_FOUND,
}
_WORDS = {number: word for word, number in _KINDS.items()}


def write_generation(
    record: GenerationRecord, standing: Standing
) -> lineage_pb2.Generation:
    """Writes a generation as a message."""
    number = record.generation
    generation = lineage_pb2.Generation(
        generation=number,
        digest=record.digest,
        parent_digest=record.parent_digest,
        parent_generation=record.parent_generation or 0,
        kind=_KINDS[record.kind],
        practice=record.practice,
        create_time=write_time(record.created_ms),
        metrics=record.metrics,
        plays=bool(number) and number == standing.current,
        held=number in standing.held,
        elsewhere_count=record.n_elsewhere,
    )
    if record.is_imported:
        generation.birth.deu = record.born_deu
        generation.birth.generation = record.born_generation
        generation.birth.kind = record.born_kind
        if record.born_ms:
            generation.birth.create_time = write_time(record.born_ms)
        generation.birth.SetInParent()
    return generation


def read_generation(message: lineage_pb2.Generation) -> GenerationRecord:
    """Reads a generation of a studio; where it lies there is not told."""
    birth = message.birth
    return GenerationRecord(
        generation=message.generation,
        digest=message.digest,
        parent_digest=message.parent_digest,
        parent_generation=message.parent_generation or None,
        practice=message.practice,
        created_ms=read_time(message.create_time),
        voice_path=Path(),
        kind=_WORDS.get(message.kind, "imitation"),
        metrics=dict(sorted(message.metrics.items())),
        is_imported=message.HasField("birth"),
        born_deu=birth.deu,
        born_generation=birth.generation,
        born_kind=birth.kind,
        born_ms=read_time(birth.create_time),
        n_elsewhere=message.elsewhere_count,
    )


def write_take(take: TakeRecord) -> lineage_pb2.LearnedRecording:
    """Writes a recording as a message."""
    return lineage_pb2.LearnedRecording(
        name=take.name,
        sha256=take.digest,
        splits=take.splits,
        duration_s=take.duration_s,
    )


def read_take(message: lineage_pb2.LearnedRecording) -> TakeRecord:
    """Reads a recording."""
    duration_s = message.duration_s if message.HasField("duration_s") else None
    return TakeRecord(
        name=message.name,
        digest=message.sha256,
        splits=tuple(message.splits),
        duration_s=duration_s,
    )


def write_execution(execution: ExecutionRecord) -> lineage_pb2.LineageExecution:
    """Writes a step as a message."""
    return lineage_pb2.LineageExecution(
        component=execution.component,
        state=execution.state,
        start_time=write_time(execution.started_ms),
        duration_s=execution.duration_s,
    )


def read_execution(message: lineage_pb2.LineageExecution) -> ExecutionRecord:
    """Reads a step."""
    return ExecutionRecord(
        component=message.component,
        state=message.state,
        started_ms=read_time(message.start_time),
        duration_s=message.duration_s,
    )


def write_sections(
    sections: Sequence[Section],
) -> list[lineage_pb2.DiffGenerationsResponse.Section]:
    """Writes differences as messages, those that are none left out."""
    response = lineage_pb2.DiffGenerationsResponse
    return [
        response.Section(
            title=section.title,
            changes=[response.Change(**row._asdict()) for row in section.rows],
        )
        for section in sections
        if section.rows
    ]


def read_sections(
    messages: Sequence[lineage_pb2.DiffGenerationsResponse.Section],
) -> list[Section]:
    """Reads differences."""
    return [
        Section(
            message.title,
            [Change(c.name, c.before, c.after) for c in message.changes],
        )
        for message in messages
    ]


def write_time(milliseconds: int) -> str:
    """Writes a moment, in milliseconds since 1970, as ISO 8601 in UTC."""
    moment = datetime.datetime.fromtimestamp(milliseconds // 1000, datetime.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03}Z"


def read_time(text: str) -> int:
    """Reads a moment as milliseconds since 1970; 0 where there is none to read."""
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        return 0
    return round(moment.timestamp() * 1000)
