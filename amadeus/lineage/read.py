"""The lineage of a deu as records: its generations, what each learned from, and how.

A generation is a Personality artifact. The way back from it leads from artifact to the execution
that put it out, and from there to that execution's inputs; it ends at the parent, which is a
generation of its own.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import ml_metadata
from ml_metadata.proto import metadata_store_pb2

from amadeus.home import Deu, Home
from amadeus.lineage.store import (
    IMPORTED_PROPERTY,
    METRIC_PREFIX,
    Mode,
    find_personalities,
    open_store,
)

_RUN_CONTEXT = "pipeline_run"
_NODE_CONTEXT = "node"
_Artifact = metadata_store_pb2.Artifact
_Event = metadata_store_pb2.Event
_Execution = metadata_store_pb2.Execution


@dataclass(frozen=True, kw_only=True)
class TakeRecord:
    """A recording that a generation learned from.

    Attributes:
      name: File name.
      digest: SHA-256 of its bytes, hexadecimal.
      splits: `train`, `eval`, or both for a lone take.
    """

    name: str
    digest: str
    splits: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ExecutionRecord:
    """One step of the practice behind a generation.

    Attributes:
      component: Name of the step, such as `Trainer`.
      state: `complete`, `cached`, `failed`, `canceled` or `running`.
      started_ms: Start, in milliseconds since 1970.
      duration_s: Time it took, in seconds.
    """

    component: str
    state: str
    started_ms: int
    duration_s: float

    @property
    def cached(self) -> bool:
        """Whether its result came from the cache."""
        return self.state == "cached"


@dataclass(frozen=True, kw_only=True)
class GenerationRecord:
    """A generation and where it came from.

    Attributes:
      generation: Its number, from 1.
      digest: Digest of the personality.
      parent_digest: Digest of the personality it grew from; empty for one that grew from nothing.
      parent_generation: Number of its parent by input event; None without one.
      practice: Name of the practice that made it.
      created_ms: When it was recorded, in milliseconds since 1970.
      voice_path: Where it was pushed to.
      metrics: Held-out metrics by name.
      takes: What it learned from.
      executions: The run that recorded it, in order.
      is_imported: Whether it was made elsewhere; then `created_ms` is when it came.
    """

    generation: int
    digest: str
    parent_digest: str
    parent_generation: int | None
    practice: str
    created_ms: int
    voice_path: Path
    metrics: dict[str, float] = field(default_factory=dict)
    takes: tuple[TakeRecord, ...] = ()
    executions: tuple[ExecutionRecord, ...] = ()
    is_imported: bool = False


def lineage_of(home: Home, deu: Deu) -> list[GenerationRecord]:
    """Reads the lineage of a deu, oldest generation first; none where nothing was recorded yet.

    Raises:
      HomeError: The metadata cannot be read.
    """
    store = open_store(home, mode=Mode.READONLY)
    if store is None:
        return []
    generations = _choose(find_personalities(store, deu))
    return [_record(store, artifact) for _, artifact in sorted(generations.items())]


def _choose(personalities: list[_Artifact]) -> dict[int, _Artifact]:
    """Takes of each generation the personality that has it now, as it was first recorded."""
    digests = {_generation(p): _digest(p) for p in personalities}  # the last one wins
    first = {(_generation(p), _digest(p)): p for p in reversed(personalities)}
    return {number: first[number, digest] for number, digest in digests.items()}


def _record(
    store: ml_metadata.MetadataStore, personality: _Artifact
) -> GenerationRecord:
    properties = personality.custom_properties
    ancestors = list(_ancestors(store, personality))
    kind = personality.type_id
    parents = [artifact for artifact in ancestors if artifact.type_id == kind]
    return GenerationRecord(
        generation=_generation(personality),
        digest=_digest(personality),
        parent_digest=properties["parent_digest"].string_value,
        parent_generation=_generation(parents[0]) if parents else None,
        practice=properties["practice"].string_value,
        created_ms=personality.create_time_since_epoch,
        voice_path=Path(personality.uri),
        metrics={
            name.removeprefix(METRIC_PREFIX): value.double_value
            for name, value in sorted(properties.items())
            if name.startswith(METRIC_PREFIX)
        },
        takes=_takes(ancestors),
        executions=tuple(_executions(store, personality)),
        is_imported=bool(properties[IMPORTED_PROPERTY].int_value),
    )


def _generation(personality: _Artifact) -> int:
    return personality.custom_properties["generation"].int_value


def _digest(personality: _Artifact) -> str:
    return personality.custom_properties["digest"].string_value


def _ancestors(
    store: ml_metadata.MetadataStore, artifact: _Artifact
) -> Iterator[_Artifact]:
    """Yields what an artifact was made of, nearest first, not looking behind a parent."""
    seen = {artifact.id}
    waiting = [artifact]
    while waiting:
        inputs = _inputs(store, [a.id for a in waiting])
        found = [a for a in store.get_artifacts_by_id(inputs) if a.id not in seen]
        seen |= {a.id for a in found}
        yield from found
        waiting = [a for a in found if a.type_id != artifact.type_id]


def _inputs(store: ml_metadata.MetadataStore, artifact_ids: Iterable[int]) -> list[int]:
    makers = {
        maker
        for artifact_id in artifact_ids
        if (maker := _maker(store, artifact_id)) is not None
    }
    events = store.get_events_by_execution_ids(sorted(makers)) if makers else []
    return sorted({e.artifact_id for e in events if e.type == _Event.INPUT})


def _maker(store: ml_metadata.MetadataStore, artifact_id: int) -> int | None:
    """Finds the execution that made an artifact: the first that put it out, before any cache did."""
    events = store.get_events_by_artifact_ids([artifact_id])
    makers = [e.execution_id for e in events if e.type == _Event.OUTPUT]
    return min(makers, default=None)


def _takes(ancestors: list[_Artifact]) -> tuple[TakeRecord, ...]:
    for artifact in ancestors:
        if "takes" in artifact.custom_properties:
            rows = json.loads(artifact.custom_properties["takes"].string_value)
            return tuple(
                TakeRecord(
                    name=row["name"], digest=row["digest"], splits=tuple(row["splits"])
                )
                for row in rows
            )
    return ()


def _executions(
    store: ml_metadata.MetadataStore, personality: _Artifact
) -> Iterator[ExecutionRecord]:
    maker = _maker(store, personality.id)
    if maker is None:
        return
    for run in store.get_contexts_by_execution(maker):
        if run.type == _RUN_CONTEXT:
            executions = store.get_executions_by_context(run.id)
            for execution in sorted(executions, key=lambda e: e.id):
                yield _execution(store, execution)


def _execution(
    store: ml_metadata.MetadataStore, execution: _Execution
) -> ExecutionRecord:
    started_ms = execution.create_time_since_epoch
    state = _Execution.State.Name(execution.last_known_state).lower()
    return ExecutionRecord(
        component=_node_name(store, execution),
        state=state,
        started_ms=started_ms,
        duration_s=(execution.last_update_time_since_epoch - started_ms) / 1000,
    )


def _node_name(store: ml_metadata.MetadataStore, execution: _Execution) -> str:
    for context in store.get_contexts_by_execution(execution.id):
        if context.type == _NODE_CONTEXT:
            return context.name.rpartition(".")[2]
    return execution.type.rpartition(".")[2]
