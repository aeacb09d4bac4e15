"""Processes that work on sessions, and go on when the studio that started them does not.

A worker inherits an open file on which its session's claim is locked. The kernel lets go of the lock when the worker
is gone, however it went; so whoever shares the home can tell whether somebody works on a session, and no session is
worked on twice. Its process id and starting time, in `worker.json`, say whom to signal.
"""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple

from amadeus.home import write_atomically
from serving.studio.sessions import CLAIM_NAME, Session

MARK_NAME = "worker.json"
NICENESS = 10
OOM_SCORE = 500  # of 1000: when memory runs out, a practice ends before a performance

_STARTED_FIELD = (
    19  # of /proc/PID/stat, counted from behind the name: clock ticks since boot
)
_SECRETS_PREFIX = "AMADEUS_STUDIO_"  # tokens among them; a practice needs none


class Mark(NamedTuple):
    """A process that is not mistaken for another: its id, when it started, and where both are true."""

    pid: int
    started_ticks: int
    machine: str


class Claim:
    """The right to work on a session; held by an open file."""

    def __init__(self, session: Session, file: IO[str]) -> None:
        self.session = session
        self.file = file


@contextlib.contextmanager
def claimed(session: Session) -> Iterator[Claim | None]:
    """Takes the right to work on a session; gives None while somebody has it.

    A worker started meanwhile keeps the right after this ends.
    """
    with (session.path / CLAIM_NAME).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield None
        else:
            yield Claim(session, file)


def start(
    claim: Claim,
    command: Sequence[str],
    *,
    folder: Path,
    log_path: Path,
    environment: Mapping[str, str],
    n_threads: int,
    n_others: int,
) -> "subprocess.Popen[bytes]":
    """Starts a worker in a process group of its own, politely: low priority, few processors.

    Args:
      claim: Handed on to the worker.
      command: What to run.
      folder: Where to run it.
      log_path: Where its output is added to.
      environment: Beside the studio's own, without the studio's secrets.
      n_threads: Processors it may use.
      n_others: Workers that are there already; it is sent to other processors than they, as far as there are any.

    Raises:
      OSError: It cannot be started.
    """
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_SECRETS_PREFIX)
    }
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            env={**inherited, **_bounds(n_threads), **environment},
            process_group=0,
            pass_fds=(claim.file.fileno(),),
        )
    _make_polite(process.pid, _choose_processors(n_threads, n_others))
    mark = _mark_of(process.pid)
    if mark is not None:
        write_atomically(claim.session.path / MARK_NAME, json.dumps(mark._asdict()))
    return process


def find(session: Session) -> Mark | None:
    """Finds the worker of a session; None if it is gone, or on another machine."""
    try:
        mark = Mark(**json.loads((session.path / MARK_NAME).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return mark if _mark_of(mark.pid) == mark else None


def started_s(session: Session) -> float:
    """Tells when the worker of a session was started, in seconds since 1970; now, if that is not known."""
    try:
        return (session.path / MARK_NAME).stat().st_mtime
    except FileNotFoundError:
        return time.time()


def ask_to_stop(session: Session) -> None:
    """Asks the worker of a session to stop in good order."""
    mark = find(session)
    if mark is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(mark.pid, signal.SIGINT)


def kill(session: Session) -> None:
    """Ends the worker of a session at once, and whatever it started."""
    mark = find(session)
    if mark is not None:
        kill_group(mark.pid)


def is_dead(process: "subprocess.Popen[bytes]") -> bool:
    """Whether a worker started here has ended, without taking note of it: its group can still be signalled."""
    options = os.WEXITED | os.WNOHANG | os.WNOWAIT
    try:
        return os.waitid(os.P_PID, process.pid, options) is not None
    except ChildProcessError:
        return True


def kill_group(pid: int) -> None:
    """Ends a process and whatever it started; the process itself must not have been waited for yet."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _bounds(n_threads: int) -> dict[str, str]:
    return {
        "OMP_NUM_THREADS": str(n_threads),
        "OPENBLAS_NUM_THREADS": str(n_threads),
        "MKL_NUM_THREADS": str(n_threads),
        "TF_NUM_INTRAOP_THREADS": str(n_threads),
        "TF_NUM_INTEROP_THREADS": str(n_threads),
        "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3"),
        "PYTHONUNBUFFERED": "1",
    }


def _make_polite(pid: int, processors: set[int]) -> None:
    # At once, while there is one thread: the threads it starts inherit both. What asks how many processors there are
    # (TensorFlow, our kernels) asks for those it may use.
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, NICENESS)
    with contextlib.suppress(OSError):
        os.sched_setaffinity(pid, processors)
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text(str(OOM_SCORE))


def _choose_processors(n_threads: int, n_others: int) -> set[int]:
    """Chooses from the last processor on; whoever performs is rather on the first ones."""
    here = sorted(os.sched_getaffinity(0), reverse=True)
    first = n_threads * n_others
    return {here[(first + n) % len(here)] for n in range(n_threads)}


def _mark_of(pid: int) -> Mark | None:
    """Marks a living process; None if it is gone, or dead and not yet waited for."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    if fields[0] in ("Z", "X"):
        return None
    return Mark(pid, int(fields[_STARTED_FIELD]), _machine())


def _machine() -> str:
    """Names where process ids mean what they say: a boot of a machine, and a namespace in it."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot} {os.readlink('/proc/self/ns/pid')}"
