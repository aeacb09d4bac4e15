"""Ends process groups when the tests end, however they do: `python guard.py`, a group a line, until the input ends.

What stands still (SIGSTOP) cannot look after itself.
"""

import contextlib
import os
import signal
import subprocess
import sys


@contextlib.contextmanager
def guarded():
    """Hands out how to name a group that must not outlive this."""
    guard = subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, text=True, process_group=0
    )

    def watch(pid):
        guard.stdin.write(f"{pid}\n")
        guard.stdin.flush()

    try:
        yield watch
    finally:
        guard.stdin.close()
        guard.wait(60)


def main():
    groups = []
    with contextlib.suppress(KeyboardInterrupt):
        groups += (int(line) for line in iter(sys.stdin.readline, ""))
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    main()
