"""Processes that tests start: none outlives who started it, not even one that is killed.

As a program, `processes.py STARTER COMMAND...`: becomes COMMAND, which ends with the process STARTER.
"""

import ctypes
import functools
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

_PR_SET_PDEATHSIG = 1


def start(command, **options):
    """Starts a process as `subprocess.Popen` does; it is killed when this one ends, however it ends.

    What is killed tidies nothing up: the kernel does it. It minds the thread that started a process, so one thread
    starts them all and stays. A program of its own asks the kernel, for what runs between a fork and its exec
    (`preexec_fn`) runs gRPC's handlers of forks too, and those may bring the child down.
    """
    bound = [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]
    return _starter().submit(subprocess.Popen, bound, **options).result()


@functools.cache
def _starter():
    return ThreadPoolExecutor(1, "starter")


def _become(starter, *command):
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(starter):  # who has died meanwhile
        sys.exit(1)
    os.execvp(command[0], command)


if __name__ == "__main__":
    _become(*sys.argv[1:])
