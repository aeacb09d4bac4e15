"""Stands beside a worker on its machine: beats for it, stops it where another machine says so, and never outlives it.

Usage: python -I -S keeper.py SETTINGS -- COMMAND, with SETTINGS as JSON:

    folder    of the session
    machine   name of this machine
    token     what the claim says for as long as the worker is entitled to work
    nice, processors, oom_score    how the worker is run
    fds       files to hand on to it

It is a program of its own with nothing but the standard library, for it starts with every worker:

    FOLDER/pulse   its beat
    FOLDER/order   `stop` or `kill`, from a studio elsewhere
    FOLDER/claim   holds TOKEN; when it holds another, somebody else has taken the session over: the worker ends, and
                   the pulse is left to them
"""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

BEAT_S, LOOK_S = 0.5, 0.1
PULSE_NAME, ORDER_NAME, CLAIM_NAME = "pulse", "order", "claim"

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> int:
    """Runs a worker; returns its exit status."""
    settings = json.loads(arguments[0])
    asked: list[
        int
    ] = []  # signals to hand on; from the first moment, for one may come at once
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda n, _frame: asked.append(n))
    own_pid = os.getpid()
    worker = subprocess.Popen(
        arguments[2:],
        pass_fds=settings["fds"],
        preexec_fn=lambda: _prepare(settings, own_pid),
    )
    status = _watch(worker, settings, asked)
    if _is_entitled(settings):
        _write(settings, "over")
    return status if status >= 0 else 128 - status


def _watch(
    worker: "subprocess.Popen[bytes]", settings: dict[str, Any], asked: list[int]
) -> int:
    n_beats, beaten_at = 0, -BEAT_S
    is_ordered = False
    while (status := worker.poll()) is None:
        while asked:
            _signal(worker, asked.pop(0))
        if time.monotonic() - beaten_at >= BEAT_S:
            if not _is_entitled(settings):
                os.killpg(0, signal.SIGKILL)
            n_beats, beaten_at = n_beats + 1, time.monotonic()
            _write(settings, str(n_beats))
            order = _read(settings, ORDER_NAME)
            if order == "kill":
                os.killpg(0, signal.SIGKILL)
            if order == "stop" and not is_ordered:
                is_ordered = True
                asked.append(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            worker.wait(LOOK_S)
    return status


def _is_entitled(settings: dict[str, Any]) -> bool:
    """Whether nobody else has taken the session over; a claim that cannot be read says nothing."""
    return _read(settings, CLAIM_NAME) in ("", settings["token"])


def _prepare(settings: dict[str, Any], keeper_pid: int) -> None:
    """Makes the worker polite, and has it end with its keeper."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != keeper_pid:  # it went before that was said
        os._exit(1)
    for prepare in (
        lambda: os.setpriority(os.PRIO_PROCESS, 0, settings["nice"]),
        lambda: os.sched_setaffinity(0, settings["processors"]),
        lambda: _write_score(settings["oom_score"]),
    ):
        with contextlib.suppress(OSError):
            prepare()


def _write_score(score: int) -> None:
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write(str(score))


def _signal(worker: "subprocess.Popen[bytes]", number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        worker.send_signal(number)


def _write(settings: dict[str, Any], beat: str) -> None:
    """Beats, at once or not at all; a disk that is full or away is none of the worker's business."""
    path = os.path.join(settings["folder"], PULSE_NAME)
    with contextlib.suppress(OSError):
        with open(f"{path}.{os.getpid()}", "w") as file:
            file.write(f"{settings['machine']}\n{beat}\n")
        os.replace(f"{path}.{os.getpid()}", path)


def _read(settings: dict[str, Any], name: str) -> str:
    try:
        with open(os.path.join(settings["folder"], name)) as file:
            return file.read(1000).strip()
    except OSError:
        return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
