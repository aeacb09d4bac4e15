"""Processes that tests start: none outlives who started it, not even one that is killed."""

import ctypes
import functools
import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

_PR_SET_PDEATHSIG = 1
_prctl = ctypes.CDLL(None, use_errno=True).prctl  # not looked up after a fork


def start(command, **options):
    """Starts a process as `subprocess.Popen` does; it is killed when this one ends, however it ends.

    What is killed tidies nothing up: the kernel does it. It minds the thread that started a process, so one thread
    starts them all and stays.
    """
    begun = functools.partial(subprocess.Popen, preexec_fn=_mortal(os.getpid()))
    return _starter().submit(begun, command, **options).result()


@functools.cache
def _starter():
    return ThreadPoolExecutor(1, "starter")


def _mortal(starter):
    def bind():
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != starter:  # who has died meanwhile
            os._exit(1)

    return bind
