"""Attempts at a task: what cannot go well is found out once, what may pass is tried in earnest."""

import json

import pytest

from amadeus.errors import (
    ConfigError,
    HomeError,
    NotHeldError,
    PracticeError,
    RecordingError,
    StoreError,
)
from amadeus.stores import open_store
from pipelines.kubeflow import attempts, entrypoint, names, preparing
from pipelines.kubeflow.contract import Folder
from tests.pipelines.conftest import process_settings_kept
from tests.pipelines.kubeflow.cluster import last_words

BAD = RecordingError("letter.wav is no sound: leave it out.")


@pytest.fixture
def pods(tmp_path, monkeypatch, capfd):
    return Pods(tmp_path, monkeypatch, capfd)


class Pods:
    """Containers of `prepare`, whose work is played."""

    def __init__(self, path, monkeypatch, capfd):
        self.root, self._path, self._capfd = path / "root", path, capfd
        self.n_worked, self.raises = 0, None
        monkeypatch.setenv(attempts.RETRIES_VARIABLE, '{"prepare": 2, "trainer": 3}')
        monkeypatch.setattr(preparing, "prepare", self._work)

    def _work(self, *_, **_options):
        self.n_worked += 1
        if self.raises is not None:
            raise self.raises
        return {}

    def attempt(self, task_id="id-1", keeps_logs=True):
        """Starts a container; returns its exit status and its last word."""
        place = f"{self.root}/imitation-cello/run-1/prepare/{task_id}/executor-logs"
        logs = {"executor-logs": {"artifacts": [{"name": "1", "uri": place}]}}
        given = {
            "inputs": {"parameterValues": {names.RECORDINGS: []}},
            "outputs": {
                "artifacts": logs if keeps_logs else {},
                "outputFile": str(self._path / "told.json"),
            },
        }
        words = ["--deu", "cello", "--pipeline", "imitation-cello"]
        with process_settings_kept():
            status = entrypoint.main([*words, "--executor-input", json.dumps(given)])
        word = last_words(self._capfd.readouterr().out.encode())
        return status, word.text if word else ""

    def kept(self):
        keys = [entry.key for entry in open_store(str(self.root)).list()]
        return [key for key in keys if key.endswith("ended-for-good.json")]


def test_what_the_ama_has_to_mend_is_found_out_once(pods):
    pods.raises = BAD
    ended = [pods.attempt() for _ in range(3)]
    assert ended == [(2, str(BAD))] * 3
    assert pods.n_worked == 1


def test_a_run_that_is_taken_up_by_hand_begins_anew(pods):
    """It may get the id of before: Kubeflow asks its driver no second time."""
    pods.raises = BAD
    for _ in range(3):  # as many as its retry policy grants
        pods.attempt()
    assert pods.kept() == []
    pods.raises = None
    assert pods.attempt() == (0, "")
    assert pods.n_worked == 2


def test_other_tasks_of_the_run_know_what_prepare_was_told(pods, tmp_path):
    assert pods.attempt() == (0, "")
    run = f"{pods.root}/imitation-cello/run-1"
    trainer = attempts.Attempts(Folder(f"{run}/trainer/id-7", "trainer", run))
    assert trainer.recall() == ""
    trainer.remember("nothing sounds.")
    assert [trainer.recall() for _ in range(4)] == [*["nothing sounds."] * 3, ""]


def test_another_task_is_not_concerned(pods):
    pods.raises = BAD
    pods.attempt()
    pods.raises = None
    assert pods.attempt("id-2") == (0, "")


@pytest.mark.parametrize(
    "error",
    [StoreError("a bucket is away."), HomeError("metadata are away."), ValueError("?")],
)
def test_what_may_pass_is_tried_in_earnest(pods, error):
    pods.raises = error
    statuses = [pods.attempt()[0] for _ in range(3)]
    assert statuses == [1 if isinstance(error, ValueError) else 2] * 3
    assert pods.n_worked == 3
    assert pods.kept() == []


@pytest.mark.parametrize("told", ["", "[]", '{"prepare": 0}', '{"trainer": 2}', "many"])
def test_where_kubeflow_does_not_try_again_nothing_is_kept(pods, monkeypatch, told):
    monkeypatch.setenv(attempts.RETRIES_VARIABLE, told)
    pods.raises = BAD
    pods.attempt()
    assert pods.kept() == []


def test_a_task_that_does_not_know_its_place_is_tried_in_earnest(pods):
    """Without logs in the pipeline root, `prepare` is told of nothing that lies there."""
    pods.raises = BAD
    assert [pods.attempt(keeps_logs=False)[0] for _ in range(2)] == [2, 2]
    assert pods.n_worked == 2


def test_a_root_that_cannot_be_written_ends_no_container(pods):
    pods.root.write_text("a file where a folder should be")
    pods.raises = BAD
    assert [pods.attempt() for _ in range(2)] == [(2, str(BAD))] * 2
    assert pods.n_worked == 2


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b'{"text": "x"}'])
def test_what_another_release_kept_is_passed_over(pods, data):
    folder = f"{pods.root}/imitation-cello/run-1/prepare/id-1"
    open_store(folder).write("ended-for-good.json", data)
    assert pods.attempt() == (0, "")


@pytest.mark.parametrize(
    ("kind", "is_final"),
    [
        *((ConfigError, True), (PracticeError, True), (NotHeldError, True)),
        *((HomeError, False), (StoreError, False)),
    ],
)
def test_errors_are_told_apart(kind, is_final):
    assert attempts.is_final(kind("x")) is is_final
