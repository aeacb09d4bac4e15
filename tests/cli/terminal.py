"""The `amadeus` command as a process of its own, the way an ama meets it."""

import os
import resource
import subprocess
import sys
import time

COMMAND = [sys.executable, "-m", "amadeus.cli.main"]


def amadeus(*arguments, home=None, answer="", cwd=None, timeout_s=120):
    """Runs a command to its end."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        env=environment(home),
        input=answer,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        cwd=cwd,
    )


def environment(home=None):
    variables = {**os.environ, "COLUMNS": "100"}
    if home is not None:
        variables["AMADEUS_HOME"] = str(home.path)
    return variables


def busy_s(run):
    """Measures the processor time of the children that `run()` waits for.

    Wall time would measure what else the machine does.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def wait_for(what, *, timeout_s=30):
    """Waits until `what()` is true, and hands back what it said."""
    deadline = time.monotonic() + timeout_s
    while not (answer := what()):
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.02)
    return answer


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # An orphan that nobody has reaped yet is dead all the same.
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
