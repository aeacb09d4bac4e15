"""Two worker processes: both work, are heard, and end when they should."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from amadeus.journal import read_journal
from components.beam_workers import ProcessHandler
from tests import processes
from tests.pipelines.beam_steps import SENTENCE

DEADLINE_S = 120

pytestmark = pytest.mark.timeout(400)


@contextlib.contextmanager
def started(step, folder):
    """Runs a step in a process of its own, of whose children none stays."""
    command = [sys.executable, "-m", "tests.pipelines.beam_steps", step, str(folder)]
    scratch = folder / "scratch"
    scratch.mkdir()
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(scratch)},
        text=True,
    )
    try:
        yield process
    finally:
        workers = pids(folder)
        process.kill()
        process.communicate()
        for pid in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def finish(process):
    out, _ = process.communicate(timeout=DEADLINE_S)
    return process.returncode, out.strip()


def pids(folder):
    return {int(path.name.split("-")[1]) for path in Path(folder).glob("?-*")}


def wait_for_two(folder):
    deadline_s = time.monotonic() + DEADLINE_S
    while len(pids(folder)) < 2:
        assert time.monotonic() < deadline_s, "two workers did not begin"
        time.sleep(0.05)
    return pids(folder)


def wait_until_gone(workers):
    deadline_s = time.monotonic() + DEADLINE_S
    while any(map(psutil.pid_exists, workers)):
        assert time.monotonic() < deadline_s, "a worker outlived its practice"
        time.sleep(0.05)


class Connection:
    """A connection to a worker, which somebody asks for more just when its death is to be told."""

    def __init__(self):
        self.told = []

    def abort(self, error):
        self.told.append(str(error))
        if len(self.told) == 1:
            raise RuntimeError("dictionary changed size during iteration")


def test_the_death_of_a_worker_is_told_until_all_have_heard_it():
    handler = ProcessHandler.__new__(ProcessHandler)
    handler.control_conn, handler._closing = Connection(), threading.Event()
    handler._process = processes.start([sys.executable, "-c", "raise SystemExit(3)"])
    watch = threading.Thread(target=handler._watch, daemon=True)
    watch.start()
    deadline_s = time.monotonic() + DEADLINE_S
    while len(handler.control_conn.told) < 2 and watch.is_alive():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    handler._closing.set()
    watch.join()
    assert len(handler.control_conn.told) >= 2
    assert "ended by itself (status 3)" in handler.control_conn.told[-1]


@pytest.mark.slow
def test_two_processes_work_and_their_events_reach_the_journal(tmp_path):
    with started("leave_name", tmp_path) as process:
        assert finish(process) == (0, "")
    workers = pids(tmp_path)
    assert len(workers) == 2
    assert process.pid not in workers
    texts = {e.warning.text for e in read_journal(tmp_path / "journal.jsonl")}
    assert texts == {"number 0", "number 1"}
    share = str(max(1, (os.cpu_count() or 1) // 2))
    assert {path.read_text() for path in tmp_path.glob("?-*")} == {share}
    wait_until_gone(workers)


@pytest.mark.cluster
def test_what_a_worker_refuses_is_one_sentence(tmp_path):
    with started("refuse", tmp_path) as process:
        assert finish(process) == (2, SENTENCE)


@pytest.mark.cluster
def test_a_worker_that_is_killed_is_an_error_and_not_waited_for(tmp_path):
    with started("die", tmp_path) as process:
        status, said = finish(process)
    assert status == 2
    assert said.startswith("a worker process was killed")
    assert "direct_num_workers=1" in said


@pytest.mark.cluster
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nobody_outlives_a_practice_that_is_interrupted_or_killed(tmp_path, number):
    with started("linger", tmp_path) as process:
        workers = wait_for_two(tmp_path)
        process.send_signal(number)
        status, _ = finish(process)
        assert status == (130 if number == signal.SIGINT else -signal.SIGKILL)
        wait_until_gone(workers)
    if number == signal.SIGINT:  # who is killed itself removes nothing
        left = [path.read_text() for path in tmp_path.glob("?-*")]
        assert all(folder.startswith(str(tmp_path)) for folder in left)
        assert not any(map(os.path.exists, left))
