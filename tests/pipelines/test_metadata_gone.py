"""A practice whose metadata lie on a MySQL server that goes away in the middle: nothing is lost, nothing done twice."""

import collections
import os
import subprocess
import sys
import time

import pytest
from ml_metadata.proto import metadata_store_pb2

from amadeus import lineage
from amadeus.journal import read_journal
from amadeus.lineage.store import Mode, open_store
from tests.lineage import mariadb
from tests.pipelines.conftest import Studio

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

STEPS = {
    "AudioExampleGen", "DdspTransform", "Trainer", "Evaluator", "Pusher", "PersonalityWriter",
}  # fmt: skip
STEP_S = 400


@pytest.fixture
def server(tmp_path, monkeypatch):
    if mariadb.missing():
        pytest.skip(f"MariaDB is not here: {mariadb.missing()}")
    (tmp_path / "mariadb").mkdir()
    with mariadb.serving(tmp_path / "mariadb") as server:
        url = f"mysql://{mariadb.USER}@127.0.0.1:{server.port}/amadeus"
        monkeypatch.setenv("AMADEUS_METADATA", url)
        monkeypatch.setenv("AMADEUS_METADATA_PASSWORD", mariadb.PASSWORD)
        yield server


def _start(path, **variables):
    command = [sys.executable, "-m", "pipelines.local", str(path)]
    with (path / "log.txt").open("a") as log:
        return subprocess.Popen(
            command, stdout=log, stderr=log, env={**os.environ, **variables}
        )


def _wait_for(process, path, component):
    """Waits until a step has begun."""
    deadline_s = time.monotonic() + STEP_S
    while True:
        events = read_journal(path / "journal.jsonl")
        if component in [event.component_started.component for event in events]:
            return
        assert process.poll() is None, (path / "log.txt").read_text()[-3000:]
        assert time.monotonic() < deadline_s, "it took too long"
        time.sleep(0.05)


def _executions(home):
    """Counts executions by node and state."""
    store = open_store(home, mode=Mode.READONLY)
    name = metadata_store_pb2.Execution.State.Name
    counted = collections.Counter()
    for execution in store.get_executions():
        contexts = store.get_contexts_by_execution(execution.id)
        (node,) = [c.name.rpartition(".")[2] for c in contexts if c.type == "node"]
        counted[node, name(execution.last_known_state)] += 1
    return counted


def test_a_server_that_comes_back_is_waited_for(
    tmp_path, all_takes, tiny_profile, server
):
    studio = Studio(tmp_path / "home")
    path = studio.request("1", all_takes, tiny_profile)
    process = _start(path, AMADEUS_METADATA_PATIENCE_S="150")
    try:
        _wait_for(process, path, "DdspTransform")
        server.stop()
        time.sleep(5.0)  # however far it gets without
        server.start()
        assert process.wait(STEP_S) == 0, (path / "log.txt").read_text()[-3000:]
    finally:
        process.kill()
    server.wait()
    assert _executions(studio.home) == {(step, "COMPLETE"): 1 for step in STEPS}
    (record,) = lineage.lineage_of(studio.home, studio.deu)
    assert record.kind == "imitation"
    assert len(record.takes) == len(all_takes)
    assert {step.component for step in record.executions} == STEPS
    for left in (*path.glob("*.json*"), path / "log.txt"):
        assert mariadb.PASSWORD not in left.read_text()


def test_a_server_that_stays_away_is_one_sentence_and_the_next_practice_goes_on(
    tmp_path, all_takes, tiny_profile, server
):
    studio = Studio(tmp_path / "home")
    path = studio.request("1", all_takes, tiny_profile)
    process = _start(path, AMADEUS_METADATA_PATIENCE_S="2")
    try:
        _wait_for(process, path, "DdspTransform")
        server.stop()
        assert process.wait(STEP_S) == 2, (path / "log.txt").read_text()[-3000:]
    finally:
        process.kill()
    (*_, last) = read_journal(path / "journal.jsonl")
    assert "does not answer, and was tried for" in last.failed.text
    assert mariadb.PASSWORD not in last.failed.text
    assert studio.deu.generations() == []
    server.start()
    server.wait()
    process = _start(path)
    try:
        assert process.wait(STEP_S) == 0, (path / "log.txt").read_text()[-3000:]
    finally:
        process.kill()
    assert studio.deu.generations() == [1]
    counted = _executions(studio.home)
    assert counted["AudioExampleGen", "CACHED"] == 1, "what was done stays done"
    assert not {state for _, state in counted} & {"RUNNING", "NEW"}
    assert len(lineage.generations_of(studio.home, studio.deu)) == 1
