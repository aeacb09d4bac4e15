"""Places that are different on every machine, made for one component in one container.

Recordings, the parent, checkpoints, the folder of voices: an executor of TFX is told of them as paths of its machine.
None of these leaves the container: where an executor has written one down, the URI of what lies there is put instead.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from tfx import types
from tfx.dsl.components.base import base_component
from tfx.proto import pusher_pb2
from tfx.utils import import_utils

from amadeus.errors import RecordingError
from amadeus.personality import content
from amadeus.personality.generations import mlmd_uuid
from amadeus.personality.pedigree import Take
from amadeus.stores import publish_voice
from amadeus.v1 import practice_pb2
from components import artifacts as own_types
from components.audio_example_gen import takes
from components.audio_example_gen.driver import FINGERPRINT_KEY, RECORDINGS_KEY
from components.personality_writer.write import identity
from components.pusher.executor import PUSH_DESTINATION_KEY, PUSHED_MODEL_KEY
from components.trainer.executor import CHECKPOINTS_PATH_KEY
from pipelines.kubeflow import checkpoints, lessons, names, pedigrees, sources
from pipelines.kubeflow.contract import Invocation, Task

PLACES = (RECORDINGS_KEY, PUSH_DESTINATION_KEY, CHECKPOINTS_PATH_KEY)
"""Parameters that name a place: no run has values for them."""

PUSHED_KEY = "pushed"  # of TFX's Pusher, as are the next two
_DESTINATION_KEY = "pushed_destination"
_VERSION_KEY = "pushed_version"
_UUID_KEY = "mlmd_uuid"
CHECKPOINTS_KEY = (
    "amadeus_checkpoints"  # of what a lesson made: where its checkpoints are
)
_DIGEST_KEY = "digest"

Artifacts = dict[str, list[types.Artifact]]


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
    lesson_url: str = ""  # of the checkpoints, where a lesson is taught

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


@contextlib.contextmanager
def made(work: Work, inputs: Artifacts, properties: dict[str, Any]) -> Iterator[None]:
    """Makes the places that a component is told of by parameters."""
    wanted = work.kind.SPEC_CLASS.PARAMETERS
    with contextlib.ExitStack() as stack:
        if RECORDINGS_KEY in wanted:
            properties[RECORDINGS_KEY] = stack.enter_context(_recordings(work))
        if PUSH_DESTINATION_KEY in wanted:
            properties[PUSH_DESTINATION_KEY] = _destination(
                work.scratch / "deu" / "voices"
            )
        if CHECKPOINTS_PATH_KEY in wanted:
            folder = work.scratch / "checkpoints"
            properties[CHECKPOINTS_PATH_KEY] = str(folder)
            work.lesson_url = _lesson(work, inputs, properties)
            stack.enter_context(checkpoints.kept(folder, work.lesson_url))
        if (voice := _pushed_voice(work, inputs)) is not None:
            (pushed,) = inputs[PUSHED_MODEL_KEY]
            pushed.set_string_custom_property(_DESTINATION_KEY, str(voice))
        yield


@contextlib.contextmanager
def _recordings(work: Work) -> Iterator[practice_pb2.Recordings]:
    """Brings the recordings, and makes sure that they still are what `prepare` saw.

    Raises:
      RecordingError: They are others.
    """
    given = work.invocation.parameters
    with sources.brought(
        given[names.RECORDINGS],
        given[names.RECORDING_NAMES],
        work.scratch / "recordings",
    ) as found:
        paths, called = [str(one.path) for one in found], [one.name for one in found]
        seen = takes.fingerprint(takes.gather(paths, called))
        if seen != given[names.FINGERPRINT]:
            raise RecordingError(
                "the recordings have changed since the run began: start the practice again."
            )
        yield practice_pb2.Recordings(uri=paths, name=called)


def told(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Writes parameters for the record, as TFX does: messages as JSON."""
    return {
        key: json_format.MessageToJson(value, preserving_proto_field_name=True)
        if isinstance(value, Message)
        else value
        for key, value in properties.items()
    }


def _destination(voices_path: Path) -> str:
    filesystem = pusher_pb2.PushDestination.Filesystem(base_directory=str(voices_path))
    return json_format.MessageToJson(pusher_pb2.PushDestination(filesystem=filesystem))


def _lesson(work: Work, inputs: Artifacts, properties: Mapping[str, Any]) -> str:
    """Says where the checkpoints of this lesson are, whichever run it is taught in."""
    parts = {key: value for key, value in told(properties).items() if key not in PLACES}
    parts["parent"] = work.parent.digest
    for key, (artifact,) in inputs.items():
        made_of = artifact.get_string_custom_property(FINGERPRINT_KEY)
        if made_of:
            parts[f"made of, {key}"] = made_of
    return checkpoints.lesson_folder(work.task.root, work.task.pipeline, parts)


def forget_lessons(work: Work) -> None:
    """Removes the checkpoints of lessons of this run whose voices have come to be an input: the bucket has them."""
    own = f"{work.task.root}/{work.task.pipeline}"
    urls = {
        str(given.properties.get(CHECKPOINTS_KEY, ""))
        for given in work.invocation.inputs.values()
        if given.uri.startswith(f"{own}/{work.task.run_id}/")
    }
    for url in sorted(urls):
        if url.startswith(f"{own}/{checkpoints.FOLDER_NAME}/"):
            checkpoints.forget(url)


def bring_parent(work: Work, inputs: Artifacts) -> str | None:
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


def publish(
    work: Work, outputs: Artifacts, takes: Callable[[], Sequence[Take]]
) -> None:
    """Brings what was pushed here to the store, which counts the generations of all runs.

    Args:
      work: Which component.
      outputs: What it made.
      takes: Tells what the voice learned from.
    """
    if PUSHED_MODEL_KEY not in outputs:
        return
    (pushed,) = outputs[PUSHED_MODEL_KEY]
    if pushed.get_int_custom_property(PUSHED_KEY) != 1:
        return
    path = Path(pushed.get_string_custom_property(_DESTINATION_KEY))
    personality = content.read_personality(path)

    def lineage(generation: int) -> bytes | None:
        return pedigrees.write(
            personality,
            takes(),
            store_url=work.personalities_url,
            deu=work.deu,
            generation=generation,
        )

    uri = publish_voice(work.personalities_url, work.deu, path, lineage=lineage)
    if lesson := work.invocation.parameters.get(names.LESSON):
        lessons.keep(uri, lesson, work.parent)
    personality.generation = int(uri.rpartition("/")[2])
    pushed.set_string_custom_property(_DESTINATION_KEY, uri)
    pushed.set_string_custom_property(_VERSION_KEY, str(personality.generation))
    pushed.set_string_custom_property(_UUID_KEY, mlmd_uuid(personality))
    pushed.set_string_custom_property(_DIGEST_KEY, personality.digest)
    pushed.uri = uri


def forget_paths(work: Work, outputs: Artifacts) -> None:
    """Replaces paths of this container by URIs."""
    for (artifact,) in outputs.values():
        artifact.uri = work.local.get(artifact.uri, artifact.uri)
        for key, value in list(artifact.mlmd_artifact.custom_properties.items()):
            if value.string_value in work.local:
                artifact.set_string_custom_property(key, work.local[value.string_value])


def _pushed_voice(work: Work, inputs: Artifacts) -> Path | None:
    """Brings the voice that was pushed."""
    if PUSHED_MODEL_KEY not in inputs:
        return None
    (pushed,) = inputs[PUSHED_MODEL_KEY]
    generation = int(pushed.get_string_custom_property(_VERSION_KEY))
    path = sources.fetch_parent(
        work.personalities_url,
        work.deu,
        sources.Parent(generation, pushed.get_string_custom_property(_DIGEST_KEY)),
        work.scratch,
    )
    work.local[str(path)] = _voice_uri(work, generation)
    return path


def _voice_uri(work: Work, generation: int) -> str:
    return f"{work.personalities_url.rstrip('/')}/{work.deu}/{generation}"
