"""The lineage of a deu as records: its generations, what each learned from, and how.

A generation is a Personality artifact. The way back from it leads from artifact to the execution
that put it out, and from there to that execution's inputs; it ends at the parent, which is a
generation of its own. Many artifacts are read by few calls, whatever their number.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import ml_metadata
from ml_metadata.errors import NotFoundError
from ml_metadata.proto import metadata_store_pb2

from amadeus.errors import NotHeldError
from amadeus.home import Deu, Home
from amadeus.lineage.records import (
    ExecutionRecord,
    GenerationRecord,
    Kind,
    TakeRecord,
)
from amadeus.lineage.store import (
    IMPORTED_PROPERTY,
    METRIC_PREFIX,
    PERSONALITY_TYPE,
    Mode,
    find_personalities,
    open_store,
    own_artifacts,
    worded,
)

PARENT_KEY = "parent"  # of input events that name one; events of old have none

_KINDS: Mapping[str, Kind] = {
    "amadeus.Import": "import",
    "amadeus.Tuning": "tuning",
    "amadeus.Feedback": "feedback",
    "amadeus.Repair": "found",
}
_RUN_CONTEXT = "pipeline_run"
_NODE_CONTEXT = "node"
_MAX_NAMED = 12
_Artifact = metadata_store_pb2.Artifact
_Event = metadata_store_pb2.Event
_Execution = metadata_store_pb2.Execution
_Store = ml_metadata.MetadataStore


def generations_of(home: Home, deu: Deu) -> list[GenerationRecord]:
    """Reads all generations of a deu, oldest first, without takes and executions: three calls for any number.

    Raises:
      HomeError: The metadata cannot be read.
    """
    store = open_store(home, mode=Mode.READONLY)
    if store is None:
        return []
    with worded(home):
        personalities = find_personalities(store, deu)
        chosen = _choose(personalities)
        links = _links(store, personalities)
        kinds = _kinds(store)
        numbers = {p.id: _generation(p) for p in personalities}
        chosen.pop(0, None)  # ancestors elsewhere
        return [
            _record(artifact, links, kinds, numbers)
            for _, artifact in sorted(chosen.items())
        ]


def lineage_of(home: Home, deu: Deu) -> list[GenerationRecord]:
    """Reads the lineage of a deu with all takes and executions, oldest generation first.

    Raises:
      HomeError: The metadata cannot be read.
    """
    records = generations_of(home, deu)
    return [detailed(home, record) for record in records]


def detailed(home: Home, record: GenerationRecord) -> GenerationRecord:
    """Reads the takes and executions behind a generation, too.

    Raises:
      HomeError: The metadata cannot be read.
    """
    store = open_store(home, mode=Mode.READONLY)
    if store is None:
        return record
    with worded(home):
        found = store.get_artifacts_by_id([record.artifact_id])
        if not found:
            return record
        takes = _takes(_ancestors(store, found[0])) or _takes(found)
        executions = tuple(_executions(store, record.artifact_id))
    fields = {**vars(record), "takes": takes, "executions": executions}
    return GenerationRecord(**fields)


def record_of(home: Home, deu: Deu, generation: int) -> GenerationRecord:
    """Reads one generation, without reading the others.

    Raises:
      NotHeldError: There is no such generation.
      HomeError: The metadata cannot be read.
    """
    return ancestry_of(home, deu, generation, depth=1)[0]


def ancestry_of(
    home: Home, deu: Deu, generation: int, *, depth: int | None = None
) -> list[GenerationRecord]:
    """Reads a generation, its parent and so on, down to the one that grew from nothing.

    Args:
      home: The home.
      deu: Whose generation.
      generation: Its number.
      depth: How many to read at most; None reads all.

    Raises:
      NotHeldError: There is no such generation.
      HomeError: The metadata cannot be read.
    """
    store = open_store(home, mode=Mode.READONLY)
    if store is None:
        raise NotHeldError(_unknown(deu, generation, []))
    with worded(home):
        first = _find(store, deu, generation)
        links, chain = _Links({}, {}), [first.id]
        # one more than asked for, to name the last one's parent
        while depth is None or len(chain) <= depth:
            parent = _parent(store, chain[-1], first.type_id, links)
            if parent is None or parent in links.makers:  # no circles
                break
            chain.append(parent)
        by_id = {a.id: a for a in store.get_artifacts_by_id(chain)}
        artifacts = [by_id[number] for number in chain if number in by_id]
        kinds = _kinds_of(store, links)
        numbers = {a.id: _generation(a) for a in artifacts}
        return [_record(a, links, kinds, numbers) for a in artifacts[:depth]]


class _Links(NamedTuple):
    """What events say of personalities: the execution that made each, and its parent."""

    makers: dict[int, int]
    parents: dict[int, int]


def _links(store: _Store, personalities: list[_Artifact]) -> _Links:
    """Finds makers and parents by one call: a parent is an input, so its own events name its children."""
    ids = [p.id for p in personalities]
    events = store.get_events_by_artifact_ids(ids) if ids else []
    makers = _makers(events)
    inputs: dict[int, int] = {}
    for event in events:
        if event.type == _Event.INPUT:
            inputs.setdefault(event.execution_id, event.artifact_id)
    parents = {
        artifact: inputs[maker]
        for artifact, maker in makers.items()
        if inputs.get(maker, artifact) != artifact
    }
    return _Links(makers, parents)


def _makers(events: Iterable[_Event]) -> dict[int, int]:
    """Finds the execution that made each artifact: the first that put it out, before any cache did."""
    makers: dict[int, int] = {}
    for event in events:
        if event.type == _Event.OUTPUT:
            known = makers.get(event.artifact_id, event.execution_id)
            makers[event.artifact_id] = min(known, event.execution_id)
    return makers


def _parent(store: _Store, artifact_id: int, type_id: int, links: _Links) -> int | None:
    """Finds the parent of one personality by two calls."""
    makers = _makers(store.get_events_by_artifact_ids([artifact_id]))
    if artifact_id not in makers:
        return None
    links.makers.update(makers)
    events = store.get_events_by_execution_ids([makers[artifact_id]])
    inputs = [e for e in events if e.type == _Event.INPUT]
    named = [e.artifact_id for e in inputs if _key(e) == PARENT_KEY]
    if not named:
        unnamed = [e.artifact_id for e in inputs if not _key(e)]
        found = store.get_artifacts_by_id(unnamed) if unnamed else []
        named = [a.id for a in found if a.type_id == type_id]
    parent = next((number for number in named if number != artifact_id), None)
    if parent is not None:
        links.parents[artifact_id] = parent
    return parent


def _key(event: _Event) -> str:
    return next((step.key for step in event.path.steps if step.key), "")


def _find(store: _Store, deu: Deu, generation: int) -> _Artifact:
    """Finds a generation by where it lies; by looking through all where the home has moved."""
    path = deu.voices_path / str(generation)
    kind = _type_id(store)
    there = [a for a in store.get_artifacts_by_uri(str(path)) if a.type_id == kind]
    own = sorted(own_artifacts(there, deu), key=lambda a: a.id)
    chosen = _choose(own)
    if generation not in chosen:
        chosen = _choose(find_personalities(store, deu))
    if generation not in chosen:
        raise NotHeldError(_unknown(deu, generation, sorted(chosen)))
    return chosen[generation]


def _type_id(store: _Store) -> int:
    try:
        return store.get_artifact_type(PERSONALITY_TYPE).id
    except NotFoundError:
        return -1


def _unknown(deu: Deu, generation: int, known: list[int]) -> str:
    if not known:
        return f"{deu.name} has no lineage yet: no practice of it has pushed a voice."
    named = ", ".join(map(str, known[-_MAX_NAMED:]))
    more = "... " if len(known) > _MAX_NAMED else ""
    return f"the lineage of {deu.name} has no generation {generation}: there are {more}{named}."


def _choose(personalities: list[_Artifact]) -> dict[int, _Artifact]:
    """Takes of each generation the personality that has it now, as it was first recorded.

    What was recorded afterwards, because its practice had been killed, gives way to what the practice records itself.
    """
    digests = {_generation(p): _digest(p) for p in personalities}  # the last one wins
    late_first = sorted(reversed(personalities), key=_is_repaired, reverse=True)
    first = {(_generation(p), _digest(p)): p for p in late_first}
    return {number: first[number, digest] for number, digest in digests.items()}


def _is_repaired(personality: _Artifact) -> bool:
    return "repaired" in personality.custom_properties


def _kinds(store: _Store) -> dict[int, Kind]:
    """Reads which executions were no pipelines."""
    kinds: dict[int, Kind] = {}
    for name, kind in _KINDS.items():
        try:
            executions = store.get_executions_by_type(name)
        except NotFoundError:
            continue
        kinds |= {execution.id: kind for execution in executions}
    return kinds


def _kinds_of(store: _Store, links: _Links) -> dict[int, Kind]:
    ids = sorted(set(links.makers.values()))
    executions = store.get_executions_by_id(ids) if ids else []
    return {e.id: _KINDS[e.type] for e in executions if e.type in _KINDS}


def _record(
    personality: _Artifact,
    links: _Links,
    kinds: Mapping[int, Kind],
    numbers: Mapping[int, int],
) -> GenerationRecord:
    values = {
        name: getattr(value, value.WhichOneof("value") or "string_value")
        for name, value in personality.custom_properties.items()
    }
    parent = links.parents.get(personality.id)
    is_imported = bool(values.get(IMPORTED_PROPERTY))
    kind = kinds.get(links.makers.get(personality.id, -1), "imitation")
    return GenerationRecord(
        generation=_generation(personality),
        digest=str(values.get("digest", "")),
        parent_digest=str(values.get("parent_digest", "")),
        parent_generation=(numbers.get(parent) or None) if parent is not None else None,
        practice=str(values.get("practice", "")),
        created_ms=personality.create_time_since_epoch,
        voice_path=Path(personality.uri),
        artifact_id=personality.id,
        kind="import" if is_imported else kind,
        metrics={
            name.removeprefix(METRIC_PREFIX): float(value)
            for name, value in sorted(values.items())
            if name.startswith(METRIC_PREFIX)
        },
        is_imported=is_imported,
        **_birth(values),
        n_elsewhere=_count_elsewhere(personality.id, links, numbers),
    )


def _birth(values: Mapping[str, Any]) -> dict[str, Any]:
    """Reads what an imported personality was where it was made."""
    names = ("born_deu", "born_generation", "born_kind", "born_ms", "n_older")
    return {name: values[name] for name in names if name in values}


def _count_elsewhere(
    artifact_id: int, links: _Links, numbers: Mapping[int, int]
) -> int:
    count, parent = 0, links.parents.get(artifact_id)
    while parent is not None and not numbers.get(parent, 1):
        count, parent = count + 1, links.parents.get(parent)
    return count


def _generation(personality: _Artifact) -> int:
    return personality.custom_properties["generation"].int_value


def _digest(personality: _Artifact) -> str:
    return personality.custom_properties["digest"].string_value


def _ancestors(store: _Store, artifact: _Artifact) -> Iterator[_Artifact]:
    """Yields what an artifact was made of, nearest first, not looking behind a parent."""
    seen = {artifact.id}
    waiting = [artifact]
    while waiting:
        inputs = _inputs(store, [a.id for a in waiting])
        found = [a for a in store.get_artifacts_by_id(inputs) if a.id not in seen]
        seen |= {a.id for a in found}
        yield from found
        waiting = [a for a in found if a.type_id != artifact.type_id]


def _inputs(store: _Store, artifact_ids: list[int]) -> list[int]:
    makers = _makers(store.get_events_by_artifact_ids(artifact_ids))
    executions = sorted(set(makers.values()))
    events = store.get_events_by_execution_ids(executions) if executions else []
    return sorted({e.artifact_id for e in events if e.type == _Event.INPUT})


def _takes(ancestors: Iterable[_Artifact]) -> tuple[TakeRecord, ...]:
    for artifact in ancestors:
        if "takes" in artifact.custom_properties:
            rows = json.loads(artifact.custom_properties["takes"].string_value)
            return tuple(
                TakeRecord(
                    name=row["name"],
                    digest=row["digest"],
                    splits=tuple(row["splits"]),
                    duration_s=row.get("duration_s"),
                )
                for row in rows
            )
    return ()


def _executions(store: _Store, artifact_id: int) -> Iterator[ExecutionRecord]:
    maker = _makers(store.get_events_by_artifact_ids([artifact_id])).get(artifact_id)
    if maker is None:
        return
    for run in _contexts(store, maker):
        if run.type == _RUN_CONTEXT:
            executions = store.get_executions_by_context(run.id)
            for execution in sorted(executions, key=lambda e: e.id):
                yield _execution(store, execution)


def _contexts(store: _Store, execution_id: int) -> Sequence[metadata_store_pb2.Context]:
    try:
        return store.get_contexts_by_execution(execution_id)
    except NotFoundError:
        return ()  # it has none


def _execution(store: _Store, execution: _Execution) -> ExecutionRecord:
    started_ms = execution.create_time_since_epoch
    state = _Execution.State.Name(execution.last_known_state).lower()
    return ExecutionRecord(
        component=_node_name(store, execution),
        state=state,
        started_ms=started_ms,
        duration_s=(execution.last_update_time_since_epoch - started_ms) / 1000,
    )


def _node_name(store: _Store, execution: _Execution) -> str:
    for context in _contexts(store, execution.id):
        if context.type == _NODE_CONTEXT:
            return context.name.rpartition(".")[2]
    return execution.type.rpartition(".")[2]
