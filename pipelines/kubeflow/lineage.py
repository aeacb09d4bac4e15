"""What a container tells our own ML Metadata, so that lineage outlasts Kubeflow's.

It is what TFX tells on one machine: the same types, events and contexts, so whoever reads a lineage need not know where
a practice ran. What differs is who they are told apart by:

    execution   name `kfp/RUN/TASK`: a container that is tried again takes up the record of the attempt before it, so
                there is one execution for each task of a run, whatever was killed; `attempts` counts them
    artifact    external id from its URI, which Kubeflow never gives twice; what a task of another run has made and
                Kubeflow's cache has handed on is the same artifact, and gets a CACHED execution in this run
    personality name from deu, generation and digest: it is recorded once

Contexts are `pipeline`, `pipeline_run` (named by Kubeflow's run id) and `node`, besides those of `amadeus.lineage`.
"""

import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import ml_metadata
from ml_metadata.errors import AlreadyExistsError, NotFoundError
from ml_metadata.proto import metadata_store_pb2
from tfx import types

from amadeus.lineage.behind import learned_by
from amadeus.lineage.store import connect, connection, persist, worded
from amadeus.lineage.write import (
    DEU_CONTEXT_TYPE,
    PRACTICE_CONTEXT_TYPE,
    host_facts,
    input_event,
)
from amadeus.personality.pedigree import Take
from components import artifacts as own_types
from pipelines.kubeflow.contract import Task

_Execution = metadata_store_pb2.Execution
_Event = metadata_store_pb2.Event
_Artifact = metadata_store_pb2.Artifact
_Value = metadata_store_pb2.Value


class Placed(NamedTuple):
    """An artifact and where it is for everyone: its path in this container is for nobody else.

    Attributes:
      artifact: As a component sees it.
      uri: Where it is.
      external_id: What it is known by; empty for a personality, which is known by name.
    """

    artifact: types.Artifact
    uri: str
    external_id: str = ""


def external_id(uri: str) -> str:
    """Makes an id of a URI, which may be longer than ML Metadata's 255 characters."""
    return f"kfp:{uuid.uuid5(uuid.NAMESPACE_URL, uri)}"


def open_record(
    url: str, task: Task, *, deu: str, node: str, execution_type: str
) -> "Record":
    """Opens the record of a task.

    Args:
      url: Of the metadata, as `amadeus.lineage.store` takes it.
      task: Which task of which run.
      deu: Whose practice it is.
      node: Name of the component in its pipeline.
      execution_type: Class of the component, in dots.

    Raises:
      ConfigError: The URL is none.
      HomeError: The metadata cannot be reached.
    """
    with worded(url):
        store = connect(connection(url))
    return Record(
        store, task, deu=deu, node=node, execution_type=execution_type, url=url
    )


class Record:
    """The record of one task of one run. Its methods raise `HomeError` where the metadata cannot be written."""

    def __init__(
        self,
        store: ml_metadata.MetadataStore,
        task: Task,
        *,
        deu: str,
        node: str,
        execution_type: str,
        url: str,
    ) -> None:
        self._store, self._task = store, task
        self._deu, self._node = deu, node
        self._type, self._url = execution_type, url
        self._execution = _Execution()
        self._contexts: list[metadata_store_pb2.Context] = []

    def begin(
        self, inputs: Mapping[str, Placed], properties: Mapping[str, Any]
    ) -> None:
        """Records that the task runs, and on what; gives each input its id."""
        self._write(lambda: self._begin(inputs, properties))

    def finish(self, outputs: Mapping[str, Placed]) -> None:
        """Records that the task is done, and what it made."""
        self._write(lambda: self._finish(outputs))

    def fail(self, reason: str) -> None:
        """Records that the task has failed."""
        if not self._contexts:
            self.begin({}, {})
        self._execution.custom_properties["reason"].string_value = reason
        self._end(_Execution.FAILED)

    def skip(self) -> None:
        """Records that there was nothing to do."""
        self._end(_Execution.CANCELED)

    def practised(self, practice: str) -> None:
        """Gathers the run under the practice it is of, and its personalities under their deu."""
        self._write(lambda: self._gather(practice))

    def takes_behind(self, artifact: types.Artifact) -> tuple[Take, ...]:
        """Finds the recordings that an input was made of; none where nobody recorded them."""
        with worded(self._url):
            (known,) = self._store.get_artifacts_by_id([artifact.id])
            found = learned_by(self._store, known).takes
        return tuple(Take(t.name, t.digest, t.splits, t.duration_s) for t in found)

    def _write(self, write: Callable[[], None]) -> None:
        """Writes, and once more where another container has made the same type or context in between.

        Raises:
          HomeError: The metadata cannot be written.
        """
        with worded(self._url):
            try:
                persist(write)
            except AlreadyExistsError:
                persist(write)

    def _begin(
        self, inputs: Mapping[str, Placed], properties: Mapping[str, Any]
    ) -> None:
        self._contexts = self._make_contexts()
        self._execution = self._find_execution()
        self._execution.last_known_state = _Execution.RUNNING
        own = self._execution.custom_properties
        own["attempts"].int_value += 1
        own.pop("reason", None)  # of an attempt before
        for key, value in properties.items():
            _set(own[key], value)
        found = {key: self._find_input(placed) for key, placed in inputs.items()}
        pairs = [(one, input_event(key)) for key, one in found.items()]
        self._put(pairs)
        self._read_ids(found, inputs)
        self._note_cached([one.id for one in found.values()], self._contexts[1])

    def _finish(self, outputs: Mapping[str, Placed]) -> None:
        state = _Execution.COMPLETE
        pairs = []
        for key, placed in outputs.items():
            artifact = self._describe(placed)
            known = self._known(artifact)
            if known is not None and not placed.external_id:  # recorded by another run
                artifact, state = known, self._state_of(known)
            elif known is not None:
                artifact.id = known.id
            pairs.append((artifact, _output_event(key)))
        self._execution.last_known_state = state
        self._put(pairs)

    def _end(self, state: int) -> None:
        self._execution.last_known_state = state
        self._write(lambda: self._put([]))

    def _put(self, pairs: list[tuple[_Artifact, _Event]]) -> None:
        """Writes the execution with artifacts and events; an event that is there is not written again."""
        known = set()
        if self._execution.id:
            events = self._store.get_events_by_execution_ids([self._execution.id])
            known = {(event.artifact_id, event.type) for event in events}
        self._execution.id, artifact_ids, _ = self._store.put_execution(
            self._execution,
            [
                (artifact, None if (artifact.id, event.type) in known else event)
                for artifact, event in pairs
            ],
            self._contexts,
        )
        for (artifact, _), number in zip(pairs, artifact_ids, strict=True):
            artifact.id = number

    def _find_execution(self) -> _Execution:
        name = f"kfp/{self._task.run_id}/{self._task.name}"
        known = self._store.get_execution_by_type_and_name(self._type, name)
        if known is not None:
            return known
        execution = _Execution(name=name, type_id=self._execution_type(self._type))
        own = execution.custom_properties
        own["kfp_run_id"].string_value = self._task.run_id
        own["kfp_task"].string_value = self._task.name
        own["kfp_task_id"].string_value = self._task.task_id
        return execution

    def _make_contexts(self) -> list[metadata_store_pb2.Context]:
        pipeline = f"imitation.{self._deu}"
        named = (
            ("pipeline", pipeline),
            ("pipeline_run", self._task.run_id),
            ("node", f"{pipeline}.{self._node}"),
        )
        return [self._context(kind, name) for kind, name in named]

    def _context(self, kind: str, name: str) -> metadata_store_pb2.Context:
        known = self._store.get_context_by_type_and_name(kind, name)
        if known is not None:
            return known
        type_id = self._store.put_context_type(
            metadata_store_pb2.ContextType(name=kind), can_omit_fields=True
        )
        context = metadata_store_pb2.Context(type_id=type_id, name=name)
        (context.id,) = self._store.put_contexts([context])
        return context

    def _find_input(self, placed: Placed) -> _Artifact:
        artifact = self._describe(placed)
        known = self._known(artifact)
        if known is None and not placed.external_id:
            known = self._alike(artifact)
        return artifact if known is None else known

    def _describe(self, placed: Placed) -> _Artifact:
        artifact = _Artifact()
        artifact.CopyFrom(placed.artifact.mlmd_artifact)
        artifact.ClearField("id")
        artifact.ClearField("name")
        artifact.uri, artifact.state = placed.uri, _Artifact.LIVE
        artifact.type_id = self._artifact_type(placed.artifact)
        if placed.external_id:
            artifact.external_id = placed.external_id
        else:
            artifact.name = _personality_name(artifact)
        return artifact

    def _known(self, artifact: _Artifact) -> _Artifact | None:
        if artifact.external_id:
            try:
                ids = [artifact.external_id]
                return self._store.get_artifacts_by_external_ids(ids)[0]
            except NotFoundError:
                return None
        type_name = own_types.Personality.TYPE_NAME
        return self._store.get_artifact_by_type_and_name(type_name, artifact.name)

    def _alike(self, personality: _Artifact) -> _Artifact | None:
        """Finds a personality that was recorded elsewhere, under another name: by who it is."""
        name = _personality_name(personality)
        known = self._store.get_artifacts_by_type(own_types.Personality.TYPE_NAME)
        same = [artifact for artifact in known if _personality_name(artifact) == name]
        return min(same, key=lambda artifact: artifact.id, default=None)

    def _state_of(self, known: _Artifact) -> int:
        """Tells whether this very task recorded what is known already: then it was only tried again."""
        events = self._store.get_events_by_artifact_ids([known.id])
        makers = {e.execution_id for e in events if e.type == _Event.OUTPUT}
        is_own = self._execution.id in makers or not makers
        return _Execution.COMPLETE if is_own else _Execution.CACHED

    def _read_ids(
        self, found: Mapping[str, _Artifact], inputs: Mapping[str, Placed]
    ) -> None:
        for key, placed in inputs.items():
            placed.artifact.id = found[key].id

    def _note_cached(
        self, artifact_ids: list[int], run: metadata_store_pb2.Context
    ) -> None:
        """Records what Kubeflow's cache has done for this run, for a container that did not run cannot.

        Whoever made an input, and is not of this run, was not run again; nor was whoever made its inputs.
        """
        of_run = {e.id for e in self._store.get_executions_by_context(run.id)}
        events = _events_of(self._store, artifact_ids)
        made = [e for e in events if e.type == _Event.OUTPUT]
        made_here = {e.artifact_id for e in made if e.execution_id in of_run}
        makers = {e.execution_id for e in made if e.artifact_id not in made_here}
        for maker in self._store.get_executions_by_id(sorted(makers)):
            if "kfp_task" in maker.custom_properties:
                self._note_cached_one(maker, run)

    def _note_cached_one(
        self, maker: _Execution, run: metadata_store_pb2.Context
    ) -> None:
        task = maker.custom_properties["kfp_task"].string_value
        name = f"kfp/{self._task.run_id}/{task}"
        if self._store.get_execution_by_type_and_name(maker.type, name) is not None:
            return
        copy = _Execution(
            type_id=maker.type_id, name=name, last_known_state=_Execution.CACHED
        )
        for key, value in maker.custom_properties.items():
            copy.custom_properties[key].CopyFrom(value)
        copy.custom_properties["kfp_run_id"].string_value = self._task.run_id
        copy.custom_properties.pop("attempts", None)  # a copy of a copy has none
        events = self._store.get_events_by_execution_ids([maker.id])
        artifacts = self._store.get_artifacts_by_id([e.artifact_id for e in events])
        by_id = {artifact.id: artifact for artifact in artifacts}
        pairs = [(by_id[e.artifact_id], _anew(e)) for e in events]
        pipeline = self._contexts[0]
        self._store.put_execution(copy, pairs, [pipeline, run])
        inputs = [e.artifact_id for e in events if e.type == _Event.INPUT]
        self._note_cached(inputs, run)

    def _gather(self, practice: str) -> None:
        run = self._contexts[1]
        session = self._context(PRACTICE_CONTEXT_TYPE, f"{self._deu}/{practice}")
        for fact, text in host_facts().items():
            session.custom_properties[fact].string_value = text
        session.custom_properties["kfp_run_id"].string_value = self._task.run_id
        self._store.put_contexts([session])
        executions = self._store.get_executions_by_context(run.id)
        self._associate(session, executions)
        events = self._store.get_events_by_execution_ids([self._execution.id])
        made = [e.artifact_id for e in events if e.type == _Event.OUTPUT]
        if self._execution.last_known_state == _Execution.COMPLETE:
            self._attribute(session, made)
        self._attribute(self._context(DEU_CONTEXT_TYPE, self._deu), made)

    def _associate(
        self, context: metadata_store_pb2.Context, executions: Iterable[_Execution]
    ) -> None:
        there = {e.id for e in self._store.get_executions_by_context(context.id)}
        new = [
            metadata_store_pb2.Association(execution_id=e.id, context_id=context.id)
            for e in executions
            if e.id not in there
        ]
        self._store.put_attributions_and_associations([], new)

    def _attribute(
        self, context: metadata_store_pb2.Context, artifact_ids: Iterable[int]
    ) -> None:
        there = {a.id for a in self._store.get_artifacts_by_context(context.id)}
        new = [
            metadata_store_pb2.Attribution(artifact_id=number, context_id=context.id)
            for number in artifact_ids
            if number not in there
        ]
        self._store.put_attributions_and_associations(new, [])

    def _artifact_type(self, artifact: types.Artifact) -> int:
        try:
            return self._store.get_artifact_type(artifact.artifact_type.name).id
        except NotFoundError:
            return self._store.put_artifact_type(artifact.artifact_type)

    def _execution_type(self, name: str) -> int:
        try:
            return self._store.get_execution_type(name).id
        except NotFoundError:
            kind = metadata_store_pb2.ExecutionType(name=name)
            return self._store.put_execution_type(kind)


def _events_of(
    store: ml_metadata.MetadataStore, artifact_ids: list[int]
) -> list[_Event]:
    return store.get_events_by_artifact_ids(artifact_ids) if artifact_ids else []


def _anew(event: _Event) -> _Event:
    copy = _Event(type=event.type)
    copy.path.CopyFrom(event.path)
    return copy


def _output_event(key: str) -> _Event:
    event = input_event(key)
    event.type = _Event.OUTPUT
    return event


def _personality_name(artifact: _Artifact) -> str:
    own = artifact.custom_properties
    parts = (
        own["deu"].string_value,
        str(own["generation"].int_value),
        own["digest"].string_value,
    )
    return f"personality {'/'.join(parts)}"


def _set(target: _Value, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        target.string_value = str(value)
    elif isinstance(value, int):
        target.int_value = value
    else:
        target.double_value = value
