"""Versions of pipelines and recurring runs, over a real socket, of a server that holds them to the published API."""

import dataclasses

import pytest

from amadeus.errors import ClusterError, ConfigError
from pipelines.kubeflow.client_messages import Submission
from pipelines.kubeflow.client_schedule import (
    Plan,
    Recurrence,
    Schedules,
    read_recurrence,
)
from pipelines.kubeflow.client_versions import upload
from tests.pipelines.kubeflow.small_package import small_package
from tests.pipelines.kubeflow.stand_in import Fault

PACKAGE = small_package()
CREATES = "recurring_run_service_create_recurring_run"


@pytest.fixture
def plan(cluster):
    return Plan(
        name="cello every 6h",
        version=upload(cluster, PACKAGE).version,
        when=Recurrence(interval_s=21_600),
        parameters={"recordings": ["gs://bucket/cello"], "parent_generation": -1},
        experiment="amadeus",
    )


def test_a_package_is_uploaded_once(api, cluster):
    first, again = upload(cluster, PACKAGE), upload(cluster, PACKAGE)
    assert (first.is_new, again.is_new) == (True, False)
    assert again.version == first.version
    (version,) = api.versions.values()
    assert version["pipeline_spec"] == PACKAGE.pipeline
    assert version["display_name"] == first.name


def test_another_package_is_another_version_of_the_same_pipeline(api, cluster):
    other = dataclasses.replace(PACKAGE, platform={})
    versions = [upload(cluster, one).version for one in (PACKAGE, other)]
    assert len(set(versions)) == 2
    assert len(api.pipelines) == 1


def test_names_can_be_chosen(api, cluster):
    done = upload(cluster, PACKAGE, pipeline="mine", name="v1")
    assert (done.pipeline, done.name) == ("mine", "v1")
    (pipeline,) = api.pipelines.values()
    assert pipeline["display_name"] == "mine"


def test_another_package_under_a_name_that_was_chosen_is_refused(api, cluster):
    upload(cluster, PACKAGE, pipeline="mine", name="v1")
    assert not upload(cluster, PACKAGE, pipeline="mine", name="v1").is_new
    with pytest.raises(ConfigError, match="a version 'v1' of mine already"):
        upload(cluster, small_package("viola"), pipeline="mine", name="v1")
    assert len(api.versions) == 1


@pytest.mark.parametrize("path", ["upload_version", "/pipelines$"])
def test_an_upload_whose_answer_is_lost_is_found(api, cluster, path):
    fault = Fault("reset", method="POST", path=path, is_done=True)
    api.faults = [fault]
    upload(cluster, PACKAGE)
    assert fault.times == 0
    assert (len(api.pipelines), len(api.versions)) == (1, 1)


def test_a_schedule_says_all_that_was_planned(api, cluster, plan):
    made, is_new = Schedules(cluster).make(plan)
    (body,) = api.asked(CREATES)
    assert is_new
    assert made.is_enabled
    assert body["trigger"] == {"periodic_schedule": {"interval_second": "21600"}}
    assert (body["max_concurrency"], body["no_catchup"], body["mode"]) == (
        "1",
        True,
        "ENABLE",
    )
    assert body["runtime_config"]["parameters"] == plan.parameters
    assert body["pipeline_version_reference"]["pipeline_version_id"] in api.versions
    assert Schedules(cluster).all_of("amadeus") == [made]


def test_a_schedule_by_calendar_has_six_fields(api, cluster, plan):
    when = read_recurrence(None, "0 3 * * 1-5")
    Schedules(cluster).make(dataclasses.replace(plan, when=when))
    (body,) = api.asked(CREATES)
    assert body["trigger"] == {"cron_schedule": {"cron": "0 0 3 * * 1-5"}}


def test_a_schedule_is_made_once(api, cluster, plan):
    schedules = Schedules(cluster)
    api.faults = [Fault("reset", method="POST", path="recurringruns", is_done=True)]
    (made, _), (again, is_new) = schedules.make(plan), schedules.make(plan)
    assert (again, is_new) == (made, False)
    assert len(api.schedules) == 1


def test_another_rhythm_under_the_same_name_is_refused(api, cluster, plan):
    Schedules(cluster).make(plan)
    other = dataclasses.replace(plan, when=Recurrence(interval_s=60))
    with pytest.raises(ConfigError, match="'cello every 6h' already, every 6h"):
        Schedules(cluster).make(other)
    assert len(api.schedules) == 1


@pytest.mark.parametrize(
    "other", [{"pipeline_root": "gs://b/other"}, {"service_account": "other"}]
)
def test_another_place_or_account_under_the_same_name_is_refused(
    api, cluster, plan, other
):
    plan = dataclasses.replace(
        plan, pipeline_root="gs://b/runs", service_account="runner"
    )
    schedules = Schedules(cluster)
    made, _ = schedules.make(plan)
    assert schedules.make(plan) == (made, False)
    with pytest.raises(ConfigError, match="already, every 6h"):
        schedules.make(dataclasses.replace(plan, **other))


def test_schedules_are_disabled_enabled_and_deleted(api, cluster, plan):
    schedules = Schedules(cluster)
    made, _ = schedules.make(plan)
    schedules.disable(made.schedule_id)
    assert not schedules.find(plan.name, "amadeus").is_enabled
    schedules.enable(made.schedule_id)
    assert schedules.find(made.schedule_id, "amadeus").is_enabled
    schedules.delete(made.schedule_id)
    with pytest.raises(ConfigError, match="there is no schedule"):
        schedules.find(plan.name, "amadeus")


def test_where_nothing_was_ever_scheduled_nothing_is_listed(cluster):
    assert Schedules(cluster).all_of("nowhere") == []


def test_a_run_of_a_version_says_whom_it_teaches(api, cluster, plan):
    begun = cluster.begin(Submission(name="run", pipeline=PACKAGE.pipeline))
    run = api.runs[begun.run_id]
    del run["pipeline_spec"]
    run["pipeline_version_reference"] = plan.version._asdict() | {
        "pipeline_version_id": plan.version.version_id
    }
    del run["pipeline_version_reference"]["version_id"]
    seen = cluster.run(begun.run_id)
    assert seen.deu == ""
    assert cluster.deu_of(seen) == "cello"
    assert cluster.deu_of(begun) == "cello"


@pytest.mark.parametrize(
    ("every", "cron", "sentence"),
    [
        (None, None, "either --every"),
        ("6h", "0 3 * * *", "either --every"),
        ("6", None, "no interval"),
        ("0h", None, "no interval"),
        ("6 h", None, "no interval"),
        (None, "0 3 * *", "no rhythm"),
        (None, "0 3 * * * * *", "no rhythm"),
        (None, "0 3 * * $(x)", "no rhythm"),
    ],
)
def test_what_is_no_rhythm_is_refused(every, cron, sentence):
    with pytest.raises(ConfigError, match=sentence):
        read_recurrence(every, cron)


@pytest.mark.parametrize(
    ("every", "seconds"), [("1m", 60), ("90m", 5400), ("6h", 21600), ("2w", 1_209_600)]
)
def test_intervals_are_counted_in_seconds_and_said_as_they_were_given(every, seconds):
    when = read_recurrence(every, None)
    assert when.interval_s == seconds
    assert str(when) == f"every {every}"


def test_what_kubeflow_cannot_schedule_is_its_own_words(api, cluster, plan):
    with pytest.raises(ClusterError, match="at least 1 and at most 10"):
        Schedules(cluster).make(dataclasses.replace(plan, max_concurrency=11))
