"""Compiles a practice for Kubeflow Pipelines v2: pipeline IR, schema 2.1.0, and its platform's second document.

The pipeline is that of `pipelines.imitation`, walked node by node; TFX's own KubeflowV2DagRunner is not used. What it
writes, open-source Kubeflow does not run (Resolver nodes, drivers before the cache, importers of types with properties,
schema 2.0.0), and each of these would have to be patched out of it again; what is left to write ourselves is a page of
dictionaries in the documented form of `pipeline_spec.proto`, which it is parsed by before it leaves here.

Beside the components of TFX there is one task more, `prepare`, which is never cached: it looks at the recordings and
at the parent, and hands on *what they are* as parameters. That is how Kubeflow's cache, which knows parameters and
names of artifacts, comes to know the content of the recordings and the digest of the parent.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from kfp.pipeline_spec import pipeline_spec_pb2
from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.components.base import base_beam_executor, base_component
from tfx.types import channel

import amadeus
from amadeus.personality import profiles
from components import artifacts
from components.audio_example_gen.driver import RECORDINGS_KEY
from components.pusher.executor import PUSH_DESTINATION_KEY
from components.trainer.executor import CHECKPOINTS_PATH_KEY
from pipelines import feedback, imitation, tuning
from pipelines.kubeflow import names
from pipelines.kubeflow.attempts import RETRIES_VARIABLE
from pipelines.kubeflow.package import Package
from pipelines.kubeflow.platform import platform_of
from pipelines.kubeflow.resources import ContainerResources, Resources

SCHEMA_VERSION = "2.1.0"
COMMAND = ("python", "-m", "pipelines.kubeflow.entrypoint")

# What names a place on the machine that a component runs on: its container knows.
_PLACES = {CHECKPOINTS_PATH_KEY, PUSH_DESTINATION_KEY, RECORDINGS_KEY}
_UNCACHED = {"Pusher", "PersonalityWriter"}  # what they do is seen outside of the run

_Spec = dict[str, Any]


def compile_practice(
    request: feedback.Request,
    *,
    pipeline_root: str,
    image: str,
    resources: Resources | None = None,
) -> Package:
    """Compiles a practice.

    What the request says of recordings, practice and parent is the default of the pipeline's inputs; see `names`.

    Args:
      request: What is asked for.
      pipeline_root: Where Kubeflow puts artifacts: `gs://`, `s3://` or `minio://`.
      image: Container image with this package in it.
      resources: What the containers are given.
    """
    given = resources or Resources()
    nodes = list(_nodes(request, pipeline_root))
    prepare = _prepare(request)
    tasks = [prepare, *(_task_of(node, request) for node in nodes)]
    prepare.env |= _granted({t.name: given.of(t.component_id).retries for t in tasks})
    pipeline = {
        "components": {f"comp-{task.name}": task.component for task in tasks},
        "defaultPipelineRoot": pipeline_root,
        "deploymentSpec": {
            "executors": {
                f"exec-{task.name}": {
                    "container": _container(task, image, given.of(task.component_id))
                }
                for task in tasks
            }
        },
        "pipelineInfo": {
            "name": names.pipeline_name(request.deu),
            "description": f"Teaches {request.deu} to sound like recordings.",
        },
        "root": {
            "dag": {
                "tasks": {
                    task.name: _in_dag(task, given.of(task.component_id))
                    for task in tasks
                }
            },
            "inputDefinitions": {"parameters": _inputs(request)},
        },
        "schemaVersion": SCHEMA_VERSION,
        "sdkVersion": f"amadeus-{amadeus.__version__}",
    }
    json_format.ParseDict(pipeline, pipeline_spec_pb2.PipelineSpec())
    given_by_label = {
        f"exec-{task.name}": given.of(task.component_id) for task in tasks
    }
    return Package(pipeline, platform_of(given_by_label))


class _Task:
    """A task on its way into the IR: its component, what goes into it, and what its container is told."""

    def __init__(self, component_id: str) -> None:
        self.component_id = component_id
        self.name = names.task_name(component_id)
        self.cached = True
        self.arguments: list[str] = []
        self.env: dict[str, str] = {}
        self.inputs: _Spec = {}
        self.after: set[str] = set()
        self.component: _Spec = {"executorLabel": f"exec-{self.name}"}

    def parameter(self, key: str, kind: str, source: _Spec) -> None:
        self._define("inputDefinitions", "parameters", key, {"parameterType": kind})
        self.inputs.setdefault("parameters", {})[key] = source
        self._come_after(source.get("taskOutputParameter"))

    def artifact(self, key: str, title: str, source: _Spec) -> None:
        self._define("inputDefinitions", "artifacts", key, _artifact(title))
        self.inputs.setdefault("artifacts", {})[key] = source
        self._come_after(source.get("taskOutputArtifact"))
        place = f"{{{{$.inputs.artifacts['{key}'].path}}}}"
        self.arguments += ["--input-path", key, place]

    def makes_parameter(self, key: str, kind: str) -> None:
        self._define("outputDefinitions", "parameters", key, {"parameterType": kind})

    def makes_artifact(self, key: str, title: str) -> None:
        self._define("outputDefinitions", "artifacts", key, _artifact(title))
        place = f"{{{{$.outputs.artifacts['{key}'].path}}}}"
        self.arguments += ["--output-path", key, place]

    def _define(self, side: str, kind: str, key: str, definition: _Spec) -> None:
        self.component.setdefault(side, {}).setdefault(kind, {})[key] = definition

    def _come_after(self, source: _Spec | None) -> None:
        if source:
            self.after.add(source["producerTask"])


def _nodes(
    request: feedback.Request, pipeline_root: str
) -> Iterable[base_component.BaseComponent]:
    """Lays the pipeline; places in it are left out of what is compiled."""
    config = imitation.ImitationConfig(
        deu=request.deu,
        recordings=request.recordings,
        learner_profile=profiles.complete_learner_profile(request.learner_profile),
        voices_path=Path("voices"),
        pipeline_root=Path("root"),
        metadata=metadata_store_pb2.ConnectionConfig(),
        player_profile=tuning.player_profile(request),
        taste=feedback.taste(request),
    )
    return imitation.create_pipeline(config).components


def _prepare(request: feedback.Request) -> _Task:
    task = _Task(names.PREPARE_TASK)
    task.cached = False
    task.arguments += [*_whose(request), "--settings", _settings(request)]
    for key, kind in (
        (names.RECORDINGS, "LIST"),
        (names.RECORDING_NAMES, "LIST"),
        (names.PARENT_GENERATION, "NUMBER_INTEGER"),
        (names.PERSONALITIES_URL, "STRING"),
    ):
        task.parameter(key, kind, _from_run(key))
    for key, kind in (
        (names.FINGERPRINT, "STRING"),
        (names.LESSON, "STRING"),
        (names.PARENT_GENERATION, "NUMBER_INTEGER"),
        (names.PARENT_DIGEST, "STRING"),
    ):
        task.makes_parameter(key, kind)
    return task


def _settings(request: feedback.Request) -> str:
    """Digests what is taught, but for what each run may set anew."""
    taught = type(request)()
    taught.CopyFrom(request)
    for field in ("recordings", "practice", "parent_generation", "beam_arg"):
        taught.ClearField(field)
    text = json_format.MessageToJson(taught, indent=None, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _granted(retries: dict[str, int]) -> dict[str, str]:
    granted = {name: number for name, number in retries.items() if number}
    return {RETRIES_VARIABLE: json.dumps(granted, sort_keys=True)} if granted else {}


def _whose(request: feedback.Request) -> list[str]:
    return [
        "--deu", request.deu, "--pipeline", names.pipeline_name(request.deu),
    ]  # fmt: skip


def _task_of(node: base_component.BaseComponent, request: feedback.Request) -> _Task:
    task = _Task(node.id)
    task.cached = node.id not in _UNCACHED
    kind = type(node)
    task.arguments += ["--component", f"{kind.__module__}.{kind.__qualname__}"]
    task.arguments += _whose(request)
    if issubclass(
        node.EXECUTOR_SPEC.executor_class, base_beam_executor.BaseBeamExecutor
    ):
        # in one word: an option for Beam looks like one of the container's
        task.arguments += [f"--beam-arg={arg}" for arg in request.beam_arg]
    for key, value in node.exec_properties.items():
        if key not in _PLACES and value is not None:
            task.parameter(key, *_constant(value, node.spec.PARAMETERS[key].type))
    for key, source in node.inputs.items():
        task.artifact(key, _title(source.type), _from_task(source))
    _tell_of_run(task, node)
    for key, made in node.outputs.items():
        task.makes_artifact(key, _title(made.type))
    return task


def _tell_of_run(task: _Task, node: base_component.BaseComponent) -> None:
    """Hands on what `prepare` found, and where things are, to who wants to know."""
    if RECORDINGS_KEY in node.spec.PARAMETERS:
        task.parameter(names.RECORDINGS, "LIST", _from_run(names.RECORDINGS))
        task.parameter(names.RECORDING_NAMES, "LIST", _from_run(names.RECORDING_NAMES))
        task.parameter(names.FINGERPRINT, "STRING", _from_prepare(names.FINGERPRINT))
    has_parent = any(
        wanted.type is artifacts.Personality for wanted in node.spec.INPUTS.values()
    )
    is_pusher = PUSH_DESTINATION_KEY in node.spec.PARAMETERS
    if is_pusher:
        task.parameter(names.LESSON, "STRING", _from_prepare(names.LESSON))
    if has_parent or is_pusher:
        task.parameter(
            names.PARENT_GENERATION,
            "NUMBER_INTEGER",
            _from_prepare(names.PARENT_GENERATION),
        )
        task.parameter(
            names.PARENT_DIGEST, "STRING", _from_prepare(names.PARENT_DIGEST)
        )
    if has_parent or node.id in _UNCACHED:
        task.parameter(
            names.PERSONALITIES_URL, "STRING", _from_run(names.PERSONALITIES_URL)
        )
    if node.id in _UNCACHED:
        task.parameter(names.PRACTICE, "STRING", _from_run(names.PRACTICE))
    task.parameter(names.METADATA_URL, "STRING", _from_run(names.METADATA_URL))


def _constant(value: Any, kind: type) -> tuple[str, _Spec]:
    """Writes a parameter that is known now: its type, and where it comes from."""
    if isinstance(kind, type) and issubclass(kind, Message):
        text = value if isinstance(value, str) else _proto_json(value, kind)
        return "STRING", {"runtimeValue": {"constant": text}}
    types = {str: "STRING", int: "NUMBER_INTEGER", float: "NUMBER_DOUBLE"}
    return types[kind], {"runtimeValue": {"constant": value}}


def _proto_json(value: Any, kind: type[Message]) -> str:
    """Reads the message that TFX has wrapped into a placeholder."""
    message = kind()
    value.encode().operator.make_proto_op.base.Unpack(message)
    return json_format.MessageToJson(
        message, indent=None, preserving_proto_field_name=True, sort_keys=True
    )


def _title(kind: type) -> str:
    """Names a type so that it can be found again: `tfx.Examples`, `amadeus.Personality`."""
    return kind.TYPE_NAME if "." in kind.TYPE_NAME else f"tfx.{kind.TYPE_NAME}"


def _artifact(title: str) -> _Spec:
    return {"artifactType": {"schemaTitle": title, "schemaVersion": "0.0.1"}}


def _from_run(key: str) -> _Spec:
    return {"componentInputParameter": key}


def _from_prepare(key: str) -> _Spec:
    return {
        "taskOutputParameter": {
            "producerTask": names.PREPARE_TASK,
            "outputParameterKey": key,
        }
    }


def _from_task(source: channel.OutputChannel) -> _Spec:
    return {
        "taskOutputArtifact": {
            "producerTask": names.task_name(source.producer_component_id),
            "outputArtifactKey": source.output_key,
        }
    }


def _container(task: _Task, image: str, given: ContainerResources) -> _Spec:
    container: _Spec = {
        "image": image,
        "command": list(COMMAND),
        "args": [*task.arguments, "--executor-input", "{{$}}"],
    }
    env = {**given.env, **task.env}
    if env:
        container["env"] = [
            {"name": name, "value": value} for name, value in sorted(env.items())
        ]
    if resources := _resources(given):
        container["resources"] = resources
    return container


def _resources(given: ContainerResources) -> _Spec:
    written: _Spec = {}
    for key, quantity in (
        ("resourceCpuLimit", given.cpu_limit),
        ("resourceCpuRequest", given.cpu_request),
        ("resourceMemoryLimit", given.memory_limit),
        ("resourceMemoryRequest", given.memory_request),
    ):
        if quantity is not None:
            written[key] = quantity
    if given.gpu is not None:
        written["accelerator"] = {
            "resourceType": given.gpu,
            "resourceCount": str(given.gpu_count),
        }
    return written


def _in_dag(task: _Task, given: ContainerResources) -> _Spec:
    placed: _Spec = {
        "cachingOptions": {"enableCache": True} if task.cached else {},
        "componentRef": {"name": f"comp-{task.name}"},
        "taskInfo": {"name": task.name},
        "inputs": task.inputs,
    }
    if task.after:
        placed["dependentTasks"] = sorted(task.after)
    if given.retries:
        placed["retryPolicy"] = {
            "maxRetryCount": given.retries,
            "backoffDuration": f"{given.retry_backoff_s}s",
            "backoffFactor": given.retry_backoff_factor,
            "backoffMaxDuration": f"{given.retry_backoff_max_s}s",
        }
    return placed


def _inputs(request: feedback.Request) -> _Spec:
    defaults: tuple[tuple[str, str, Any], ...] = (
        (names.RECORDINGS, "LIST", list(request.recordings.uri)),
        (names.RECORDING_NAMES, "LIST", list(request.recordings.name)),
        (names.PRACTICE, "STRING", request.practice),
        (names.PARENT_GENERATION, "NUMBER_INTEGER", request.parent_generation),
        (names.METADATA_URL, "STRING", ""),
        (names.PERSONALITIES_URL, "STRING", ""),
    )
    return {
        key: {"parameterType": kind, "defaultValue": default, "isOptional": True}
        for key, kind, default in defaults
    }
