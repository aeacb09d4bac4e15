"""`pipeline schedule`."""

import pytest

from pipelines.kubeflow import names
from tests.cli.pipeline.words import schedule
from tests.pipelines.kubeflow.small_package import small_package
from tests.pipelines.kubeflow.stand_in import Fault


def test_a_practice_is_scheduled_listed_disabled_enabled_and_deleted(
    run, api, package, takes
):
    imitates = schedule(package, takes)
    _, said = run(*imitates, "--cron", "0 3 * * *", "--name", "nightly")
    assert said.startswith("cello practises at 0 0 3 * * * (nightly): http")
    (body,) = api.asked("recurring_run_service_create_recurring_run")
    assert body["runtime_config"]["parameters"][names.PRACTICE] == ""
    for word, done in (("disable", "disabled"), ("enable", "enabled")):
        _, said = run("pipeline", "schedule", word, "nightly")
        assert said.startswith(f"schedule nightly {done}")
        _, said = run("pipeline", "schedule", "list")
        assert f"nightly  {done}  at 0 0 3 * * *" in said
    run("pipeline", "schedule", "delete", "nightly")
    assert api.schedules == {}


@pytest.mark.parametrize(
    ("args", "given", "told"),
    [
        (["--settings", "x"], (), names.LATEST_IF_NEW),
        (["--settings", "x"], ("--parent", "3"), 3),
        ([], (), names.LATEST),  # compiled by an older release
    ],
)
def test_runs_of_a_schedule_grow_from_the_latest_where_something_is_new(
    run, api, tmp_path, takes, args, given, told
):
    compiled = small_package()
    executor = compiled.pipeline["deploymentSpec"]["executors"]["exec-prepare"]
    executor["container"]["args"] += args
    package = tmp_path / "practice.yaml"
    package.write_text(compiled.to_yaml())
    status, said = run(*schedule(package, takes), "--every", "6h", *given)
    assert status == 0, said
    (body,) = api.asked("recurring_run_service_create_recurring_run")
    assert body["runtime_config"]["parameters"][names.PARENT_GENERATION] == told


def test_a_schedule_that_is_disabled_is_not_said_to_practise(run, api, package, takes):
    imitates = schedule(package, takes)
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
    imitates = schedule(package, takes)
    run(*imitates, "--every", "6h")
    (made,) = api.schedules.values()
    made["display_name"] = "\x1b[2Jnightly\n"
    for words in (("list",), ("disable", made["recurring_run_id"])):
        _, said = run("pipeline", "schedule", *words)
        assert "?[2Jnightly?" in said
        assert "\x1b" not in said


def test_a_schedule_waits_for_an_api_that_goes_away_and_says_so(run, api):
    api.faults = [Fault("status", status=503, times=2)]
    status, said = run("pipeline", "schedule", "list")
    assert status == 0
    assert said.count("trying again in 1 s") == 2
