"""`pipeline follow`: what an ama sees of a run, and how it ends."""

import signal
import subprocess

import pytest

from amadeus.errors import StoreError
from pipelines.kubeflow import client_practice, names
from pipelines.kubeflow.client_follow import Pace
from tests import processes
from tests.cli.terminal import COMMAND, environment
from tests.pipelines.kubeflow.played_runs import Scene
from tests.pipelines.kubeflow.stand_in import Fault
from tests.pipelines.kubeflow.test_client_follow import failed, log_of


def test_components_are_followed_line_by_line(run, api, begin):
    run_id = begin()
    api.scenes = [
        Scene({"prepare": "RUNNING"}),
        Scene({"prepare": "SUCCEEDED", "audio-example-gen": "CACHED"}),
        Scene(state="SUCCEEDED"),
    ]
    status, said = run("pipeline", "follow", run_id)
    assert status == 0
    lines = [line.strip() for line in said.splitlines()]
    assert lines[1].startswith("cello practises (")
    assert lines[2:5] == [
        "1:00 min  Prepare begins",
        "1:30 min  Prepare done after 30.0 s",
        "2:30 min  AudioExampleGen taken from the cache after 30.0 s",
    ]
    assert "--personalities URL" in said  # nobody said where the voice is


@pytest.mark.parametrize(
    ("log", "status", "sentence"),
    [
        (
            log_of(failed("gs://bucket is not there: make it.", 2)),
            2,
            "gs://bucket is not there",
        ),
        (
            log_of(failed("the practice met a fault of Amadeus (X).", 1)),
            1,
            "met a fault",
        ),
        (
            log_of(failed("the container was asked to stop.", 130)),
            2,
            "was asked to stop",
        ),
        ("nothing of use", 2, "Trainer failed, and said nothing that can be read"),
    ],
)
def test_a_run_that_failed_says_why_and_where(run, api, begin, log, status, sentence):
    run_id = begin()
    tasks = {"trainer": "FAILED"}
    api.scenes = [Scene(tasks, logs={"trainer-0": log}, state="FAILED")]
    given, said = run("pipeline", "follow", run_id)
    assert given == status
    assert sentence in said
    assert f"the run: {api.url}/#/runs/details/{run_id}" in said


def test_the_last_words_of_a_talkative_container_reach_the_ama_and_no_terminal(
    run, api, begin
):
    run_id = begin()
    talk = "a line for people\n" * 300_000  # 5 MB
    words = log_of(failed("\x1b[2Jtake.wav is no sound: leave it out.", 2))
    tasks, logs = {"trainer": "FAILED"}, {"trainer-0": talk + words}
    api.scenes = [Scene(tasks, logs=logs, state="FAILED")]
    status, said = run("pipeline", "follow", run_id)
    assert status == 2
    assert "?[2Jtake.wav is no sound: leave it out." in said
    assert "\x1b" not in said


def test_a_voice_that_does_not_come_home_can_be_fetched_later(
    run, api, begin, monkeypatch
):
    def lose(*_):
        raise StoreError("the bucket does not answer.")

    monkeypatch.setattr(client_practice, "_bring_home", lose)
    run_id = begin()
    api.scenes = [Scene(state="SUCCEEDED")]
    status, said = run("pipeline", "follow", run_id, "--personalities", "gs://bucket/v")
    assert status == 2
    assert "the bucket does not answer." in said
    assert "the run ended well" in said
    assert f"bring it home with `amadeus pipeline follow {run_id}`" in said


def test_a_store_that_can_be_none_is_refused_before_a_run_is_followed(run, api, begin):
    run_id = begin()
    api.scenes = [Scene(state="SUCCEEDED")]
    status, said = run("pipeline", "follow", run_id, "--personalities", "ftp://b/v")
    assert status == 2
    assert said.startswith("amadeus: ftp:// is no store")
    assert len(api.scenes) == 1


def test_a_run_whose_own_store_can_be_none_is_said_to_have_ended_well(run, api, begin):
    run_id = begin()
    told = api.runs[run_id]["runtime_config"]["parameters"]
    told[names.PERSONALITIES_URL] = "ftp://b/v"
    api.scenes = [Scene(state="SUCCEEDED")]
    status, said = run("pipeline", "follow", run_id)
    assert status == 2
    assert "ftp:// is no store" in said
    assert "the run ended well" in said


def test_an_image_that_cannot_be_pulled_is_said_with_the_run(
    run, api, begin, monkeypatch
):
    at_once = Pace(poll_s=(0.001, 0.01), wait_s=0.0)
    monkeypatch.setattr(client_practice, "Pace", lambda: at_once)
    run_id = begin()
    text = 'Failed to pull image "x"'
    api.scenes = [
        Scene({"prepare": "PENDING"}, events={"prepare-0": text}),
        Scene(state="CANCELED"),
    ]
    status, said = run("pipeline", "follow", run_id)
    assert status == 2
    assert "Prepare cannot begin, for its image cannot be pulled" in said
    assert f"/#/runs/details/{run_id}" in said


def test_a_token_that_expires_on_the_way_leaves_the_run_and_says_how_to_come_back(
    run, api, begin
):
    run_id = begin()
    gone = {"status": 401, "body": {"message": "expired"}, "times": 99}
    api.faults = [Fault("status", path="v2beta1/runs/", skip=2, **gone)]
    api.scenes = [Scene({"prepare": "RUNNING"})]
    status, said = run("pipeline", "follow", run_id)
    assert status == 2
    assert "has expired; put a new one" in said
    assert f"the run goes on: {api.url}/#/runs/details/{run_id}" in said
    assert f"to come back: amadeus pipeline follow {run_id}" in said


def test_an_api_that_goes_away_for_a_while_is_said_and_nothing_is_lost(run, api, begin):
    run_id = begin()
    api.scenes = [Scene({"prepare": "RUNNING"}), Scene(), Scene(state="CANCELED")]
    api.faults = [Fault("reset", path="v2beta1/runs/", skip=2, times=2)]
    _, said = run("pipeline", "follow", run_id)
    assert said.count("cannot be reached") == 2
    assert "the run goes on; asking again" in said
    assert said.count("Prepare begins") == 1


@pytest.fixture
def heeds_ctrl_c():
    """What a shell starts in the background ignores SIGINT, and so would every process that is started here."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_leaves_the_run_and_says_how_to_come_back(
    api, home, begin, heeds_ctrl_c
):
    run_id = begin()
    api.scenes = [Scene({"prepare": "RUNNING"})]
    with processes.start(
        [*COMMAND, "pipeline", "follow", run_id],
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            for line in process.stdout:  # until it follows
                if "Prepare begins" in line:
                    break
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=120)
        finally:
            process.kill()  # a test that fails leaves nobody behind
    assert process.returncode == 130
    assert "left; the run goes on without you" in said
    assert f"amadeus pipeline follow {run_id}" in said
    assert api.runs[run_id]["state"] == "RUNNING"
