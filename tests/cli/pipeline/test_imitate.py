"""`practice imitate --runner kubeflow`: what is sent to a cluster."""

import os
import re
import subprocess
import sys

import pytest

from pipelines.kubeflow import names
from pipelines.kubeflow.client import Cluster
from tests.cli.pipeline.words import imitate
from tests.cli.terminal import amadeus
from tests.pipelines.kubeflow.stand_in import Fault

CREATES = "run_service_create_run"


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
