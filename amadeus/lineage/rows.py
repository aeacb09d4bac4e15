"""Generations as rows: what ML Metadata says of each, before it is known which of them count.

A row is small and plain, so that thousands can be kept in a file; see `index.py`.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

from ml_metadata.proto import metadata_store_pb2

from amadeus.lineage.records import GenerationRecord, Kind
from amadeus.lineage.store import IMPORTED_PROPERTY, METRIC_PREFIX
from amadeus.lineage.times import created_ms

_BIRTH = ("born_deu", "born_generation", "born_kind", "born_ms", "n_older")


class Links(NamedTuple):
    """What events say of personalities: the execution that made each, and its parent."""

    makers: dict[int, int]
    parents: dict[int, int]


class Row(NamedTuple):
    """A personality as it was recorded.

    Attributes:
      artifact_id: In ML Metadata.
      generation: Its number; 0 for an ancestor elsewhere.
      digest: Of the personality.
      parent_digest: Of whom it grew from; empty: from nothing.
      practice: That made it.
      created_ms: When it was recorded.
      uri: Where it was pushed to.
      kind: What made it.
      metrics: Held-out metrics by name.
      parent_id: Artifact of its parent; 0: none.
      is_made: Whether the execution that made it is known.
      is_repaired: Whether it was recorded afterwards.
      is_imported: Whether it was made elsewhere.
      birth: Who it was there, as fields of `GenerationRecord`.
    """

    artifact_id: int
    generation: int
    digest: str
    parent_digest: str
    practice: str
    created_ms: int
    uri: str
    kind: Kind
    metrics: dict[str, float]
    parent_id: int
    is_made: bool
    is_repaired: bool
    is_imported: bool
    birth: dict[str, Any]


def make_rows(
    personalities: Iterable[metadata_store_pb2.Artifact],
    links: Links,
    kinds: Mapping[int, Kind],
) -> list[Row]:
    """Makes rows of artifacts.

    Args:
      personalities: Of one deu, by id.
      links: Their makers and parents.
      kinds: What the executions were that made them; imitations where not named.
    """
    return [_make_row(artifact, links, kinds) for artifact in personalities]


def choose(rows: Sequence[Row]) -> dict[int, Row]:
    """Takes of each generation the personality that has it now, as it was first recorded.

    What was recorded afterwards, because its practice had been killed, gives way to what the practice records itself.
    """
    digests = {row.generation: row.digest for row in rows}  # the last one wins
    first: dict[tuple[int, str], Row] = {}
    for row in rows:
        known = first.get((row.generation, row.digest))
        if known is None or (known.is_repaired and not row.is_repaired):
            first[row.generation, row.digest] = row
    return {number: first[number, digest] for number, digest in digests.items()}


def to_record(row: Row, by_id: Mapping[int, Row]) -> GenerationRecord:
    """Makes a record of a row; `by_id` knows its ancestors."""
    parent = by_id.get(row.parent_id)
    return GenerationRecord(
        generation=row.generation,
        digest=row.digest,
        parent_digest=row.parent_digest,
        parent_generation=(parent.generation or None) if parent else None,
        practice=row.practice,
        created_ms=row.created_ms,
        voice_path=Path(row.uri),
        artifact_id=row.artifact_id,
        kind="import" if row.is_imported else row.kind,
        metrics=row.metrics,
        is_imported=row.is_imported,
        n_elsewhere=_count_elsewhere(row, by_id),
        **row.birth,
    )


def chain_of(row: Row, by_id: Mapping[int, Row]) -> list[Row]:
    """Lists a row, its parent, the parent of that, and so on."""
    chain, seen = [row], {row.artifact_id}
    while (parent := by_id.get(chain[-1].parent_id)) is not None:
        if parent.artifact_id in seen:  # no circles
            break
        seen.add(parent.artifact_id)
        chain.append(parent)
    return chain


def _make_row(
    artifact: metadata_store_pb2.Artifact,
    links: Links,
    kinds: Mapping[int, Kind],
) -> Row:
    values = {
        name: getattr(value, value.WhichOneof("value") or "string_value")
        for name, value in artifact.custom_properties.items()
    }
    maker = links.makers.get(artifact.id)
    told = values.get("kind")  # by a pipeline, which makes more than imitations
    return Row(
        artifact_id=artifact.id,
        generation=int(values.get("generation", 0)),
        digest=str(values.get("digest", "")),
        parent_digest=str(values.get("parent_digest", "")),
        practice=str(values.get("practice", "")),
        created_ms=created_ms(artifact),
        uri=artifact.uri,
        kind=told if told in get_args(Kind) else kinds.get(maker or 0, "imitation"),
        metrics={
            name.removeprefix(METRIC_PREFIX): float(value)
            for name, value in sorted(values.items())
            if name.startswith(METRIC_PREFIX)
        },
        parent_id=links.parents.get(artifact.id, 0),
        is_made=maker is not None,
        is_repaired="repaired" in values,
        is_imported=bool(values.get(IMPORTED_PROPERTY)),
        birth={name: _whole(values[name]) for name in _BIRTH if name in values},
    )


def _whole(value: Any) -> Any:
    """Reads a number that is whole and too large for a whole number of MySQL."""
    return int(value) if isinstance(value, float) else value


def _count_elsewhere(row: Row, by_id: Mapping[int, Row]) -> int:
    count, parent = 0, by_id.get(row.parent_id)
    while parent is not None and not parent.generation:
        count, parent = count + 1, by_id.get(parent.parent_id)
    return count
