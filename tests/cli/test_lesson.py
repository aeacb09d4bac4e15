"""A practice followed through a real process that writes a real journal."""

import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from amadeus.cli.practice import write_request
from amadeus.personality.profiles import complete_learner_profile
from tests.cli.terminal import environment, is_alive, wait_for

WORKER = Path(__file__).with_name("stand_in_worker.py")

LESSON = f"""
import sys
from pathlib import Path
from amadeus.cli.lesson import follow_lesson
from amadeus.home import open_home
home = open_home()
path = Path(sys.argv[1])
command = [sys.executable, {str(WORKER)!r}, str(path), sys.argv[2]]
sys.exit(follow_lesson(home, home.deu("cello"), path, command=command))
"""


@pytest.fixture
def practice_path(home):
    deu = home.create_deu("cello")
    recordings = [Path("/music/suite.wav")]
    return write_request(deu, recordings, complete_learner_profile(), [])


def start(practice_path, script, home, **streams):
    return subprocess.Popen(
        [sys.executable, "-c", LESSON, str(practice_path), script],
        env=environment(home),
        stdin=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        **({"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams),
    )


def follow(practice_path, script, home):
    lesson = start(practice_path, script, home)
    output, errors = lesson.communicate(timeout=60)
    return lesson.returncode, output, errors


def wait_for_worker(practice_path):
    """Waits until the worker has said all it will unasked, and hands back its process id."""
    wait_for((practice_path / "ready").exists)
    return int((practice_path / "pid").read_text())


def test_a_good_end_is_summed_up(practice_path, home):
    status, output, errors = follow(practice_path, "finish", home)
    assert (status, errors) == (0, "")
    assert "cello plays generation 1 now: there was no voice before" in output
    assert "  spectral loss      5.25" in output
    assert re.search(r"  DdspTransform +1\.5 s  \(from the cache\)", output)
    assert re.search(r"  Trainer +\d\.\d s  \(besides training\)", output)
    assert "amadeus perform cello tune.mid -o tune.wav" in output


def test_progress_in_a_log_is_rate_limited_lines(practice_path, home):
    _, output, _ = follow(practice_path, "finish", home)
    progress = [line for line in output.splitlines() if "training: step" in line]
    assert len(progress) == 1  # ten events within a second
    assert "loss 10.000, 200.00 steps/s, 1.0 s left" in progress[0]
    assert "\x1b" not in output
    assert "DdspTransform taken from the cache" in output


def test_a_terminal_shows_a_live_picture(practice_path, home):
    master, slave = pty.openpty()
    lesson = start(practice_path, "finish", home, stdout=slave, stderr=slave)
    os.close(slave)
    text = b""
    while True:
        try:
            chunk = os.read(master, 4096)
        except OSError:  # the other end is closed
            break
        text += chunk
    assert lesson.wait() == 0
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text.decode())
    assert "✓ DdspTransform" in shown
    assert "step 100, loss 1.818, held-out loss 1.909 (best 1.909)" in shown
    assert "plays generation 1 now" in shown


def test_a_refusal_by_the_worker_is_its_sentence_and_status(practice_path, home):
    status, _, errors = follow(practice_path, "refuse", home)
    assert (status, errors) == (2, "amadeus: too little sound.\n")


def test_a_killed_worker_is_told_of_with_its_log(practice_path, home):
    status, _, errors = follow(practice_path, "die", home)
    assert status == 1
    assert "SIGKILL" in errors
    assert "memory ran out" in errors
    assert str(practice_path / "log.txt") in errors
    assert errors.endswith("  the log begins\n")


def test_a_crashed_worker_shows_the_end_of_its_log(practice_path, home):
    status, _, errors = follow(practice_path, "crash", home)
    assert status == 1
    assert "ended with status 1 without a last word" in errors
    assert "RuntimeError: a fault of ours" in errors


def test_ctrl_c_stops_in_good_order(practice_path, home):
    lesson = start(practice_path, "wait", home)
    pid = wait_for_worker(practice_path)
    lesson.send_signal(signal.SIGINT)
    _, errors = lesson.communicate(timeout=30)
    assert lesson.returncode == 130
    assert "stopping in good order" in errors
    assert errors.endswith(
        "amadeus: stopped at step 100; nothing was changed, what was done is kept, and the same command takes it up "
        "again.\n"
    )
    assert (
        f"home {home.path} is as it was"
        in (practice_path / "journal.jsonl").read_text()
    )
    assert not is_alive(pid)


def test_the_old_voice_is_said_to_play_after_ctrl_c(practice_path, home):
    (home.deu("cello").voices_path / "3").mkdir(parents=True)
    lesson = start(practice_path, "wait", home)
    wait_for_worker(practice_path)
    lesson.send_signal(signal.SIGINT)
    _, errors = lesson.communicate(timeout=30)
    assert "generation 3 still plays" in errors


def test_a_second_ctrl_c_ends_a_worker_that_does_not_listen(practice_path, home):
    lesson = start(practice_path, "deaf", home)
    pid = wait_for_worker(practice_path)
    lesson.send_signal(signal.SIGINT)
    assert "stopping in good order" in lesson.stderr.readline()
    assert is_alive(pid)
    lesson.send_signal(signal.SIGINT)
    _, errors = lesson.communicate(timeout=30)
    assert lesson.returncode == 130
    assert "what was done until the last checkpoint is kept" in errors
    assert not is_alive(pid)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_lost_terminal_leaves_no_worker(practice_path, home, number):
    lesson = start(practice_path, "wait", home)
    pid = wait_for_worker(practice_path)
    lesson.send_signal(number)
    lesson.communicate(timeout=30)
    assert lesson.returncode == 128 + number
    assert not is_alive(pid)


def test_a_closed_terminal_leaves_no_worker(practice_path, home):
    master, slave = pty.openpty()
    lesson = start(practice_path, "wait", home, stdout=slave, stderr=slave)
    os.close(slave)
    pid = wait_for_worker(practice_path)
    os.close(master)
    lesson.send_signal(signal.SIGHUP)  # as a shell does for its jobs
    assert lesson.wait(timeout=30) == 128 + signal.SIGHUP
    assert not is_alive(pid)


def test_a_reader_that_leaves_stops_the_practice(practice_path, home):
    lesson = start(practice_path, "chat", home)
    pid = wait_for_worker(practice_path)
    lesson.stdout.close()
    lesson.wait(timeout=30)
    assert not is_alive(pid)
    assert (
        home.path.name in (practice_path / "journal.jsonl").read_text()
    )  # in good order
