"""Who lives on another machine: told by beats alone, or by locks where they are at hand."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from amadeus.home import Home
from serving.studio import keeper, workers
from serving.studio.machines import Leases, machine_of, read_beat, this_machine
from serving.studio.practice_limits import PracticeLimits
from serving.studio.presence import Presence
from serving.studio.schedule import Schedule
from serving.studio.sessions import Session, Standing
from tests.cli.terminal import is_alive, wait_for

LEASE_S = 0.5


@pytest.fixture
def session(tmp_path):
    path = tmp_path / "lesson"
    path.mkdir()
    return Session(path=path, configuration=None, created_ns=0, standing=Standing())


def _start(session, *command):
    with workers.claimed(session) as claim:
        return workers.start(
            claim, command, folder=session.path, log_path=session.path / "log",
            environment={}, n_threads=1, n_others=0,
        )  # fmt: skip


@pytest.fixture
def worker(session):
    """A worker that tells its process id and then waits."""
    said = session.path / "pid"
    program = f"import os, time; open({str(said)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    process = _start(session, sys.executable, "-c", program)
    wait_for(lambda: said.exists() and said.read_text())
    yield process, int(said.read_text())
    workers.kill_group(process.pid)
    process.wait()


def _claim_is_free(session):
    with workers.claimed(session) as claim:
        return claim is not None


def test_a_worker_beats_for_as_long_as_it_lives(session, worker):
    pulse = session.path / "pulse"
    wait_for(lambda: read_beat(pulse))
    before = read_beat(pulse)
    assert before.startswith(f"{this_machine()}\n")
    wait_for(lambda: read_beat(pulse) != before)
    os.kill(worker[1], signal.SIGKILL)
    assert worker[0].wait(30) == 128 + signal.SIGKILL
    assert read_beat(pulse).rstrip().endswith("over")
    assert _claim_is_free(session)


def test_a_worker_never_outlives_its_keeper(session, worker):
    os.kill(worker[0].pid, signal.SIGKILL)
    wait_for(lambda: not is_alive(worker[1]))
    wait_for(lambda: _claim_is_free(session))


def test_a_worker_whose_session_another_has_taken_ends(session, worker):
    (session.path / "claim").write_text("somebody else's")
    wait_for(lambda: not is_alive(worker[1]))


def test_who_lost_a_session_leaves_the_pulse_to_the_next(tmp_path):
    (tmp_path / "claim").write_text("theirs")
    (tmp_path / "pulse").write_text("another\n7\n")
    settings = {
        "folder": str(tmp_path), "machine": "late", "token": "ours", "nice": 0,
        "processors": sorted(os.sched_getaffinity(0)), "oom_score": 500, "fds": [],
    }  # fmt: skip
    worker = [sys.executable, "-c", "import time; time.sleep(600)"]
    command = [sys.executable, "-I", "-S", keeper.__file__, json.dumps(settings)]
    ran = subprocess.run([*command, "--", *worker], process_group=0, check=False)
    assert ran.returncode == -signal.SIGKILL
    assert read_beat(tmp_path / "pulse") == "another\n7\n"


@pytest.mark.parametrize(("order", "status"), [("stop", 1), ("kill", -9)])
def test_another_machine_stops_a_worker(session, monkeypatch, order, status):
    program = "import time\ntime.sleep(600)"
    process = _start(session, sys.executable, "-c", program)
    wait_for(lambda: read_beat(session.path / "pulse"))
    time.sleep(0.3)  # for Python to listen to signals
    monkeypatch.setenv("AMADEUS_MACHINE", "another")
    assert workers.find(session) is None
    assert workers.is_elsewhere(session)
    (workers.ask_to_stop if order == "stop" else workers.kill)(session)
    ended = process.wait(30)
    assert ended == status or ended == 128 + signal.SIGINT


def test_where_locks_do_not_reach_a_worker_elsewhere_lives_while_it_beats(
    session, monkeypatch
):
    leases, now = Leases(LEASE_S), [100.0]
    monkeypatch.setattr("serving.studio.machines.time.monotonic", lambda: now[0])
    mark = {"pid": 1, "started_ticks": 1, "machine": "another"}
    (session.path / "worker.json").write_text(json.dumps(mark))
    assert workers.may_live_elsewhere(session, leases), "its keeper starts"
    for beat in range(5):
        (session.path / "pulse").write_text(f"another\n{beat}\n")
        now[0] += 0.9 * LEASE_S
        assert workers.may_live_elsewhere(session, leases)
    now[0] += 1.1 * LEASE_S
    assert not workers.may_live_elsewhere(session, leases)
    (session.path / "pulse").write_text("another\n99\n")
    assert workers.may_live_elsewhere(session, leases), "it was only slow"
    (session.path / "pulse").write_text("another\nover\n")
    assert not workers.may_live_elsewhere(session, leases)


def test_a_worker_of_this_machine_needs_no_lease(session, worker):
    assert not workers.may_live_elsewhere(session, Leases(1000.0))
    assert workers.find(session) is not None


def test_a_studio_elsewhere_lives_while_it_beats(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("serving.studio.machines.time.monotonic", lambda: now[0])
    here = Presence(tmp_path / ".studios", lease_s=LEASE_S)
    here.open()
    other = tmp_path / ".studios" / "other"
    for beat in range(3):
        other.write_text(f"another\n{beat}\n")
        now[0] += 0.9 * LEASE_S
        assert here.is_alive("other")
    now[0] += 1.1 * LEASE_S
    assert not here.is_alive("other")
    assert not other.exists(), "it is forgotten"
    assert here.is_alive(here.name)
    here.close()
    assert not here.is_alive(here.name)


def test_a_beat_is_whole_whenever_somebody_looks(tmp_path):
    here = Presence(tmp_path / ".studios")
    here.open()
    path, file, seen = tmp_path / ".studios" / here.name, here._file, []

    class Watched:
        def __getattr__(self, name):
            def call(*arguments):
                answer = getattr(file, name)(*arguments)
                seen.append(read_beat(path))
                return answer

            return call

    here._file = Watched()
    here._beaten_at = -100.0
    here.beat()
    here.close()
    assert seen[-1].endswith("over\n")
    assert {machine_of(beat) for beat in seen} == {this_machine()}


def test_a_studio_shows_itself_while_nobody_sweeps(tmp_path, monkeypatch):
    home, opened = Home(tmp_path), []

    def open_it(_self):
        with (
            (home.sessions_path / ".lock").open("w") as lock,
            pytest.raises(BlockingIOError),
        ):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        opened.append(True)

    monkeypatch.setattr(Presence, "open", open_it)
    schedule = Schedule(
        home, PracticeLimits(), practice_command=list, listen_command=list
    )
    schedule.open()
    assert opened


def test_locks_that_do_not_reach_are_said(tmp_path, caplog):
    here = Presence(tmp_path / "sessions" / ".studios", lease_s=LEASE_S)
    here.open()
    other = tmp_path / "sessions" / ".studios" / "other"
    for beat in range(3):  # it lives, and its lock is not felt
        other.write_text(f"another\n{beat}\n")
        here.is_alive("other")
    (record,) = caplog.records
    assert "locks of one do not reach the other" in record.getMessage()
    here.close()


def test_a_container_is_a_machine_of_its_own():
    program = "from serving.studio.machines import this_machine as m; print(m())"
    command = [sys.executable, "-c", program]
    unshared = ["unshare", "-Urpf", "--mount-proc", *command]
    ran = subprocess.run(unshared, capture_output=True, text=True, check=False)
    if ran.returncode:
        pytest.skip(f"no namespaces here: {ran.stderr.strip()}")
    alike = subprocess.run(command, capture_output=True, text=True, check=True)
    assert alike.stdout.strip() == this_machine() != ran.stdout.strip()


def test_a_keeper_is_light():
    """It starts with every worker, on every machine."""
    probe = (
        "import runpy, sys; runpy.run_path(sys.argv[1], run_name='keeper');"
        "sys.exit(any(m.split('.')[0] in ('serving', 'amadeus', 'grpc') for m in sys.modules))"
    )
    command = [sys.executable, "-I", "-S", "-c", probe, keeper.__file__]
    assert subprocess.run(command, check=False).returncode == 0
