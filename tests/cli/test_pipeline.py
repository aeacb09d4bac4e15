"""Practices on Kubeflow as an ama meets them, against a server that holds every request to the published API."""

import io
import os
import re
import signal
import subprocess
import sys

import pytest

from amadeus.errors import StoreError
from amadeus.v1 import practice_pb2
from pipelines.kubeflow import client_patience, client_practice, names
from pipelines.kubeflow.client import Cluster
from pipelines.kubeflow.client_follow import Pace
from pipelines.kubeflow.telling import LogJournal
from tests.cli.terminal import COMMAND, amadeus, environment
from tests.pipelines.kubeflow.played_runs import Scene
from tests.pipelines.kubeflow.small_package import small_package
from tests.pipelines.kubeflow.stand_in import Fault, StandIn

CREATES = "run_service_create_run"
ROOT = "gs://bucket/amadeus"
VARIABLES = (
    "AMADEUS_KFP_TOKEN",
    "AMADEUS_KFP_TOKEN_FILE",
    "AMADEUS_KFP_CA",
    "KF_PIPELINES_UI_ENDPOINT",
    "AMADEUS_PERSONALITIES",
    "AMADEUS_PIPELINE_ROOT",
    "AMADEUS_IMAGE",
)


@pytest.fixture(scope="module")
def server():
    with StandIn() as stand_in:
        yield stand_in


@pytest.fixture
def api(server, monkeypatch, home):
    monkeypatch.setenv("AMADEUS_KFP_ENDPOINT", server.url)
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(client_patience, "BACKOFF_S", (0.001, 0.01))
    quick = Pace(poll_s=(0.001, 0.01), log_s=0.0)
    monkeypatch.setattr(client_practice, "Pace", lambda: quick)
    server.clear()
    yield server
    assert server.complaints == []


@pytest.fixture
def package(tmp_path):
    path = tmp_path / "practice.yaml"
    path.write_text(small_package().to_yaml())
    return path


@pytest.fixture
def takes(tmp_path):
    """A folder in a store that holds something."""
    folder = tmp_path / "takes"
    folder.mkdir()
    (folder / "a.wav").write_bytes(b"RIFF")
    return f"file://{folder}"


@pytest.fixture
def run(capsys):
    """Runs a command in this process: status, and what it said."""

    def run(*arguments):
        from amadeus.cli.main import main

        status = main([str(one) for one in arguments])
        said = capsys.readouterr()
        return status, said.out + said.err

    return run


@pytest.fixture
def begin(run, api, package, takes):
    """Begins a run, and hands out its id."""

    def begin(*options):
        status, said = run(*imitate(package, takes), *options)
        assert status == 0, said
        return next(reversed(api.runs))

    return begin


def imitate(package, takes):
    command = ("practice", "imitate", "cello", takes, "--runner", "kubeflow")
    return (*command, "--package", package)


def log_of(**event):
    stream = io.StringIO()
    LogJournal(stream).write(**event)
    return stream.getvalue()


def failed(text, status):
    told = practice_pb2.PracticeFailed(text=text, exit_status=status)
    return log_of(failed=told)


def test_a_practice_is_begun_and_left_to_the_cluster(api, home, package, takes):
    done = amadeus(*imitate(package, takes), home=home)
    assert done.returncode == 0, done.stderr
    (run_id,) = api.runs
    first, *ways = done.stdout.splitlines()
    assert first.startswith("cello practises on the cluster (")
    assert first.endswith(f"{api.url}/#/runs/details/{run_id}")
    assert f"amadeus pipeline follow {run_id} --endpoint {api.url}" in ways[0]
    assert f"amadeus pipeline cancel {run_id} --endpoint {api.url}" in ways[1]


def test_a_run_is_told_what_it_is_for(api, begin, takes, monkeypatch):
    monkeypatch.setenv("AMADEUS_PERSONALITIES", "gs://bucket/voices")
    begin("--parent", 3, "--metadata", "mysql://ama@db:3306/m", "--experiment", "mine")
    (body,) = api.asked(CREATES)
    told = body["runtime_config"]["parameters"]
    assert re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{4}", told.pop(names.PRACTICE))
    assert told == {
        names.RECORDINGS: [takes],
        names.RECORDING_NAMES: [],
        names.PARENT_GENERATION: 3,
        names.METADATA_URL: "mysql://ama@db:3306/m",
        names.PERSONALITIES_URL: "gs://bucket/voices",
    }
    (experiment,) = api.experiments.values()
    assert experiment["display_name"] == "mine"


def test_a_practice_grows_from_the_latest_voice(api, begin):
    begin()
    (body,) = api.asked(CREATES)
    told = body["runtime_config"]["parameters"]
    assert told[names.PARENT_GENERATION] == names.LATEST
    assert names.METADATA_URL not in told  # as the containers' environment says


@pytest.mark.parametrize(
    ("given", "parent"), [("0", 0), ("7", 7), ("latest", names.LATEST)]
)
def test_a_practice_grows_from_whom_it_is_told_also_from_nobody(
    api, begin, given, parent
):
    begin("--parent", given)
    (body,) = api.asked(CREATES)
    assert body["runtime_config"]["parameters"][names.PARENT_GENERATION] == parent


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--package", "nowhere.yaml"], "cannot read nowhere.yaml"),
        (["--package", "{takes}/a.wav"], "is no compiled practice"),
        (["--image", "amadeus:1"], "--image is compiled into"),
        (["--steps", "3"], "step_count=3 is compiled into"),
        (["--beam-arg=--x"], "--x is compiled into"),
        (["--parent", "first"], "--parent first is no generation"),
        (["--parent", "9" * 10], "is no generation"),
        (["--pipeline-root", "/tmp"], "is on this machine, which no container sees"),
        (["--metadata", "mysql://a:hunter2@h/d"], "--metadata holds a password"),
        (["--metadata", "mysql://a:/hunter2@h/d"], "--metadata holds a password"),
        (["--personalities", "ftp://x/y"], "is no store that Amadeus knows"),
        (["--studio", "localhost:8470"], "both a studio and a cluster"),
        (["--session", "x"], "both a studio and a cluster"),
        (["--token-file", "nowhere"], "the token file nowhere cannot be read"),
        (["--ca", "nowhere.pem"], "there is no file nowhere.pem"),
        (["--endpoint", "kubeflow"], "is no address of Kubeflow Pipelines"),
        (["--endpoint", "https://a:hunter2@b"], "holds a name or a password"),
        (["--endpoint", "http://localhost:1"], "nobody listens there"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(
    run, api, package, takes, options, sentence
):
    filled = [one.format(takes=takes.removeprefix("file://")) for one in options]
    status, said = run(*imitate(package, takes), *filled)
    assert status == 2
    assert sentence in said
    assert "hunter2" not in said
    assert said.count("amadeus: ") == 1
    assert api.runs == {}


@pytest.mark.parametrize(
    "text", ["2026-02-30", "[", "\udcff", "{a: [1, 2]}\n---\n{}\n---\n{}", "x"]
)
def test_a_package_that_is_none_is_refused_in_one_sentence(run, api, tmp_path, text):
    path = tmp_path / "practice.yaml"
    path.write_text(text, errors="surrogateescape")
    status, said = run("pipeline", "upload", path)
    assert status == 2
    assert said.count("\n") == 1
    assert f"{path} is no" in said


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["cello", "{takes}"], "no image was named"),
        (["cello", "{takes}", "--image", "a@sha256:0"], "no place for artifacts"),
        (["../cello", "{takes}"], "cannot name a deu"),
        (["viola", "{takes}"], "teaches cello and not viola"),
        (["cello", "{takes}/none"], "holds no recordings"),
        (["cello", "{takes}", "a.wav"], "a.wav is on this machine and other"),
        (["cello", "nowhere.wav"], "nowhere.wav"),
    ],
)
def test_what_cannot_be_practised_is_refused_before_anything_is_begun(
    run, api, package, takes, arguments, sentence
):
    filled = [one.format(takes=takes) for one in arguments]
    given = (
        [] if "image" in sentence or "artifacts" in sentence else ["--package", package]
    )
    status, said = run("practice", "imitate", *filled, "--runner", "kubeflow", *given)
    assert status == 2
    assert sentence in said
    assert api.runs == {}


@pytest.mark.parametrize(
    "option", ["--follow", "--endpoint=http://x", "--image=x", "--parent=1"]
)
def test_what_is_for_a_cluster_is_refused_without_one(run, api, home, option):
    home.create_deu("cello")
    status, said = run("practice", "imitate", "cello", "x.wav", option)
    assert status == 2
    assert f"{option.partition('=')[0]} was given without a cluster" in said


def test_without_an_endpoint_it_is_said_how_to_name_one(run, api, monkeypatch):
    monkeypatch.delenv("AMADEUS_KFP_ENDPOINT")
    status, said = run("pipeline", "runs")
    assert status == 2
    assert "give --endpoint URL" in said


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
            failed("gs://bucket is not there: make it.", 2),
            2,
            "gs://bucket is not there",
        ),
        (failed("the practice met a fault of Amadeus (X).", 1), 1, "met a fault"),
        (failed("the container was asked to stop.", 130), 2, "was asked to stop"),
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


def test_a_wrong_file_of_resources_is_refused_before_recordings_are_sent(
    run, api, tmp_path, monkeypatch
):
    def send(*_):
        raise AssertionError("recordings were sent")

    monkeypatch.setattr(client_practice, "gather", send)
    resources = tmp_path / "resources.yaml"
    resources.write_text("defaults: {retrys: 1}")
    given = ("--image", "a@sha256:0", "--pipeline-root", ROOT, "--resources", resources)
    status, said = run(
        "practice", "imitate", "cello", "x.wav", "--runner", "kubeflow", *given
    )
    assert status == 2
    assert "'retrys', which is not known" in said


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


def test_a_run_that_somebody_ends_is_said_to_be_cancelled(run, api, begin):
    run_id = begin()
    assert run("pipeline", "cancel", run_id) == (
        0,
        f"run {api.runs[run_id]['display_name']} ends; what was done before is kept, "
        "and the same command takes it up\n",
    )
    status, said = run("pipeline", "follow", run_id)
    assert status == 2
    assert "was cancelled; cello is as it was" in said
    _, said = run("pipeline", "cancel", run_id)
    assert "is over: canceled" in said


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
    with subprocess.Popen(
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


def test_a_quota_is_waited_for_and_said(run, api, package, takes):
    quota = {"status": 429, "body": {"message": "quota"}, "times": 2}
    api.faults = [Fault("status", method="POST", path="/runs$", **quota)]
    status, said = run(*imitate(package, takes))
    assert status == 0
    assert said.count("are asked too much at the moment (quota)") == 2
    assert "trying again in 1 s" in said
    assert len(api.runs) == 1


def test_who_leaves_while_a_run_is_begun_is_told_its_name(
    run, api, package, takes, monkeypatch
):
    begin = Cluster.begin

    def leave(cluster, submission):
        begin(cluster, submission)
        raise KeyboardInterrupt

    monkeypatch.setattr(Cluster, "begin", leave)
    status, said = run(*imitate(package, takes))
    assert status == 130
    (begun,) = api.runs.values()
    assert f"its name is {begun['display_name']!r}" in said
    _, said = run("pipeline", "cancel", begun["display_name"])
    assert begun["state"] == "CANCELED"


def test_runs_are_listed(run, api, begin):
    first, second = begin(), begin()
    api.runs[first]["state"] = "SUCCEEDED"
    _, said = run("pipeline", "runs")
    newest, oldest = said.splitlines()
    assert newest.startswith(second)
    assert newest.endswith("queued")
    assert oldest.endswith("succeeded")
    _, said = run("pipeline", "runs", "--experiment", "none")
    assert said == f"no runs in none at {api.url}\n"


def test_a_package_is_uploaded_and_scheduled(run, api, package, takes):
    _, said = run("pipeline", "upload", package)
    assert "uploaded as version imitation-cello-" in said
    _, said = run("pipeline", "upload", package)
    assert "is there already, as version imitation-cello-" in said
    imitates = ("pipeline", "schedule", "imitate", "cello", takes, "--package", package)
    _, said = run(*imitates, "--cron", "0 3 * * *", "--name", "nightly")
    assert said.startswith("cello practises at 0 0 3 * * * (nightly): http")
    assert len(api.versions) == 1
    (body,) = api.asked("recurring_run_service_create_recurring_run")
    assert body["runtime_config"]["parameters"][names.PRACTICE] == ""
    for word, done in (("disable", "disabled"), ("enable", "enabled")):
        _, said = run("pipeline", "schedule", word, "nightly")
        assert said.startswith(f"schedule nightly {done}")
        _, said = run("pipeline", "schedule", "list")
        assert f"nightly  {done}  at 0 0 3 * * *" in said
    run("pipeline", "schedule", "delete", "nightly")
    assert api.schedules == {}


def test_a_schedule_that_is_disabled_is_not_said_to_practise(run, api, package, takes):
    imitates = ("pipeline", "schedule", "imitate", "cello", takes, "--package", package)
    run(*imitates, "--every", "6h", "--name", "mine")
    _, said = run(*imitates, "--every", "6h", "--name", "mine")
    assert "is disabled" not in said
    run("pipeline", "schedule", "disable", "mine")
    _, said = run(*imitates, "--every", "6h", "--name", "mine")
    (schedule_id,) = api.schedules
    assert "it is disabled, and begins no runs until" in said
    assert f"amadeus pipeline schedule enable {schedule_id}" in said


def test_a_schedule_that_others_have_named_writes_to_no_terminal(
    run, api, package, takes
):
    imitates = ("pipeline", "schedule", "imitate", "cello", takes, "--package", package)
    run(*imitates, "--every", "6h")
    (schedule,) = api.schedules.values()
    schedule["display_name"] = "\x1b[2Jnightly\n"
    for words in (("list",), ("disable", schedule["recurring_run_id"])):
        _, said = run("pipeline", "schedule", *words)
        assert "?[2Jnightly?" in said
        assert "\x1b" not in said


def test_a_schedule_waits_for_an_api_that_goes_away_and_says_so(run, api):
    api.faults = [Fault("status", status=503, times=2)]
    status, said = run("pipeline", "schedule", "list")
    assert status == 0
    assert said.count("trying again in 1 s") == 2


def test_help_loads_no_kubeflow():
    probe = (
        "import sys; from amadeus.cli.main import main\n"
        "for words in (['practice', 'imitate'], ['pipeline', 'schedule', 'imitate']):\n"
        "    main([*words, '--help'])\n"
        "print(sorted({'kfp', 'kfp_server_api', 'urllib3', 'yaml'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe],
        capture_output=True,
        text=True,
        check=True,
        env=dict(os.environ),
    )
    assert done.stdout.splitlines()[-1] == "[]"
