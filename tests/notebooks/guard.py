"""Ends what a notebook started when its test ends, however it does: `python guard.py MARK`, until the input ends.

A kernel, and a practice that it started, are processes with groups of their own; what they share is the environment,
in which MARK stands.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


@contextlib.contextmanager
def guarded(mark):
    """Sees to it that no process with `mark` in its environment outlives this, nor who runs it."""
    guard = subprocess.Popen(
        [sys.executable, __file__, mark], stdin=subprocess.PIPE, process_group=0
    )
    try:
        yield
    finally:
        guard.stdin.close()
        guard.wait(60)


def marked(mark):
    """Processes of ours that have `mark` in their environment and are not dead yet."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark.encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
    return [pid for pid in found if pid != os.getpid()]


def main(mark):
    with contextlib.suppress(KeyboardInterrupt):
        sys.stdin.read()
    n_empty = 0
    while n_empty < 2:  # one may start another meanwhile, and is seen a moment late
        found = marked(mark)
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        n_empty = 0 if found else n_empty + 1
        time.sleep(0.02)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    main(sys.argv[1])
