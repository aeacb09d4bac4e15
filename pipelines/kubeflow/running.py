"""Runs one component of TFX, as it is, in a container of Kubeflow.

What TFX's launcher does on one machine is done here for one component: inputs and outputs get the types that the
component names, parameters become messages again, the executor runs, and what it did is recorded. Places that are
different on every machine (recordings, the parent, checkpoints, the folder of voices) are made here, and none of them
leaves: wherever an executor has written down a path of this container, the URI of what lies there is recorded.
"""

import contextlib
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from ml_metadata.proto import metadata_store_pb2
from tfx import types
from tfx.dsl.components.base import base_beam_executor, base_component, base_executor
from tfx.proto import pusher_pb2
from tfx.types.component_spec import ExecutionParameter
from tfx.utils import import_utils

from amadeus.errors import RecordingError
from amadeus.journal import emit
from amadeus.personality import content
from amadeus.personality.generations import mlmd_uuid
from amadeus.stores import publish_voice
from amadeus.v1 import practice_pb2
from components import artifacts as own_types
from components.audio_example_gen.driver import FINGERPRINT_KEY, RECORDINGS_KEY
from components.code_digest import CODE_DIGEST_KEY, running_code_digest
from components.personality_writer.write import identity
from components.pusher.executor import PUSH_DESTINATION_KEY, PUSHED_MODEL_KEY
from components.trainer.executor import CHECKPOINTS_PATH_KEY
from pipelines.kubeflow import checkpoints, names, sources
from pipelines.kubeflow.contract import GivenArtifact, Invocation, Task
from pipelines.kubeflow.lineage import Placed, Record, external_id

_PLACES = (RECORDINGS_KEY, PUSH_DESTINATION_KEY, CHECKPOINTS_PATH_KEY)
_PUSHED = "pushed"
_DESTINATION = "pushed_destination"
_VERSION = "pushed_version"
_UUID = "mlmd_uuid"
_VALUE_KINDS = ("string_value", "int_value", "double_value")


@dataclass
class Work:
    """One component in one container.

    Attributes:
      component: Class of the component, in dots.
      deu: Name of the deu.
      task: Which task of which run.
      invocation: What the container was called with.
      personalities_url: Store of personalities.
      beam_args: Options for Beam, as they were asked for.
      scratch: Folder that ends with the container.
    """

    component: str
    deu: str
    task: Task
    invocation: Invocation
    personalities_url: str
    beam_args: list[str]
    scratch: Path
    local: dict[str, str] = field(default_factory=dict)  # path here -> uri

    @property
    def kind(self) -> type[base_component.BaseComponent]:
        """Class of the component."""
        return import_utils.import_class_by_path(self.component)

    @property
    def practice(self) -> str:
        """Name of the practice; that of the run where none was given."""
        given = self.invocation.parameters.get(names.PRACTICE)
        return given or self.task.run_id

    @property
    def parent(self) -> sources.Parent:
        """Who the voice grows from, as `prepare` found it."""
        given = self.invocation.parameters
        return sources.Parent(
            int(given.get(names.PARENT_GENERATION, 0)),
            given.get(names.PARENT_DIGEST, ""),
        )


Artifacts = dict[str, list[types.Artifact]]


def run(work: Work, record: Record | None) -> dict[str, dict[str, Any]]:
    """Runs the component.

    Args:
      work: Which, on what.
      record: Where to record it; None: nowhere.

    Returns:
      Properties of each output, for Kubeflow.

    Raises:
      Exception: Whatever the executor raised.
    """
    spec = work.kind.SPEC_CLASS
    inputs = {
        key: [_artifact(spec.INPUTS[key].type, given)]
        for key, given in work.invocation.inputs.items()
    }
    outputs = {
        key: [_artifact(spec.OUTPUTS[key].type, given)]
        for key, given in work.invocation.outputs.items()
    }
    work.local |= {
        str(given.path): given.uri
        for given in (
            *work.invocation.inputs.values(),
            *work.invocation.outputs.values(),
        )
    }
    parent_key = _bring_parent(work, inputs)
    properties = _parameters(work)
    placed = {
        key: _placed(
            work, artifact, "" if key == parent_key else work.invocation.inputs[key].uri
        )
        for key, (artifact,) in inputs.items()
    }
    if record is not None:
        record.begin(placed, _told(properties))
    if not _is_due(inputs):
        if record is not None:
            record.skip()
        return {key: {} for key in outputs}
    _execute(work, inputs, outputs, properties)
    _publish(work, outputs)
    _forget_paths(work, outputs)
    if record is not None:
        record.finish({key: _made(work, key, one) for key, (one,) in outputs.items()})
        if names.PRACTICE in work.invocation.parameters:
            record.practised(work.practice)
    return {key: _properties(artifact) for key, (artifact,) in outputs.items()}


def _execute(
    work: Work, inputs: Artifacts, outputs: Artifacts, properties: dict[str, Any]
) -> None:
    for given in work.invocation.outputs.values():
        given.path.mkdir(parents=True, exist_ok=True)
    name = work.kind.__name__
    emit(component_started=practice_pb2.ComponentStarted(component=name))
    started_at = time.monotonic()
    with _places(work, inputs, properties):
        _executor(work).Do(inputs, outputs, properties)
    duration_s = time.monotonic() - started_at
    emit(
        component_finished=practice_pb2.ComponentFinished(
            component=name, duration_s=duration_s
        )
    )


def _executor(work: Work) -> base_executor.BaseExecutor:
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


def _artifact(kind: type[types.Artifact], given: GivenArtifact) -> types.Artifact:
    """Makes an artifact of the type that the component wants: Kubeflow does not say of which it is."""
    artifact = kind()
    artifact.uri = str(given.path)
    declared = kind.PROPERTIES or {}
    for key, value in given.properties.items():
        if key in declared:
            is_int = declared[key].mlmd_type() == metadata_store_pb2.INT
            setattr(artifact, key, int(value) if is_int else value)
        elif isinstance(value, str):
            artifact.set_string_custom_property(key, value)
        elif isinstance(value, int | float):
            artifact.set_float_custom_property(key, float(value))
    return artifact


def _bring_parent(work: Work, inputs: Artifacts) -> str | None:
    """Makes the parent an input of a component that takes one, and names the input."""
    wanted = work.kind.SPEC_CLASS.INPUTS
    keys = [key for key in wanted if wanted[key].type is own_types.Personality]
    if not keys or not work.parent.generation:
        return None
    (key,) = keys
    path = sources.fetch_parent(
        work.personalities_url, work.deu, work.parent, work.scratch
    )
    work.local[str(path)] = _voice_uri(work, work.parent.generation)
    artifact = own_types.Personality()
    artifact.uri = str(path)
    for name, value in identity(content.read_personality(path)).items():
        if isinstance(value, int):
            artifact.set_int_custom_property(name, value)
        else:
            artifact.set_string_custom_property(name, value)
    inputs[key] = [artifact]
    return key


def _voice_uri(work: Work, generation: int) -> str:
    return f"{work.personalities_url.rstrip('/')}/{work.deu}/{generation}"


def _parameters(work: Work) -> dict[str, Any]:
    """Turns parameters into what an executor is used to: messages, and numbers that are whole."""
    given = work.invocation.parameters
    known = work.kind.SPEC_CLASS.PARAMETERS
    properties = {
        key: _parameter(given[key], known[key])
        for key in known
        if key in given and key not in _PLACES
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


def _told(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Writes parameters for the record, as TFX does: messages as JSON."""
    return {
        key: json_format.MessageToJson(value, preserving_proto_field_name=True)
        if isinstance(value, Message)
        else value
        for key, value in properties.items()
    }


@contextlib.contextmanager
def _places(
    work: Work, inputs: Artifacts, properties: dict[str, Any]
) -> Iterator[None]:
    """Makes the places that a component is told of by parameters."""
    wanted = work.kind.SPEC_CLASS.PARAMETERS
    with contextlib.ExitStack() as stack:
        if RECORDINGS_KEY in wanted:
            properties[RECORDINGS_KEY] = _recordings(work)
        if PUSH_DESTINATION_KEY in wanted:
            properties[PUSH_DESTINATION_KEY] = _destination(
                work.scratch / "deu" / "voices"
            )
        if CHECKPOINTS_PATH_KEY in wanted:
            folder = work.scratch / "checkpoints"
            properties[CHECKPOINTS_PATH_KEY] = str(folder)
            stack.enter_context(
                checkpoints.kept(folder, _lesson(work, inputs, properties))
            )
        if (voice := _pushed_voice(work, inputs)) is not None:
            (pushed,) = inputs[PUSHED_MODEL_KEY]
            pushed.set_string_custom_property(_DESTINATION, str(voice))
        yield


def _recordings(work: Work) -> practice_pb2.Recordings:
    """Brings the recordings, and makes sure that they still are what `prepare` saw.

    Raises:
      RecordingError: They are others.
    """
    from components.audio_example_gen import takes

    given = work.invocation.parameters
    folder = work.scratch / "recordings"
    brought = sources.bring(
        given[names.RECORDINGS], given[names.RECORDING_NAMES], folder
    )
    paths, called = [str(b.path) for b in brought], [b.name for b in brought]
    if takes.fingerprint(takes.gather(paths, called).takes) != given[names.FINGERPRINT]:
        raise RecordingError(
            "the recordings have changed since the run began: start the practice again."
        )
    return practice_pb2.Recordings(uri=paths, name=called)


def _destination(voices_path: Path) -> str:
    filesystem = pusher_pb2.PushDestination.Filesystem(base_directory=str(voices_path))
    return json_format.MessageToJson(pusher_pb2.PushDestination(filesystem=filesystem))


def _lesson(work: Work, inputs: Artifacts, properties: Mapping[str, Any]) -> str:
    """Says where the checkpoints of this lesson are, whichever run it is taught in."""
    parts = {
        key: value
        for key, value in _told(properties).items()
        if key != CHECKPOINTS_PATH_KEY
    }
    parts["parent"] = work.parent.digest
    for key, (artifact,) in inputs.items():
        made_of = artifact.get_string_custom_property(FINGERPRINT_KEY)
        if made_of:
            parts[f"made of, {key}"] = made_of
    return checkpoints.lesson_folder(work.task.root, work.task.pipeline, parts)


def _is_due(inputs: Artifacts) -> bool:
    """Whether there is anything to do: after a push that did not happen there is not.

    Kubeflow could look itself, by an expression that it evaluates; not every release evaluates one for a container.
    """
    if PUSHED_MODEL_KEY not in inputs:
        return True
    (pushed,) = inputs[PUSHED_MODEL_KEY]
    return pushed.get_int_custom_property(_PUSHED) == 1


def _pushed_voice(work: Work, inputs: Artifacts) -> Path | None:
    """Brings the voice that was pushed."""
    if PUSHED_MODEL_KEY not in inputs:
        return None
    (pushed,) = inputs[PUSHED_MODEL_KEY]
    generation = int(pushed.get_string_custom_property(_VERSION))
    path = sources.fetch_parent(
        work.personalities_url,
        work.deu,
        sources.Parent(generation, pushed.get_string_custom_property("digest")),
        work.scratch,
    )
    work.local[str(path)] = _voice_uri(work, generation)
    return path


def _publish(work: Work, outputs: Artifacts) -> None:
    """Brings what was pushed here to the store, which counts the generations of all runs."""
    if PUSHED_MODEL_KEY not in outputs:
        return
    (pushed,) = outputs[PUSHED_MODEL_KEY]
    if pushed.get_int_custom_property(_PUSHED) != 1:
        return
    path = Path(pushed.get_string_custom_property(_DESTINATION))
    uri = publish_voice(work.personalities_url, work.deu, path)
    personality = content.read_personality(path)
    personality.generation = int(uri.rpartition("/")[2])
    pushed.set_string_custom_property(_DESTINATION, uri)
    pushed.set_string_custom_property(_VERSION, str(personality.generation))
    pushed.set_string_custom_property(_UUID, mlmd_uuid(personality))
    pushed.set_string_custom_property("digest", personality.digest)
    pushed.uri = uri


def _forget_paths(work: Work, outputs: Artifacts) -> None:
    """Replaces paths of this container by URIs."""
    for (artifact,) in outputs.values():
        artifact.uri = work.local.get(artifact.uri, artifact.uri)
        for key, value in list(artifact.mlmd_artifact.custom_properties.items()):
            if value.string_value in work.local:
                artifact.set_string_custom_property(key, work.local[value.string_value])


def _placed(work: Work, artifact: types.Artifact, uri: str) -> Placed:
    if uri:
        return Placed(artifact, uri, external_id(uri))
    return Placed(artifact, work.local[artifact.uri])


def _made(work: Work, key: str, artifact: types.Artifact) -> Placed:
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
