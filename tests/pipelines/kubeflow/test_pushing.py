"""The containers that push and record, called as the launcher calls them, in this process."""

import json
import shutil

import pytest
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from amadeus.personality import content
from amadeus.stores import fetch_voice, list_voices
from pipelines.kubeflow import entrypoint, lessons, names
from tests.pipelines.conftest import process_settings_kept
from tests.pipelines.kubeflow.cluster import last_words

PUSHER = "components.pusher.component.Pusher"
WRITER = "components.personality_writer.component.PersonalityWriter"
ROOT = "gs://b/runs/imitation-cello"


class Pods:
    """Calls entrypoints and keeps what they hand on."""

    def __init__(self, path, voice):
        self.path, self.store_url = path, str(path / "store")
        self.metadata_url = f"sqlite://{path}/metadata.sqlite"
        self.model = path / "model"
        path.mkdir(exist_ok=True)
        shutil.copytree(voice, self.model / "Format-Serving")
        self.evaluation = path / "evaluation"
        self.evaluation.mkdir()
        metrics = json.dumps({"metrics": {"spectral_loss": 1.5}})
        (self.evaluation / "metrics.json").write_text(metrics)

    def push(self, run, *, blessed=1.0, **parameters):
        inputs = {
            "model": (self.model, {}),
            "model_blessing": (self.path / "blessing", {"blessed": blessed}),
            "evaluation": (self.evaluation, {"spectral_loss": 1.5}),
        }
        given = {"deu": "cello", "code_digest": "compiled elsewhere"} | parameters
        return self.call(PUSHER, run, "pusher", inputs, ["pushed_model"], given)

    def write(self, run, pushed):
        inputs = {
            "model": (self.model, {}),
            "model_blessing": (self.path / "blessing", {"blessed": 1.0}),
            "pushed_model": (self.path / "pushed", pushed),
            "statistics": (self.path / "statistics", {}),
        }
        given = {
            "code_digest": "compiled elsewhere",
            names.PARENT_GENERATION: 0,
            names.PARENT_DIGEST: "",
        }
        return self.call(WRITER, run, "writer", inputs, ["personality"], given)

    def call(self, component, run, task, inputs, outputs, parameters):
        """Calls a container; returns the properties of its only output."""
        told = self.path / f"{run}-{task}.json"
        shared = {
            names.METADATA_URL: self.metadata_url,
            names.PERSONALITIES_URL: self.store_url,
            names.PRACTICE: "1-first",
        }
        executor_input = {
            "inputs": {
                "parameterValues": shared | parameters,
                "artifacts": {
                    key: _listed(f"{ROOT}/of-others/{key}", known)
                    for key, (_, known) in inputs.items()
                },
            },
            "outputs": {
                "artifacts": {
                    key: _listed(f"{ROOT}/{run}/{task}/id/{key}", {}) for key in outputs
                },
                "outputFile": str(told),
            },
        }
        words = ["--component", component, "--deu", "cello"]
        words += ["--pipeline", "imitation-cello"]
        words += ["--executor-input", json.dumps(executor_input)]
        for key, (path, _) in inputs.items():
            words += ["--input-path", key, str(path)]
        for key in outputs:
            words += ["--output-path", key, str(self.path / "pod" / run / key)]
        with process_settings_kept():
            self.status = entrypoint.main(words)
        if self.status:
            return None
        (listed,) = json.loads(told.read_text())["artifacts"].values()
        return listed["artifacts"][0]["metadata"]

    def metadata(self):
        config = metadata_store_pb2.ConnectionConfig()
        config.sqlite.filename_uri = self.metadata_url.removeprefix("sqlite://")
        return MetadataStore(config)


def _listed(uri, properties):
    return {"artifacts": [{"name": "12", "uri": uri, "metadata": properties}]}


@pytest.fixture(scope="module")
def pods(tmp_path_factory, voice_path):
    return Pods(tmp_path_factory.mktemp("pods"), voice_path)


def test_a_blessing_that_came_as_json_is_understood_and_the_store_counts(pods):
    pushed = pods.push("run-1")
    digest = content.read_personality(pods.model / "Format-Serving").digest
    assert pushed["pushed"] == 1
    assert pushed["pushed_version"] == "1"
    assert pushed["pushed_destination"] == f"{pods.store_url}/cello/1"
    assert pushed["digest"] == digest
    (voice,) = list_voices(pods.store_url, "cello")
    assert (voice.generation, voice.digest) == (1, digest)
    assert pods.push("run-1") == pushed, "killed before its end, and tried again"
    assert pods.push("run-2") == pushed, "of the same content in another run"
    assert len(list_voices(pods.store_url, "cello")) == 1


def test_the_lesson_is_kept_beside_the_voice(pods):
    said = {
        names.LESSON: "of today",
        names.PARENT_GENERATION: 0,
        names.PARENT_DIGEST: "",
    }
    pods.push("run-1", **said)
    parent = lessons.find_parent(pods.store_url, "cello", "of today")
    assert parent == (0, "")
    assert lessons.find_parent(pods.store_url, "cello", "another").generation == 1


def test_what_was_pushed_is_recorded_once_under_its_own_name(pods, tmp_path):
    pushed = pods.push("run-1")
    for run in ("run-1", "run-1", "run-3"):
        written = pods.write(run, pushed)
    assert written["generation"] == 1
    assert written["practice"] == "1-first"
    assert written["metric_spectral_loss"] == 1.5
    store = pods.metadata()
    (personality,) = store.get_artifacts_by_type("amadeus.Personality")
    assert personality.uri == f"{pods.store_url}/cello/1"
    own = personality.custom_properties
    assert own["mlmd_uuid"].string_value == pushed["mlmd_uuid"]
    assert own["digest"].string_value == pushed["digest"]
    fetch_voice(pods.store_url, "cello", 1, tmp_path / "voice")
    assert content.read_personality(tmp_path / "voice").metrics["spectral_loss"] == 1.5
    places = [a.uri for a in store.get_artifacts()]
    assert not [uri for uri in places if str(pods.path / "pod") in uri]


def test_what_is_not_blessed_is_neither_pushed_nor_recorded(pods):
    pushed = pods.push("run-4", blessed=0.0)
    assert pushed["pushed"] == 0
    assert pods.write("run-4", pushed) == {}
    assert len(list_voices(pods.store_url, "cello")) == 1
    execution = pods.metadata().get_execution_by_type_and_name(
        WRITER, "kfp/run-4/writer"
    )
    assert execution.last_known_state == metadata_store_pb2.Execution.CANCELED


def test_the_code_that_ran_is_recorded_and_not_the_code_that_was_compiled(pods):
    pods.push("run-5")
    execution = pods.metadata().get_execution_by_type_and_name(
        PUSHER, "kfp/run-5/pusher"
    )
    assert len(execution.custom_properties["code_digest"].string_value) == 64


def test_what_the_user_can_mend_is_said_in_one_sentence(pods, capfd):
    said = {names.PERSONALITIES_URL: "ftp://store"}
    assert pods.push("run-6", **said) is None
    assert pods.status == 2
    out, err = capfd.readouterr()
    word = last_words(out.encode())
    assert "ftp://" in word.text
    assert word.exit_status == 2
    assert word.text in err
    assert "Traceback" not in err
