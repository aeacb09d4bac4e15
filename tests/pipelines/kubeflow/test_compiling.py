"""What is compiled: by KFP's own protos, and of the shape that KFP's own compiler gives the like."""

import json

import pytest
import yaml
from google.protobuf import json_format
from kfp import compiler, dsl
from kfp import kubernetes as k8s
from kfp.kubernetes import kubernetes_executor_config_pb2 as executor_pb2
from tfx.types import standard_artifacts

from amadeus.v1 import practice_pb2
from components import artifacts
from pipelines import imitation, runner
from pipelines.kubeflow import entrypoint, names, resources
from pipelines.kubeflow.compiling import compile_practice
from pipelines.kubeflow.resources import parse_resources
from tests.pipelines.kubeflow.cluster import read_package

ROOT, IMAGE = "gs://bucket/root", "amadeus/practice:1"
GIVEN = {
    "defaults": {
        "retries": 3,
        "timeout_s": 60,
        "secrets": [
            {"name": "bucket", "key": "access", "env": "AWS_ACCESS_KEY_ID"},
            {"name": "bucket", "key": "secret", "env": "AWS_SECRET_ACCESS_KEY"},
            {"name": "tls", "path": "/etc/tls"},
        ],
        "image_pull_secrets": ["registry"],
    },
    "components": {
        "Trainer": {
            "cpu_request": "500m",
            "cpu_limit": 2,
            "memory_request": "1Gi",
            "memory_limit": "4Gi",
            "gpu": "nvidia.com/gpu",
            "node_selector": {"pool": "gpu"},
            "tolerations": [
                {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}
            ],
            "shared_memory": "2Gi",
            "volumes": [{"claim": "recordings", "path": "/recordings"}],
            "env": {"OMP_NUM_THREADS": "4"},
        }
    },
}


def request(**fields):
    given = {"deu": "my_cello", "practice": "1", "recordings": {"uri": ["gs://b/c"]}}
    return practice_pb2.ImitationRequest(**given | fields)


def compiled(given=None, **fields):
    return compile_practice(
        request(**fields),
        pipeline_root=ROOT,
        image=IMAGE,
        resources=parse_resources(given or {}),
    )


@pytest.fixture(scope="module")
def package():
    return compiled(GIVEN)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """The like of a practice, compiled by kfp: an uncached task, and one that is given all there is."""

    @dsl.container_component
    def prepare(recordings: list, parent_generation: int, mark: dsl.OutputPath(str)):
        return dsl.ContainerSpec(image=IMAGE, command=["x"], args=[mark])

    @dsl.container_component
    def make(recordings: list, mark: str, made: dsl.Output[dsl.Dataset]):
        return dsl.ContainerSpec(image=IMAGE, command=["x"], args=[made.path])

    @dsl.container_component
    def use(given: dsl.Input[dsl.Dataset], mark: str, made: dsl.Output[dsl.Model]):
        return dsl.ContainerSpec(image=IMAGE, command=["x"], args=["--a", made.path])

    @dsl.pipeline(name="imitation", description="d", pipeline_root=ROOT)
    def practice(
        recordings: list = ["a"],  # noqa: B006
        parent_generation: int = 0,
        url: str = "",
    ):
        first = prepare(recordings=recordings, parent_generation=parent_generation)
        first.set_caching_options(False)
        second = make(recordings=recordings, mark=first.outputs["mark"])
        task = use(given=second.outputs["made"], mark="a constant")
        task.set_cpu_limit("2").set_cpu_request("500m").set_env_variable("A", "b")
        task.set_memory_limit("4Gi").set_memory_request("1Gi")
        task.set_accelerator_type("nvidia.com/gpu").set_accelerator_limit(1)
        task.set_retry(3, "30s", 2, "600s")
        k8s.use_secret_as_env(task, "bucket", {"access": "A"})
        k8s.use_secret_as_volume(task, "tls", "/etc/tls")
        k8s.mount_pvc(task, "recordings", "/recordings")
        k8s.add_node_selector(task, "pool", "gpu")
        k8s.add_toleration(task, "gpu", "Exists", effect="NoSchedule")
        k8s.empty_dir_mount(task, "shared-memory", "/dev/shm", "Memory", "2Gi")
        k8s.set_timeout(task, 60)
        k8s.set_image_pull_secrets(task, ["registry"])

    path = tmp_path_factory.mktemp("kfp") / "practice.yaml"
    compiler.Compiler().compile(practice, str(path))
    return list(yaml.safe_load_all(path.read_text()))


# Below these, keys are names and not parts of the format.
NAMED = {
    *("components", "executors", "tasks", "parameters", "artifacts", "labels"),
}


def shape(value, path=""):
    """Lists where values stand in a document, and of which kind they are, whatever things are called."""
    if isinstance(value, dict):
        is_named = path.rpartition(".")[2] in NAMED
        for key, below in value.items():
            yield from shape(below, f"{path}.{'*' if is_named else key}")
    elif isinstance(value, list):
        for below in value:
            yield from shape(below, f"{path}[]")
    else:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        yield f"{path}: {'number' if number else type(value).__name__}"


def test_every_value_stands_where_the_compiler_of_kfp_puts_the_like(package, theirs):
    ours = list(yaml.safe_load_all(package.to_yaml()))
    foreign = set(shape(ours[0])) - set(shape(theirs[0]))
    # a list or a number as a default, and a constant, may be of any kind
    assert {f for f in foreign if ".defaultValue" not in f} == set()
    assert set(shape(ours[1])) - set(shape(theirs[1])) == set()


def test_what_is_asked_of_kubernetes_is_in_its_own_proto(package):
    _, platform = read_package(package.to_yaml())
    trainer = json_format.ParseDict(
        platform["exec-trainer"], executor_pb2.KubernetesExecutorConfig()
    )
    assert trainer.node_selector.labels == {"pool": "gpu"}
    assert trainer.active_deadline_seconds == 60
    assert [one.effect for one in trainer.tolerations] == ["NoSchedule"]
    assert trainer.empty_dir_mounts[0].mount_path == "/dev/shm"
    assert trainer.pvc_mount[0].constant == "recordings"
    (secret,) = trainer.secret_as_env
    assert secret.secret_name == "bucket"
    assert {pair.env_var: pair.secret_key for pair in secret.key_to_env} == {
        "AWS_ACCESS_KEY_ID": "access",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }
    assert trainer.secret_as_volume[0].mount_path == "/etc/tls"
    assert trainer.image_pull_secret[0].secret_name == "registry"
    assert len(platform) == len(resources.COMPONENTS), "the defaults are for all"
    assert "nodeSelector" not in platform["exec-pusher"]


def test_the_container_gets_what_was_asked_for(package):
    executors = package.pipeline["deploymentSpec"]["executors"]
    trainer = executors["exec-trainer"]["container"]
    assert trainer["image"] == IMAGE
    assert trainer["resources"] == {
        "resourceCpuRequest": "500m",
        "resourceCpuLimit": "2",
        "resourceMemoryRequest": "1Gi",
        "resourceMemoryLimit": "4Gi",
        "accelerator": {"resourceType": "nvidia.com/gpu", "resourceCount": "1"},
    }
    assert trainer["env"] == [{"name": "OMP_NUM_THREADS", "value": "4"}]
    assert "resources" not in executors["exec-pusher"]["container"]
    tasks = package.pipeline["root"]["dag"]["tasks"]
    assert tasks["pusher"]["retryPolicy"]["maxRetryCount"] == 3


def test_the_tasks_are_those_of_the_practice_and_one_to_prepare_it(package):
    tasks = package.pipeline["root"]["dag"]["tasks"]
    assert set(tasks) == {names.task_name(name) for name in resources.COMPONENTS}
    uncached = {n for n, t in tasks.items() if not t["cachingOptions"]}
    assert uncached == {"prepare", "pusher", "personality-writer"}
    for name, executor in package.pipeline["deploymentSpec"]["executors"].items():
        assert set(executor) == {"container"}, f"{name}: no resolvers, no importers"
        assert "lifecycle" not in executor["container"]


def test_each_container_understands_how_it_is_called(package):
    for executor in package.pipeline["deploymentSpec"]["executors"].values():
        container = executor["container"]
        assert container["command"][-1] == entrypoint.__name__
        given = entrypoint.build_parser().parse_args(container["args"])
        name = package.pipeline["pipelineInfo"]["name"]
        assert (given.deu, given.pipeline) == ("my_cello", name)


def test_options_for_beam_reach_those_who_use_it():
    arg = "--direct_num_workers=1"
    executors = compiled(beam_arg=[arg]).pipeline["deploymentSpec"]["executors"]
    given = {
        name: entrypoint.build_parser().parse_args(e["container"]["args"]).beam_arg
        for name, e in executors.items()
    }
    beam = {"exec-audio-example-gen", "exec-ddsp-transform", "exec-evaluator"}
    assert {name for name, args in given.items() if args == [arg]} == beam
    assert runner.beam_args([arg])[-1] == arg


def test_types_are_called_by_what_they_can_be_found_by(package):
    titles = set()
    for component in package.pipeline["components"].values():
        for side in ("inputDefinitions", "outputDefinitions"):
            for one in component.get(side, {}).get("artifacts", {}).values():
                titles.add(one["artifactType"]["schemaTitle"])
    assert {"tfx.Examples", "amadeus.Personality", "tfx.ModelBlessing"} <= titles
    for title in titles:
        room, _, name = title.partition(".")
        module = {"tfx": standard_artifacts, "amadeus": artifacts}[room]
        kind = getattr(module, name)
        assert kind.TYPE_NAME in (name, title)


def test_a_package_is_the_same_whenever_it_is_compiled_and_holds_no_place_of_this_machine(
    package, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    text = package.to_yaml()
    assert compiled(GIVEN).to_yaml() == text
    assert "&id" not in text
    assert str(tmp_path) not in text
    constants = [
        source["runtimeValue"]["constant"]
        for task in package.pipeline["root"]["dag"]["tasks"].values()
        for source in task["inputs"]["parameters"].values()
        if "runtimeValue" in source
    ]
    assert not [c for c in constants if isinstance(c, str) and c.startswith("/")]


def test_without_resources_there_is_no_platform():
    package = compiled()
    assert package.platform == {}
    assert len(list(yaml.safe_load_all(package.to_yaml()))) == 1


def test_what_a_run_is_begun_with_has_the_defaults_of_the_request():
    package = compiled(parent_generation=3, practice="7-more")
    inputs = package.pipeline["root"]["inputDefinitions"]["parameters"]
    assert {key: one["defaultValue"] for key, one in inputs.items()} == {
        names.RECORDINGS: ["gs://b/c"],
        names.RECORDING_NAMES: [],
        names.PRACTICE: "7-more",
        names.PARENT_GENERATION: 3,
        names.METADATA_URL: "",
        names.PERSONALITIES_URL: "",
    }
    assert all(one["isOptional"] for one in inputs.values())


def test_a_knob_changes_only_what_it_turns():
    def constants(package):
        tasks = package.pipeline["root"]["dag"]["tasks"]
        return {n: json.dumps(t["inputs"], sort_keys=True) for n, t in tasks.items()}

    before = constants(compiled())
    after = constants(compiled(learner_profile={"step_count": 7}))
    assert {n for n in before if before[n] != after[n]} == {"trainer"}


def test_a_tuning_is_compiled_with_its_player():
    tuning = practice_pb2.TuningRequest(
        deu="cello", recordings={"uri": ["gs://b/c"]}, parent_generation=2
    )
    tuning.player_profile.SetInParent()
    package = compile_practice(tuning, pipeline_root=ROOT, image=IMAGE)
    component = package.pipeline["components"]["comp-trainer"]
    assert "player_profile" in component["inputDefinitions"]["parameters"]


@pytest.mark.parametrize("deu", ["cello", "my_cello", "c-1", "_x", "x" * 40])
def test_pipelines_are_called_as_kubeflow_wants(deu):
    name = names.pipeline_name(deu)
    assert len(name) <= 128
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert name[0] != "-" != name[-1]
    assert imitation.pipeline_name(deu)


def test_how_often_tasks_are_tried_again_is_told_to_prepare_alone(package):
    """In the environment of another, Kubeflow's cache would miss where that number changes."""
    executors = package.pipeline["deploymentSpec"]["executors"]
    told = {
        name: variable["value"]
        for name, executor in executors.items()
        for variable in executor["container"].get("env", [])
        if variable["name"] == "AMADEUS_RETRIES"
    }
    tasks = package.pipeline["root"]["dag"]["tasks"]
    granted = {
        name: task["retryPolicy"]["maxRetryCount"]
        for name, task in tasks.items()
        if "retryPolicy" in task
    }
    assert list(told) == ["exec-prepare"]
    assert json.loads(told["exec-prepare"]) == granted
    assert set(granted) == set(tasks)


def test_no_two_deus_share_a_pipeline():
    """Nor its cache, its checkpoints and its versions."""
    alike = ["a_b", "a-b", "a_b-", "a-b-", "a_b_", "a-b_", "a--b", "a-_b"]
    forged = [names.pipeline_name(deu).removeprefix("imitation-") for deu in alike]
    every = {*alike, *forged}
    assert len({names.pipeline_name(deu) for deu in every}) == len(every)


def test_a_name_that_kubeflow_takes_is_kept():
    for deu in ("cello", "c-1", "2-cellos", "x" * 40):
        assert names.pipeline_name(deu) == f"imitation-{deu}"
