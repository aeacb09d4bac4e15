"""What a notebook has started ends with its test."""

import os
import subprocess
import sys
import uuid
from pathlib import Path

from tests import processes
from tests.cli.terminal import wait_for
from tests.notebooks.guard import guarded, marked

REPOSITORY = Path(__file__).parents[2]


def _sleeper(mark):
    """A process in a group of its own, as a kernel and its worker are."""
    return subprocess.Popen(
        ["sleep", "600"], env={**os.environ, "MARK": mark}, process_group=0
    )


def test_marked_processes_end_with_the_guarded_block():
    mark = uuid.uuid4().hex
    other = processes.start(["sleep", "600"], env={**os.environ, "MARK": "another"})
    with guarded(mark), _sleeper(mark) as sleeper:
        wait_for(lambda: marked(mark) == [sleeper.pid])  # Linux shows it a moment late
        sleeper.kill()  # leaving `with` waits; the guard has its turn below
    with guarded(mark):
        sleeper = _sleeper(mark)
    assert sleeper.wait(60) == -9
    assert other.poll() is None
    other.kill()
    other.wait()


def test_marked_processes_end_with_a_test_that_is_killed():
    mark = uuid.uuid4().hex
    program = (
        "import sys; from tests.notebooks.guard import guarded\n"
        "from tests.notebooks.test_guard import _sleeper\n"
        "with guarded(sys.argv[1]):\n"
        "    _sleeper(sys.argv[1])\n"
        "    print('started', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, mark],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as test:
        assert test.stdout.readline() == b"started\n"
        wait_for(lambda: len(marked(mark)) == 1)
        test.kill()
    wait_for(lambda: not marked(mark), timeout_s=60)
