"""A practice on a cluster from the command to the voice, compiled as it is and played by a stand-in."""

import pytest

from amadeus.personality.bundle import read_bundle
from amadeus.stores import open_store, publish_voice
from amadeus.v1 import practice_pb2
from pipelines.kubeflow import names
from pipelines.kubeflow.client_package import find_deu, read_package
from tests.cli import terminal
from tests.e2e.sounds import write_takes
from tests.personality.forging import contents, forge, rewritten
from tests.pipelines.kubeflow.played_runs import Scene
from tests.pipelines.kubeflow.small_package import small_package
from tests.pipelines.kubeflow.stand_in import StandIn
from tests.pipelines.kubeflow.test_client_follow import log_of, step
from tests.stores import emulators

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]

BUCKET = "takes-of-a-cello"
IMAGE = f"amadeus@sha256:{'0' * 64}"
ROOT = "gs://bucket/amadeus"


def amadeus(*arguments, home):
    """Runs a command that loads TFX, on a machine that may be busy."""
    return terminal.amadeus(*arguments, home=home, timeout_s=900)


@pytest.fixture(scope="module")
def server():
    with StandIn() as stand_in:
        yield stand_in


@pytest.fixture
def api(server, monkeypatch):
    monkeypatch.setenv("AMADEUS_KFP_ENDPOINT", server.url)
    server.clear()
    yield server
    assert server.complaints == []


def test_a_practice_is_compiled_into_a_file(home, tmp_path):
    resources = tmp_path / "resources.yaml"
    resources.write_text(
        "components:\n  Trainer:\n    memory_limit: 8Gi\n    node_selector: {disk: fast}\n"
    )
    path = tmp_path / "practice.yaml"
    done = amadeus(
        *(
            "pipeline",
            "compile",
            "imitate",
            "--deu",
            "cello",
            "--audio",
            "gs://bucket/cello",
        ),
        *(
            "--steps",
            10,
            "--seed",
            1,
            "--learner",
            "preset=tiny",
            "--resources",
            resources,
        ),
        *("--image", IMAGE, "--pipeline-root", ROOT, "-o", path),
        home=home,
    )
    assert done.returncode == 0, done.stderr
    assert f"{path}: pipeline imitation-cello of 7 tasks, for {IMAGE}" in done.stdout
    package = read_package(path)
    assert find_deu(package.pipeline) == "cello"
    inputs = package.pipeline["root"]["inputDefinitions"]["parameters"]
    assert inputs[names.RECORDINGS]["defaultValue"] == ["gs://bucket/cello"]
    assert inputs[names.PARENT_GENERATION]["defaultValue"] == names.LATEST
    assert package.pipeline["defaultPipelineRoot"] == ROOT
    executors = package.platform["platforms"]["kubernetes"]["deploymentSpec"][
        "executors"
    ]
    assert executors["exec-trainer"]["nodeSelector"] == {"labels": {"disk": "fast"}}


def test_a_practice_is_followed_to_the_voice_that_plays_here(
    api,
    home,
    bundle_bytes,
    tmp_path,
):
    takes, store = tmp_path / "takes", str(tmp_path / "voices")
    takes.mkdir()
    (takes / "a.wav").write_bytes(b"RIFF")

    def push(run):
        """Does what the pusher of the run does."""

        def change(who):
            who["practice"] = run["runtime_config"]["parameters"][names.PRACTICE]

        packed = tmp_path / "pushed.deu"
        packed.write_bytes(forge(rewritten(contents(bundle_bytes), change)))
        read_bundle(packed, tmp_path / "pushed")
        publish_voice(store, "cello", tmp_path / "pushed")

    verdict = practice_pb2.Evaluated(
        blessed=True, reason="it is the first", metrics={"f0_cents": 12.0}
    )
    api.scenes = [
        Scene({"prepare": "RUNNING"}),
        Scene({"prepare": "SUCCEEDED", "audio-example-gen": "RUNNING"}),
        Scene({"audio-example-gen": "CACHED", "trainer": "RUNNING"}),
        Scene(logs={"trainer-0": log_of(step(5))}),
        Scene(
            {"trainer": "SUCCEEDED", "evaluator": "SUCCEEDED"},
            logs={
                "trainer-0": log_of(step(5)),
                "evaluator-0": log_of(evaluated=verdict),
            },
        ),
        Scene({"pusher": "SUCCEEDED"}, does=push),
        Scene(state="SUCCEEDED"),
    ]
    done = amadeus(
        *("practice", "imitate", "cello", f"file://{takes}", "--runner", "kubeflow"),
        *(
            "--steps",
            5,
            "--learner",
            "preset=tiny",
            "--follow",
            "--personalities",
            store,
        ),
        *("--image", IMAGE, "--pipeline-root", ROOT),
        home=home,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    for line in (
        "AudioExampleGen taken from the cache",
        "training: step 5",
        "cello plays generation 1 now: it is the first",
        "the voice is held here, as generation 1 of cello",
    ):
        assert line in done.stdout
    deu = home.deu("cello")
    assert deu.generations() == [1] == [deu.current_generation()]
    listed = amadeus("lineage", "cello", home=home)
    assert listed.returncode == 0, listed.stderr


@pytest.fixture(scope="module")
def bucket(tmp_path_factory):
    """An environment with a bucket in it."""
    with emulators.google() as leading:
        bare = emulators.bare_environment(tmp_path_factory.mktemp("nobody"))
        emulators.make_bucket("gs", bare | leading, BUCKET)
        yield bare | leading


@pytest.fixture
def begins(api, home, bucket, tmp_path, monkeypatch):
    """Begins a practice of recordings, with a compiled package."""
    for key, value in bucket.items():
        monkeypatch.setenv(key, value)
    path = tmp_path / "practice.yaml"
    path.write_text(small_package().to_yaml())
    command = (
        "practice",
        "imitate",
        "cello",
        "--runner",
        "kubeflow",
        "--package",
        path,
    )

    def begin(*arguments):
        return amadeus(*command, *arguments, home=home)

    return begin


def test_recordings_of_this_machine_go_to_the_bucket_first(api, begins, rng, tmp_path):
    folder = write_takes(tmp_path / "takes", rng)
    root = f"gs://{BUCKET}/root"
    done = begins(folder, "--pipeline-root", root)
    assert done.returncode == 0, done.stderr
    assert "4 recordings go to" in done.stdout
    (body,) = api.asked("run_service_create_run")
    told = body["runtime_config"]["parameters"]
    assert told[names.RECORDING_NAMES] == [f"take {number}.wav" for number in range(4)]
    kept = {entry.key for entry in open_store(root).list()}
    assert {uri.removeprefix(f"{root}/") for uri in told[names.RECORDINGS]} == kept
    again = begins(folder, "--pipeline-root", root)
    assert "sent" not in again.stdout
    assert len(api.runs) == 2


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("gs://there-is-no-such-bucket/cello", "there is no bucket"),
        (f"gs://{BUCKET}/empty", f"gs://{BUCKET}/empty holds no recordings"),
    ],
)
def test_a_bucket_that_is_missing_is_said_before_anything_is_begun(
    api, begins, url, sentence
):
    done = begins(url)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert api.runs == {}
