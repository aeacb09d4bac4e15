"""`pipeline runs` and `pipeline cancel`."""


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


def test_without_an_endpoint_it_is_said_how_to_name_one(run, api, monkeypatch):
    monkeypatch.delenv("AMADEUS_KFP_ENDPOINT")
    status, said = run("pipeline", "runs")
    assert status == 2
    assert "give --endpoint URL" in said
