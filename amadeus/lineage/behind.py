"""What lies behind one generation: the recordings it learned from and the steps of its practice."""

from collections.abc import Iterable, Iterator, Sequence

import ml_metadata
from ml_metadata.errors import NotFoundError
from ml_metadata.proto import metadata_store_pb2

from amadeus.lineage.learned import MANY, Learned, find_learned
from amadeus.lineage.records import ExecutionRecord
from amadeus.lineage.times import created_ms, updated_ms

_RUN_CONTEXT = "pipeline_run"
_NODE_CONTEXT = "node"
_Artifact = metadata_store_pb2.Artifact
_Event = metadata_store_pb2.Event
_Execution = metadata_store_pb2.Execution
_Store = ml_metadata.MetadataStore


def learned_by(store: _Store, artifact: _Artifact) -> Learned:
    """Finds the recordings a personality learned from, not looking behind its parent."""
    found = find_learned(_ancestors(store, artifact))
    return found if found.n_takes else find_learned([artifact])


def learned_by_all(
    store: _Store, personalities: Sequence[_Artifact]
) -> dict[int, Learned]:
    """Finds the recordings that each of many personalities learned from, by artifact; of each the first few by name."""
    by_id = {p.id: p for p in personalities}
    inputs: dict[int, list[int]] = {}
    waiting = list(by_id)
    while waiting:
        inputs |= _inputs_of_each(store, waiting)
        new = {i for one in waiting for i in inputs.get(one, [])} - by_id.keys()
        found = store.get_artifacts_by_id(sorted(new)) if new else []
        by_id |= {artifact.id: artifact for artifact in found}
        # not behind a parent
        waiting = [a.id for a in found if a.type_id != personalities[0].type_id]
    return {
        p.id: find_learned([*_reached(p, inputs, by_id), p], limit=MANY)
        for p in personalities
    }


def executions_behind(store: _Store, artifact_id: int) -> tuple[ExecutionRecord, ...]:
    """Finds the steps of the run that recorded a personality, in order."""
    return tuple(_executions(store, artifact_id))


def makers_of(events: Iterable[_Event]) -> dict[int, int]:
    """Finds the execution that made each artifact: the first that put it out, before any cache did."""
    makers: dict[int, int] = {}
    for event in events:
        if event.type == _Event.OUTPUT:
            known = makers.get(event.artifact_id, event.execution_id)
            makers[event.artifact_id] = min(known, event.execution_id)
    return makers


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


def _reached(
    personality: _Artifact, inputs: dict[int, list[int]], by_id: dict[int, _Artifact]
) -> Iterator[_Artifact]:
    """Yields what a personality was made of, nearest first, from what was read."""
    seen, waiting = {personality.id}, [personality.id]
    while waiting:
        new = {i for one in waiting for i in inputs.get(one, [])} - seen
        seen |= new
        found = [by_id[number] for number in sorted(new) if number in by_id]
        yield from found
        waiting = [a.id for a in found if a.type_id != personality.type_id]


def _inputs_of_each(store: _Store, artifact_ids: list[int]) -> dict[int, list[int]]:
    makers = makers_of(store.get_events_by_artifact_ids(artifact_ids))
    makers = {one: makers[one] for one in artifact_ids if one in makers}
    executions = sorted(set(makers.values()))
    events = store.get_events_by_execution_ids(executions) if executions else []
    taken: dict[int, list[int]] = {}
    for event in events:
        if event.type == _Event.INPUT:
            taken.setdefault(event.execution_id, []).append(event.artifact_id)
    return {one: taken.get(maker, []) for one, maker in makers.items()}


def _inputs(store: _Store, artifact_ids: list[int]) -> list[int]:
    makers = makers_of(store.get_events_by_artifact_ids(artifact_ids))
    executions = sorted(set(makers.values()))
    events = store.get_events_by_execution_ids(executions) if executions else []
    return sorted({e.artifact_id for e in events if e.type == _Event.INPUT})


def _executions(store: _Store, artifact_id: int) -> Iterator[ExecutionRecord]:
    maker = makers_of(store.get_events_by_artifact_ids([artifact_id])).get(artifact_id)
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
    started_ms = created_ms(execution)
    state = _Execution.State.Name(execution.last_known_state).lower()
    return ExecutionRecord(
        component=_node_name(store, execution),
        state=state,
        started_ms=started_ms,
        duration_s=(updated_ms(execution) - started_ms) / 1000,
    )


def _node_name(store: _Store, execution: _Execution) -> str:
    for context in _contexts(store, execution.id):
        if context.type == _NODE_CONTEXT:
            return context.name.rpartition(".")[2]
    return execution.type.rpartition(".")[2]
