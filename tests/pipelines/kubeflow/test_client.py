"""What is asked of Kubeflow Pipelines, over a real socket, of a server that holds it to the published API."""

import dataclasses
import re
import uuid
import warnings

import pytest
import yaml

from amadeus.errors import ClusterError, ConfigError
from pipelines.kubeflow import client_patience
from pipelines.kubeflow.client import Cluster
from pipelines.kubeflow.client_endpoint import Endpoint
from pipelines.kubeflow.client_messages import Submission
from tests.pipelines.kubeflow.played_runs import Scene
from tests.pipelines.kubeflow.small_package import small_package
from tests.pipelines.kubeflow.stand_in import Fault

PACKAGE = small_package()
SUBMISSION = Submission(
    name="cello 20260101-000000-0000",
    pipeline=PACKAGE.pipeline,
    platform=PACKAGE.platform,
    parameters={"practice": "p", "parent_generation": -1},
    pipeline_root="gs://bucket/root",
    description="Teaches cello.",
)
CREATES = "run_service_create_run"


def test_a_run_is_begun_as_kfps_own_client_begins_it(api, cluster, tmp_path):
    from kfp import client as kfp_client  # half a second

    cluster.begin(SUBMISSION)
    path = tmp_path / "practice.yaml"
    path.write_text(PACKAGE.to_yaml())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kfp_client.Client(host=api.url, namespace="").create_run_from_pipeline_package(
            str(path),
            arguments=dict(SUBMISSION.parameters),
            run_name=SUBMISSION.name,
            experiment_name=SUBMISSION.experiment,
            pipeline_root=SUBMISSION.pipeline_root,
        )
    ours, theirs = api.asked(CREATES)
    assert ours.pop("description") == "Teaches cello."
    assert ours == theirs


def test_a_package_without_a_platform_is_sent_bare(api, cluster):
    cluster.begin(dataclasses.replace(SUBMISSION, platform={}))
    (body,) = api.asked(CREATES)
    assert body["pipeline_spec"] == PACKAGE.pipeline


def test_what_is_begun_can_be_found_by_id_and_by_name(api, cluster):
    run = cluster.begin(SUBMISSION)
    assert run.state == "PENDING"
    assert run.pipeline_root == "gs://bucket/root"
    assert run.parameters["parent_generation"] == -1
    assert cluster.find(run.run_id) == cluster.find(SUBMISSION.name) == run


def test_an_experiment_is_made_once(api, cluster):
    cluster.begin(SUBMISSION)
    cluster.begin(dataclasses.replace(SUBMISSION, name="another"))
    assert [e["display_name"] for e in api.experiments.values()] == ["amadeus"]


def test_where_there_are_many_users_the_namespace_is_said(api):
    api.is_multi_user = True
    endpoint = Endpoint(url=api.url, namespace="ama")
    cluster = Cluster(endpoint, patience_s=60.0)
    run = cluster.begin(SUBMISSION)
    (experiment,) = api.experiments.values()
    assert experiment["namespace"] == "ama"
    assert cluster.find(SUBMISSION.name).run_id == run.run_id


def test_runs_are_listed_over_all_pages_newest_first(api, cluster):
    for number in range(60):
        cluster.begin(dataclasses.replace(SUBMISSION, name=f"run {number}"))
    names = [run.name for run in cluster.runs("amadeus", 55)]
    assert names == [f"run {number}" for number in range(59, 4, -1)]
    assert cluster.runs("nothing of this name", 5) == []


def test_a_cancelled_run_is_over(api, cluster):
    run = cluster.begin(SUBMISSION)
    cluster.cancel(run.run_id)
    assert cluster.run(run.run_id).is_over


@pytest.mark.parametrize("run", ["nobody", "../healthz", str(uuid.UUID(int=1))])
def test_an_unknown_run_is_said_to_be_unknown(api, cluster, run):
    with pytest.raises(ConfigError, match=f"know no run '{re.escape(run)}'"):
        cluster.find(run)


def test_the_nodes_of_a_run_are_read_with_their_pods(api, cluster):
    api.scenes = [Scene({"trainer": ["FAILED", "RUNNING"]})]
    run_id = cluster.begin(SUBMISSION).run_id
    tasks = {task.name: task for task in cluster.run(run_id).tasks}
    assert tasks["trainer"].state == "RUNNING"
    assert tasks["executor(0)"].state == "FAILED"
    assert tasks["executor"].children == (
        tasks["executor(0)"].pod,
        tasks["executor(1)"].pod,
    )


@pytest.mark.parametrize(
    "fault",
    [
        Fault("reset", method="POST", path="/runs$"),
        Fault("reset", method="POST", path="/runs$", is_done=True),
        Fault("status", method="POST", path="/runs$", status=500, is_done=True),
        Fault("status", method="POST", path="/runs$", status=503, times=3),
        Fault("status", method="POST", path="/runs$", status=429),
        Fault("reset", times=2),
        Fault("status", path="/experiments$", method="POST", is_done=True),
    ],
    ids=lambda fault: f"{fault.kind} {fault.status} {fault.path} {fault.is_done}",
)
def test_whatever_gets_lost_a_run_is_begun_once(api, cluster, fault):
    api.faults = [fault]
    run = cluster.begin(SUBMISSION)
    assert fault.times == 0
    assert list(api.runs) == [run.run_id]


def test_of_two_runs_of_one_name_the_later_is_ended(api, cluster):
    first = cluster.begin(SUBMISSION)
    # The answer is lost, and so is the first look for it: as if the server had still been at work.
    api.faults = [Fault("reset", method="POST", path="/runs$", times=1)]
    found = cluster._named
    looks = []

    def look(*arguments):
        looks.append(arguments)
        return iter(()) if len(looks) == 1 else found(*arguments)

    cluster._named = look
    kept = cluster.begin(SUBMISSION)
    assert kept.run_id == first.run_id
    states = [run["state"] for run in api.runs.values()]
    assert states == ["PENDING", "CANCELED"]


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (
            Fault("status", status=401, body={"message": "no"}),
            "token is missing or has expired",
        ),
        (
            Fault("status", status=403, body={"message": "no"}),
            "ask for the rights there",
        ),
        (
            Fault("status", status=404, body="404 page not found"),
            "there are no Kubeflow Pipelines at",
        ),
        (
            Fault("status", status=302, headers={"Location": "/login"}),
            "a page to log in",
        ),
        (Fault("html"), "a page to log in"),
        (Fault("cut"), "a page to log in"),
        (Fault("foreign"), "API v2beta1 of Kubeflow Pipelines does not say"),
        (Fault("status", status=501), "have a fault (it is broken)"),
    ],
    ids=lambda value: (
        f"{value.kind}-{value.status}" if isinstance(value, Fault) else ""
    ),
)
def test_what_does_not_pass_is_said_at_once(api, cluster, fault, sentence):
    run_id = cluster.begin(SUBMISSION).run_id
    api.faults = [fault]
    with pytest.raises(ClusterError) as caught:
        cluster.run(run_id)
    assert sentence in str(caught.value)
    assert api.url in str(caught.value)
    cluster.run(run_id)  # it was tried once, and the next is answered


def test_what_passes_is_tried_again_and_told(api):
    told = []
    cluster = Cluster(
        Endpoint(url=api.url), on_lost=lambda error, pause_s: told.append(error.status)
    )
    run_id = cluster.begin(SUBMISSION).run_id
    api.faults = [Fault("status", status=503, times=2), Fault("reset", times=1)]
    assert cluster.run(run_id).run_id == run_id
    assert told == [503, 503, 0]


def test_a_server_that_asks_for_a_pause_gets_it(api, monkeypatch):
    slept = []
    monkeypatch.setattr(client_patience.time, "sleep", slept.append)
    cluster = Cluster(Endpoint(url=api.url))
    run_id = cluster.begin(SUBMISSION).run_id
    quota = {"status": 429, "headers": {"Retry-After": "7"}}
    api.faults = [Fault("status", **quota)]
    cluster.run(run_id)
    assert slept == [7.0]


def test_patience_has_an_end(api):
    cluster = Cluster(Endpoint(url=api.url), patience_s=0.05)
    run_id = cluster.begin(SUBMISSION).run_id
    api.faults = [Fault("status", status=429, times=1000)]
    with pytest.raises(ClusterError, match="asked too much") as caught:
        cluster.run(run_id)
    assert caught.value.status == 429


def test_a_server_that_says_nothing_is_not_waited_for_without_end(api):
    cluster = Cluster(Endpoint(url=api.url), patience_s=60.0, timeout_s=(5.0, 0.2))
    run_id = cluster.begin(SUBMISSION).run_id
    api.faults = [Fault("slow")]
    assert cluster.run(run_id).run_id == run_id
    api.faults = [Fault("slow", times=1000)]
    impatient = Cluster(Endpoint(url=api.url), patience_s=0.0, timeout_s=(5.0, 0.2))
    with pytest.raises(ClusterError, match="no answer in time"):
        impatient.run(run_id)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("http://localhost:1/pipeline", "nobody listens there"),
        ("http://nowhere.invalid", "no machine has this name"),
    ],
)
def test_a_wrong_address_is_not_waited_for(url, sentence):
    with pytest.raises(ClusterError, match=sentence):
        Cluster(Endpoint(url=url), patience_s=1e6).runs("amadeus", 1)


def test_a_log_is_read_where_it_is_to_be_had(api, cluster):
    api.scenes = [Scene({"trainer": "RUNNING"}, logs={"trainer-0": "step 1\n"})]
    run_id = cluster.begin(SUBMISSION).run_id
    pods = {task.name: task.pod for task in cluster.run(run_id).tasks}

    def read(pod):
        return b"".join(cluster.read_log(run_id, pods[pod]))

    assert read("executor") == b"step 1\n"
    assert read("trainer") == b""
    for behind_pages in (Fault("html", path="v1alpha1"), Fault("reset")):
        api.faults = [behind_pages]
        assert read("executor") == b"step 1\n"
    api.faults = [Fault("html", times=2)]
    assert read("executor") == b""
    api.faults = [Fault("html")]
    assert cluster.read_events(pods["executor"]) == []


def test_what_is_written_is_what_is_read_back():
    documents = list(yaml.safe_load_all(PACKAGE.to_yaml()))
    assert documents == [PACKAGE.pipeline, PACKAGE.platform]
