"""What Kubeflow's launcher hands a container, and what it wants back.

The launcher has replaced `{{$}}` by an ExecutorInput as JSON, has fetched the input artifacts to paths of its own, and
uploads what lies at the paths of the outputs when the container ends well. It then reads an ExecutorOutput as JSON, and
the output parameters, one text file each. Plain `json` is enough for all of it: neither kfp nor its protos need be in
the image.

An artifact comes without its type, and there may be more outputs than the component knows (`executor-logs`): what they
are is taken from the component, never from what came. Its URI stays as Kubeflow has given it, for the launcher uploads
to where it points, and only within the bucket of the run.

Source: kubeflow/pipelines, backend/src/v2/component/launcher_v2.go and backend/src/v2/driver/driver.go.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from amadeus.errors import PracticeError


class GivenArtifact(NamedTuple):
    """An artifact as Kubeflow hands it out.

    Attributes:
      uri: Where it is in the end.
      path: Where it is, or is to be, in this container.
      properties: Numbers and texts.
    """

    uri: str
    path: Path
    properties: dict[str, Any]


class Task(NamedTuple):
    """Which task of which run this is.

    Attributes:
      root: Pipeline root of the run.
      pipeline: Name of its pipeline.
      run_id: Of the run.
      name: Of the task, unique within the run.
      task_id: Of this attempt at the task as the driver counts: retries of a container share it, a run that is
        resumed gets a new one; empty for a Kubeflow that has none.
    """

    root: str
    pipeline: str
    run_id: str
    name: str
    task_id: str


class Folder(NamedTuple):
    """Where a task is at home in the pipeline root.

    Attributes:
      url: Of its folder: attempts at the task share it, and no other task has it.
      task: Its name.
      run_url: Of the folder of its run.
    """

    url: str
    task: str
    run_url: str


@dataclass(frozen=True)
class Invocation:
    """What a container was called with.

    Attributes:
      parameters: Values of the task's inputs.
      inputs: Artifacts, by key.
      outputs: Artifacts to be made, by key.
      parameter_paths: Files for output parameters.
      output_path: File for what is told of outputs.
      output_uris: Where everything goes that Kubeflow keeps of the task, by key: outputs, and its log.
    """

    parameters: Mapping[str, Any]
    inputs: Mapping[str, GivenArtifact]
    outputs: Mapping[str, GivenArtifact]
    parameter_paths: Mapping[str, Path]
    output_path: Path
    output_uris: Mapping[str, str] = field(default_factory=dict)

    def folder(self, pipeline: str) -> "Folder | None":
        """Finds the folder of this task in the pipeline root; None where nothing is told that lies in it.

        A task without artifacts, such as `prepare`, has one where Kubeflow keeps logs.
        """
        for key, uri in self.output_uris.items():
            match = _placed(pipeline, key, uri)
            if match:
                root, run_id, name, _ = match.groups()
                own = uri.rstrip("/").removesuffix(f"/{key}")
                return Folder(own, name, f"{root}/{pipeline}/{run_id}")
        return None

    def task(self, pipeline: str) -> Task:
        """Reads who this is from where its outputs go.

        Kubeflow would tell by placeholders, too, but only as parameters, and a parameter that every run has anew would
        leave nothing in the cache. Outputs go to `ROOT/PIPELINE/RUN/TASK/[ID/]KEY`.

        Raises:
          PracticeError: They go elsewhere.
        """
        for key, output in self.outputs.items():
            match = _placed(pipeline, key, output.uri)
            if match:
                root, run_id, name, task_id = match.groups()
                return Task(root, pipeline, run_id, name, task_id or "")
        raise PracticeError(
            f"the outputs of this container go nowhere that names a run of {pipeline}: compile the practice again with "
            "this release, and run it on Kubeflow Pipelines 2.0 or later."
        )


def read_invocation(
    executor_input: str,
    *,
    input_paths: Mapping[str, str],
    output_paths: Mapping[str, str],
) -> Invocation:
    """Reads what came in place of `{{$}}`.

    Args:
      executor_input: An ExecutorInput as JSON.
      input_paths: Where the launcher has put inputs, by key.
      output_paths: Where it wants outputs, by key; others that it has in mind are passed over.

    Raises:
      PracticeError: It is none.
    """
    try:
        given = json.loads(executor_input)
        inputs, outputs = given.get("inputs", {}), given["outputs"]
        return Invocation(
            inputs.get("parameterValues", {}),
            _artifacts(inputs, input_paths),
            _artifacts(outputs, output_paths),
            {
                key: Path(parameter["outputFile"])
                for key, parameter in outputs.get("parameters", {}).items()
            },
            Path(outputs["outputFile"]),
            {
                key: listed["artifacts"][0]["uri"]
                for key, listed in outputs.get("artifacts", {}).items()
                if listed.get("artifacts")
            },
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PracticeError(
            f"this container was not called as Kubeflow Pipelines v2 calls one ({type(error).__name__}: {error}): run "
            "it by a compiled practice, with `--executor-input '{{$}}'`."
        ) from error


def write_artifacts(
    invocation: Invocation, properties: Mapping[str, Mapping[str, Any]]
) -> None:
    """Tells the launcher what the outputs are; where, it knows.

    Args:
      invocation: What the container was called with.
      properties: Numbers and texts of each output.
    """
    artifacts = {
        key: {
            "artifacts": [
                {
                    "name": key,
                    "uri": invocation.outputs[key].uri,
                    "metadata": dict(known),
                }
            ]
        }
        for key, known in properties.items()
    }
    _write(invocation.output_path, json.dumps({"artifacts": artifacts}))


def write_parameters(invocation: Invocation, values: Mapping[str, Any]) -> None:
    """Hands out output parameters: a text as it is, anything else as JSON."""
    for key, path in invocation.parameter_paths.items():
        value = values[key]
        _write(path, value if isinstance(value, str) else json.dumps(value))


def _placed(pipeline: str, key: str, uri: str) -> re.Match[str] | None:
    """Takes the URI of an output apart: root, run, task and, where there is one, id."""
    pattern = (
        rf"(.+)/{re.escape(pipeline)}/([^/]+)/([^/]+)/(?:([^/]+)/)?{re.escape(key)}/?"
    )
    return re.fullmatch(pattern, uri)


def _artifacts(
    side: Mapping[str, Any], paths: Mapping[str, str]
) -> dict[str, GivenArtifact]:
    found = {}
    for key, listed in side.get("artifacts", {}).items():
        artifacts = listed.get("artifacts", [])
        if key in paths and artifacts:
            one = artifacts[0]
            properties = one.get("metadata") or {}
            found[key] = GivenArtifact(one["uri"], Path(paths[key]), properties)
    missing = sorted(paths.keys() - found.keys())
    if missing:
        raise KeyError(f"artifacts {', '.join(missing)}")
    return found


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
