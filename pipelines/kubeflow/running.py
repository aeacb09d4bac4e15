"""Runs one component of TFX, as it is, in a container of Kubeflow.

What TFX's launcher does on one machine is done here for one component: inputs and outputs get the types that the
component names, parameters become messages again, the executor runs, and what it did is recorded. What is different on
every machine is in `places`.
"""

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from ml_metadata.proto import metadata_store_pb2
from tfx import types
from tfx.dsl.components.base import base_beam_executor, base_executor
from tfx.types.component_spec import ChannelParameter, ExecutionParameter

from amadeus.journal import emit
from amadeus.personality.pedigree import Take
from amadeus.v1 import practice_pb2
from components import artifacts as own_types
from components.code_digest import CODE_DIGEST_KEY, running_code_digest
from components.pusher.executor import MODEL_KEY, PUSHED_MODEL_KEY
from pipelines.kubeflow import names, places
from pipelines.kubeflow.contract import GivenArtifact
from pipelines.kubeflow.lineage import Placed, Record, external_id

_NOTES = (
    "store_session_info",  # Kubeflow's own, on how to reach its bucket
    places.CHECKPOINTS_KEY,
)
_VALUE_KINDS = ("string_value", "int_value", "double_value")


def run(work: places.Work, record: Record | None) -> dict[str, dict[str, Any]]:
    """Runs the component.

    Args:
      work: Which, on what.
      record: Where to record it; None: nowhere.

    Returns:
      Properties of each output, for Kubeflow.

    Raises:
      Exception: Whatever the executor raised.
    """
    places.forget_lessons(work)
    spec = work.kind.SPEC_CLASS
    inputs = _typed(work, work.invocation.inputs, spec.INPUTS)
    outputs = _typed(work, work.invocation.outputs, spec.OUTPUTS)
    parent_key = places.bring_parent(work, inputs)
    properties = _parameters(work)
    placed = {
        key: _placed(
            work, artifact, "" if key == parent_key else work.invocation.inputs[key].uri
        )
        for key, (artifact,) in inputs.items()
    }
    if record is not None:
        record.begin(placed, places.told(properties))
    if not _is_due(inputs):
        if record is not None:
            record.skip()
        return {key: {} for key in outputs}
    _execute(work, inputs, outputs, properties)
    places.publish(work, outputs, lambda: _takes(record, inputs))
    places.forget_paths(work, outputs)
    if record is not None:
        record.finish({key: _made(work, key, one) for key, (one,) in outputs.items()})
        if names.PRACTICE in work.invocation.parameters:
            record.practised(work.practice)
    notes = {places.CHECKPOINTS_KEY: work.lesson_url} if work.lesson_url else {}
    return {key: _properties(artifact) | notes for key, (artifact,) in outputs.items()}


def _execute(
    work: places.Work,
    inputs: places.Artifacts,
    outputs: places.Artifacts,
    properties: dict[str, Any],
) -> None:
    for given in work.invocation.outputs.values():
        given.path.mkdir(parents=True, exist_ok=True)
    name = work.kind.__name__
    emit(component_started=practice_pb2.ComponentStarted(component=name))
    started_at = time.monotonic()
    with places.made(work, inputs, properties):
        _executor(work).Do(inputs, outputs, properties)
    duration_s = time.monotonic() - started_at
    emit(
        component_finished=practice_pb2.ComponentFinished(
            component=name, duration_s=duration_s
        )
    )


def _takes(record: Record | None, inputs: places.Artifacts) -> Sequence[Take]:
    """Asks the metadata what lies behind a model: where there are none, its recordings are told to nobody."""
    if record is None or MODEL_KEY not in inputs:
        return ()
    (model,) = inputs[MODEL_KEY]
    return record.takes_behind(model)


def _executor(work: places.Work) -> base_executor.BaseExecutor:
    kind = work.kind.EXECUTOR_SPEC.executor_class
    common = {
        "tmp_dir": str(work.scratch / "tmp"),
        "unique_id": work.task.name,
        "pipeline_run_id": f"{work.deu}/{work.practice}/{work.task.run_id}",
    }
    if issubclass(kind, base_beam_executor.BaseBeamExecutor):
        from pipelines import runner

        args = runner.beam_args(work.beam_args)
        return kind(kind.Context(beam_pipeline_args=args, **common))
    return kind(kind.Context(**common))


def _typed(
    work: places.Work,
    given: Mapping[str, GivenArtifact],
    wanted: Mapping[str, ChannelParameter],
) -> places.Artifacts:
    work.local |= {str(one.path): one.uri for one in given.values()}
    return {key: [_artifact(wanted[key].type, one)] for key, one in given.items()}


def _artifact(kind: type[types.Artifact], given: GivenArtifact) -> types.Artifact:
    """Makes an artifact of the type that the component wants: Kubeflow does not say of which it is."""
    artifact = kind()
    artifact.uri = str(given.path)
    declared = kind.PROPERTIES or {}
    for key, value in given.properties.items():
        if key in _NOTES or not isinstance(value, str | int | float):
            continue
        if key in declared:
            is_int = declared[key].mlmd_type() == metadata_store_pb2.INT
            setattr(artifact, key, int(value) if is_int else value)
        elif isinstance(value, str):
            artifact.set_string_custom_property(key, value)
        elif float(value).is_integer():  # JSON knows no whole numbers, TFX does
            artifact.set_int_custom_property(key, int(value))
        else:
            artifact.set_float_custom_property(key, value)
    return artifact


def _parameters(work: places.Work) -> dict[str, Any]:
    """Turns parameters into what an executor is used to: messages, and numbers that are whole."""
    given = work.invocation.parameters
    known = work.kind.SPEC_CLASS.PARAMETERS
    properties = {
        key: _parameter(given[key], known[key])
        for key in known
        if key in given and key not in places.PLACES
    }
    if CODE_DIGEST_KEY in properties:  # what runs, not what was compiled
        module = sys.modules[work.kind.__module__]
        properties[CODE_DIGEST_KEY] = running_code_digest(*module.SOURCES)
    return properties


def _parameter(value: Any, wanted: ExecutionParameter) -> Any:
    kind = wanted.type
    if isinstance(kind, type) and issubclass(kind, Message) and wanted.use_proto:
        return json_format.Parse(value, kind())
    return int(value) if kind is int else value


def _is_due(inputs: places.Artifacts) -> bool:
    """Whether there is anything to do: after a push that did not happen there is not.

    Kubeflow could look itself, by an expression that it evaluates; not every release evaluates one for a container.
    """
    if PUSHED_MODEL_KEY not in inputs:
        return True
    (pushed,) = inputs[PUSHED_MODEL_KEY]
    return pushed.get_int_custom_property(places.PUSHED_KEY) == 1


def _placed(work: places.Work, artifact: types.Artifact, uri: str) -> Placed:
    if uri:
        return Placed(artifact, uri, external_id(uri))
    return Placed(artifact, work.local[artifact.uri])


def _made(work: places.Work, key: str, artifact: types.Artifact) -> Placed:
    if isinstance(artifact, own_types.Personality):
        return Placed(artifact, artifact.uri)
    return Placed(artifact, artifact.uri, external_id(work.invocation.outputs[key].uri))


def _properties(artifact: types.Artifact) -> dict[str, Any]:
    """Lists an artifact's properties as JSON has them."""
    own = artifact.mlmd_artifact
    found: dict[str, Any] = {}
    for known in (own.properties, own.custom_properties):
        for key, value in known.items():
            kind = value.WhichOneof("value")
            if kind in _VALUE_KINDS:
                found[key] = getattr(value, kind)
    return found
