"""Kubeflow Pipelines v2 without a cluster: what its driver and its launcher do, with processes for containers.

    driver    reads the compiled YAML by KFP's own protos, resolves the inputs of a task, provisions its outputs, asks
              the cache (fingerprint as in backend/src/v2/cacheutils/cache.go)
    launcher  brings input artifacts from the bucket to paths of a pod that is new at every attempt, replaces
              placeholders, runs command and args, reads what the container has written, brings outputs to the bucket

Facts from kubeflow/pipelines, backend/src/v2/{driver,component,cacheutils,objectstore}, releases 2.14 to 2.16: input
artifacts have no type, their name is a number; `executor-logs` is an output that no component declares; only files are
stored, so an empty folder is lost; what an upload meets of another bucket is an error.
"""

import hashlib
import itertools
import json
import os
import shutil
import sys
import uuid
from pathlib import Path

import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2 as spec_pb2

from amadeus.stores import open_store
from amadeus.stores.folders import digest_file
from pipelines.kubeflow.telling import read_events
from tests import processes

LOGS = "executor-logs"
_LOCAL = {"gs": "gcs", "s3": "s3", "minio": "minio"}
_VENV = str(Path(sys.executable).parent)


class RunFailed(Exception):
    """A task has failed as often as it may."""

    def __init__(self, run, task):
        super().__init__(f"{task} failed:\n{run.log(task)[-3000:]}")
        self.run, self.task = run, task


class Run:
    """What a run has done."""

    def __init__(self, run_id, folder):
        self.run_id, self.folder = run_id, folder
        self.cached, self.executed = [], []
        self.attempts = {}
        self.parameters, self.artifacts = {}, {}

    def log(self, task):
        """The logs of all attempts at a task."""
        logs = sorted(self.folder.glob(f"{task}-*.log"))
        return "".join(path.read_text() for path in logs)


class Cluster:
    """A namespace with Kubeflow Pipelines in it.

    Args:
      folder: For pods and logs.
      root: Pipeline root, in a bucket.
      environment: Of every container: what its secrets hold, and where emulators are.
      publish_logs: Whether logs are an artifact, as of KFP 2.5.

    Attributes:
      lost: Task and attempt of each pod whose node is taken away when its container has ended, and nothing is uploaded.
    """

    def __init__(self, folder, root, environment, *, publish_logs=True):
        self.folder, self.root, self.environment = folder, root, environment
        self.publish_logs = publish_logs
        self.lost = set()
        self._cache = {}
        self._numbers = itertools.count(1)

    def run(self, text, arguments=None, *, watch=None, resume=None):
        """Runs a package.

        Args:
          text: YAML of the package.
          arguments: Inputs of the run.
          watch: Is given task, attempt and process of each container that is started.
          resume: A run that has failed; what it has done is not done again.
        """
        pipeline, platform = read_package(text)
        run = resume or Run(str(uuid.uuid4()), self.folder / uuid.uuid4().hex)
        run.folder.mkdir(parents=True, exist_ok=True)
        given = _root_inputs(pipeline, arguments or {})
        for name, task in _in_order(pipeline.root.dag.tasks):
            if name not in run.parameters:
                _Step(self, run, pipeline, platform, name, task, given).do(watch)
        return run


class _Step:
    """One task of one run."""

    def __init__(self, cluster, run, pipeline, platform, name, task, given):
        self.cluster, self.run, self.pipeline = cluster, run, pipeline
        self.name, self.task, self.given = name, task, given
        self.component = pipeline.components[task.component_ref.name]
        executors = pipeline.deployment_spec["executors"]
        self.container = executors[self.component.executor_label]["container"]
        self.seconds = platform.get(self.component.executor_label, {}).get(
            "activeDeadlineSeconds"
        )

    def do(self, watch):
        executor_input = self._resolve()
        self._provision(executor_input)
        fingerprint = self._fingerprint(executor_input)
        caching = self.task.caching_options.enable_cache
        if caching and fingerprint in self.cluster._cache:
            self._publish(*self.cluster._cache[fingerprint])
            self.run.cached.append(self.name)
            return
        for _ in range(self.task.retry_policy.max_retry_count + 1):
            self.run.attempts[self.name] = self.run.attempts.get(self.name, 0) + 1
            done = _Pod(self, executor_input, self.run.attempts[self.name]).run(watch)
            if done is not None:
                self._publish(*done)
                self.run.executed.append(self.name)
                if caching:
                    self.cluster._cache[fingerprint] = done
                return
        raise RunFailed(self.run, self.name)

    def _publish(self, parameters, artifacts):
        self.run.parameters[self.name] = parameters
        self.run.artifacts[self.name] = artifacts

    def _resolve(self):
        executor_input = spec_pb2.ExecutorInput()
        inputs = executor_input.inputs
        declared = self.component.input_definitions
        for key, source in self.task.inputs.parameters.items():
            assert key in declared.parameters, f"{self.name} declares no {key}"
            value = self._parameter(source)
            _check_type(declared.parameters[key].parameter_type, value, key)
            json_format.ParseDict(value, inputs.parameter_values[key])
        for key, source in self.task.inputs.artifacts.items():
            assert key in declared.artifacts, f"{self.name} declares no {key}"
            origin = source.task_output_artifact
            self._depends_on(origin.producer_task)
            made = self.run.artifacts[origin.producer_task][origin.output_artifact_key]
            inputs.artifacts[key].artifacts.add().CopyFrom(made)
        missing = set(declared.parameters) - set(inputs.parameter_values)
        assert not missing, f"{self.name} is not told {missing}"
        return executor_input

    def _parameter(self, source):
        kind = source.WhichOneof("kind")
        if kind == "component_input_parameter":
            return self.given[source.component_input_parameter]
        if kind == "runtime_value":
            return json_format.MessageToDict(source.runtime_value.constant)
        origin = source.task_output_parameter
        self._depends_on(origin.producer_task)
        return self.run.parameters[origin.producer_task][origin.output_parameter_key]

    def _depends_on(self, producer):
        assert producer in self.task.dependent_tasks, f"{self.name} lists no {producer}"

    def _provision(self, executor_input):
        outputs = executor_input.outputs
        place = "/".join(
            (
                self.cluster.root,
                self.pipeline.pipeline_info.name,
                self.run.run_id,
                self.name,
                str(uuid.uuid4()),
            )
        )
        for key, definition in self.component.output_definitions.artifacts.items():
            artifact = outputs.artifacts[key].artifacts.add()
            artifact.name, artifact.uri = key, f"{place}/{key}"
            artifact.type.CopyFrom(definition.artifact_type)
        if self.cluster.publish_logs:
            logs = outputs.artifacts[LOGS].artifacts.add()
            logs.name, logs.uri = LOGS, f"{place}/{LOGS}"
            logs.type.schema_title = "system.Artifact"
        for key in self.component.output_definitions.parameters:
            outputs.parameters[key].output_file = f"/tmp/kfp/outputs/{key}"
        outputs.output_file = "/tmp/kfp_outputs/output_metadata.json"

    def _fingerprint(self, executor_input):
        inputs, outputs = executor_input.inputs, executor_input.outputs
        key = {
            "artifacts": {
                name: [a.name for a in listed.artifacts]
                for name, listed in inputs.artifacts.items()
            },
            "parameters": {
                name: json_format.MessageToDict(value)
                for name, value in inputs.parameter_values.items()
            },
            "outputs": {
                name: json_format.MessageToDict(listed.artifacts[0].type)
                for name, listed in outputs.artifacts.items()
            },
            "container": json_format.MessageToDict(self.container),
            "pipeline": self.pipeline.pipeline_info.name,
        }
        for given in ("resources",):
            key["container"].pop(given, None)
        return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()


class _Pod:
    """One attempt at a task: a disk of its own, gone with it."""

    def __init__(self, step, executor_input, attempt):
        self.step, self.attempt = step, attempt
        self.disk = step.run.folder / f"{step.name}-{attempt}"
        self.disk.mkdir()
        self.executor_input = spec_pb2.ExecutorInput()
        self.executor_input.CopyFrom(executor_input)
        outputs = self.executor_input.outputs
        for parameter in outputs.parameters.values():
            parameter.output_file = f"{self.disk}{parameter.output_file}"
        outputs.output_file = f"{self.disk}{outputs.output_file}"

    def run(self, watch):
        try:
            self._download()
            self._make_folders()
            if self._execute(watch) != 0:
                return None
            if (self.step.name, self.attempt) in self.step.cluster.lost:
                return None
            return self._collect()
        finally:
            shutil.rmtree(self.disk)

    def path(self, uri):
        scheme, _, rest = uri.partition("://")
        return self.disk / _LOCAL[scheme] / rest

    def _download(self):
        for listed in self.executor_input.inputs.artifacts.values():
            uri = listed.artifacts[0].uri
            download(uri, self.path(uri))

    def _make_folders(self):
        outputs = self.executor_input.outputs
        files = [Path(p.output_file) for p in outputs.parameters.values()]
        files += [self.path(a.artifacts[0].uri) for a in outputs.artifacts.values()]
        for path in (*files, Path(outputs.output_file)):
            path.parent.mkdir(parents=True, exist_ok=True)

    def _execute(self, watch):
        container = self.step.container
        words = [*container["command"], *container["args"]]
        replaced = [self._replace(word) for word in words]
        log_path = self.step.run.folder / f"{self.step.name}-{self.attempt:02}.log"
        environment = {
            "PATH": f"{_VENV}:{os.environ['PATH']}",
            "PYTHONPATH": str(Path(__file__).parents[3]),
            "TMPDIR": str(self._made("tmp")),
            "HOME": str(self._made("home")),
            # as an image has it: its fonts are not listed anew by every container
            "MPLCONFIGDIR": str(self.step.cluster.folder / "fonts"),
            **self.step.cluster.environment,
            **{e["name"]: e["value"] for e in dict(container).get("env", [])},
        }
        with log_path.open("wb") as log:
            process = processes.start(
                replaced,
                stdout=log,
                stderr=log,
                env=environment,
                cwd=self.disk,
            )
            try:
                if watch is not None:
                    watch(self.step.name, self.attempt, process)
                status = process.wait(timeout=self.step.seconds or 1800)
            finally:  # no container outlives its run
                process.kill()
                process.wait()
        if self.step.cluster.publish_logs:
            logs = self.executor_input.outputs.artifacts[LOGS].artifacts[0]
            shutil.copy(log_path, self.path(logs.uri))
        return status

    def _made(self, name):
        path = self.disk / name
        path.mkdir(exist_ok=True)
        return path

    def _replace(self, word):
        for placeholder, text in self._placeholders().items():
            word = word.replace(placeholder, text)
        assert "{{$" not in word.replace(self._whole(), ""), f"{word} was not replaced"
        return word

    def _whole(self):
        return json_format.MessageToJson(self.executor_input, indent=None)

    def _placeholders(self):
        found = {"{{$}}": self._whole()}
        sides = {
            "inputs": self.executor_input.inputs.artifacts,
            "outputs": self.executor_input.outputs.artifacts,
        }
        for side, artifacts in sides.items():
            for key, listed in artifacts.items():
                uri = listed.artifacts[0].uri
                found[f"{{{{$.{side}.artifacts['{key}'].uri}}}}"] = uri
                found[f"{{{{$.{side}.artifacts['{key}'].path}}}}"] = str(self.path(uri))
        return found

    def _collect(self):
        outputs = self.executor_input.outputs
        told = spec_pb2.ExecutorOutput()
        if Path(outputs.output_file).exists():  # strict: an unknown field is an error
            json_format.Parse(Path(outputs.output_file).read_text(), told)
        declared = self.step.component.output_definitions
        parameters = {
            key: _parse(
                Path(outputs.parameters[key].output_file).read_text(),
                definition.parameter_type,
            )
            for key, definition in declared.parameters.items()
        }
        artifacts = {}
        for key, listed in outputs.artifacts.items():
            artifact = listed.artifacts[0]
            if key in told.artifacts:
                made = told.artifacts[key].artifacts[0]
                artifact.uri = made.uri or artifact.uri
                artifact.metadata.MergeFrom(made.metadata)
            assert artifact.uri.startswith(self.step.cluster.root), "another bucket"
            upload(self.path(artifact.uri), artifact.uri)
            recorded = spec_pb2.RuntimeArtifact(uri=artifact.uri)
            recorded.name = str(next(self.step.cluster._numbers))  # and no type
            recorded.metadata.CopyFrom(artifact.metadata)
            recorded.metadata["store_session_info"] = '{"Provider": "minio"}'
            artifacts[key] = recorded
        return parameters, artifacts


def last_words(log):
    """What a container said of its failure; None where it died without a word."""
    words = [event.failed for event in read_events([log]) if event.HasField("failed")]
    return words[-1] if words else None


def read_package(text):
    """Reads a package as the API server does; returns the pipeline and the executors of its platform."""
    documents = list(yaml.safe_load_all(text))
    pipeline = json_format.ParseDict(documents[0], spec_pb2.PipelineSpec())
    assert pipeline.schema_version == "2.1.0"
    assert pipeline.pipeline_info.name
    assert pipeline.HasField("root")
    platform = spec_pb2.PlatformSpec()
    if documents[1:]:
        json_format.ParseDict(documents[1], platform)
    executors = json_format.MessageToDict(
        platform.platforms["kubernetes"].deployment_spec
    )
    return pipeline, executors.get("executors", {})


def upload(path, uri):
    """Brings a file or the files of a folder to a bucket; there are no empty folders."""
    store = open_store(uri.rpartition("/")[0])
    name = uri.rpartition("/")[2]
    if path.is_file():
        store.upload(path, name, sha256=digest_file(path))
        return
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        key = f"{name}/{file.relative_to(path).as_posix()}"
        store.upload(file, key, sha256=digest_file(file))


def download(uri, path):
    """Brings what is below a URI to a path."""
    for entry in open_store(uri).list():
        target = path / entry.key
        target.parent.mkdir(parents=True, exist_ok=True)
        open_store(uri).download(entry.key, target, max_bytes=1 << 30)


def _root_inputs(pipeline, arguments):
    declared = pipeline.root.input_definitions.parameters
    unknown = set(arguments) - set(declared)
    assert not unknown, f"the pipeline has no inputs {unknown}"
    given = {}
    for key, definition in declared.items():
        default = json_format.MessageToDict(definition.default_value)
        given[key] = arguments.get(key, default)
        _check_type(definition.parameter_type, given[key], key)
    return given


def _in_order(tasks):
    done, waiting = set(), dict(tasks)
    while waiting:
        ready = [n for n, t in waiting.items() if set(t.dependent_tasks) <= done]
        assert ready, f"a circle among {sorted(waiting)}"
        for name in sorted(ready):
            yield name, waiting.pop(name)
            done.add(name)


def _check_type(kind, value, key):
    named = spec_pb2.ParameterType.ParameterTypeEnum.Name(kind)
    fits = {
        "STRING": lambda: isinstance(value, str),
        "NUMBER_INTEGER": lambda: (
            isinstance(value, int | float) and value == int(value)
        ),
        "NUMBER_DOUBLE": lambda: isinstance(value, int | float),
        "LIST": lambda: isinstance(value, list),
    }
    assert fits[named](), f"{key}={value!r} is no {named}"


def _parse(text, kind):
    named = spec_pb2.ParameterType.ParameterTypeEnum.Name(kind)
    value = text if named == "STRING" else json.loads(text)
    _check_type(kind, value, "an output")
    return value
