"""Processes that work on sessions, and go on when the studio that started them does not.

A worker inherits an open file on which its session's claim is locked. The kernel lets go of the lock when the worker
is gone, however it went; so whoever shares the home can tell whether somebody works on a session, and no session is
worked on twice. Its process id and starting time, in `worker.json`, say whom to signal.

A studio on another machine cannot signal it, and may have to wait until a file server lets go of the lock; so each
worker has a keeper beside it (`keeper.py`), which beats in `pulse`, takes orders from `order`, and ends a worker whose
claim was given to another meanwhile. A worker that is quicker than its keeper finds a fence before the place where
generations appear (`amadeus.fence`).
"""

import contextlib
import errno
import fcntl
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple

from amadeus import fence
from amadeus.home import write_atomically
from amadeus.personality.generations import STAGING_PREFIX
from serving.studio import keeper
from serving.studio.machines import Leases, read_beat, this_machine
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
    with (session.path / CLAIM_NAME).open("a+") as file:
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
    voices_path: Path | None = None,
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
      voices_path: Where it will push to; what the worker before it prepared there is taken away.

    Raises:
      OSError: It cannot be started.
    """
    if shutil.which(command[0]) is None:  # its keeper could not say so any more
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), command[0])
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_SECRETS_PREFIX)
    }
    token = _begin(claim, voices_path)
    settings = {
        "folder": str(claim.session.path),
        "machine": this_machine(),
        "token": token,
        "nice": NICENESS,
        "processors": sorted(_choose_processors(n_threads, n_others)),
        "oom_score": OOM_SCORE,
        "fds": [claim.file.fileno()],
    }
    kept = [sys.executable, "-I", "-S", keeper.__file__, json.dumps(settings), "--"]
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            [*kept, *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            env={
                **inherited,
                **_bounds(n_threads),
                **environment,
                fence.VARIABLE: fence.tell(token, claim.session.path / CLAIM_NAME),
            },
            process_group=0,
            pass_fds=(claim.file.fileno(),),
        )
    mark = _mark_of(process.pid)
    if mark is not None:
        write_atomically(claim.session.path / MARK_NAME, json.dumps(mark._asdict()))
    return process


def revoke(claim: Claim, voices_path: Path | None) -> str:
    """Takes the right to push from whoever had it until now; returns what the claim says from now on."""
    token = secrets.token_hex(8)
    with fence.closed(claim.session.path / CLAIM_NAME):
        claim.file.seek(0)
        before = claim.file.read(1000).strip()
        claim.file.truncate(0)
        claim.file.write(token)
        claim.file.flush()
        os.fsync(claim.file.fileno())
    if voices_path is not None:
        fence.withdraw(voices_path, before, prefix=STAGING_PREFIX)
    return token


def find(session: Session) -> Mark | None:
    """Finds the worker of a session; None if it is gone, or on another machine."""
    mark = _read_mark(session)
    return mark if mark is not None and _mark_of(mark.pid) == mark else None


def is_elsewhere(session: Session) -> bool:
    """Whether the worker of a session was started on another machine."""
    mark = _read_mark(session)
    return mark is not None and mark.machine != this_machine()


def may_live_elsewhere(session: Session, leases: Leases) -> bool:
    """Whether the worker of a session is on another machine, and beat there lately."""
    if not is_elsewhere(session):
        return False
    pulse = session.path / keeper.PULSE_NAME
    # a keeper takes a moment to its first beat
    return leases.is_fresh(pulse if read_beat(pulse) else session.path / MARK_NAME)


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
    elif is_elsewhere(session):
        _order(session, "stop")


def kill(session: Session) -> None:
    """Ends the worker of a session at once, and whatever it started."""
    mark = find(session)
    if mark is not None:
        kill_group(mark.pid)
    elif is_elsewhere(session):
        _order(session, "kill")


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


def _begin(claim: Claim, voices_path: Path | None) -> str:
    """Takes a session over from whoever had it; returns what its claim says from now on."""
    for name in (keeper.PULSE_NAME, keeper.ORDER_NAME):
        (claim.session.path / name).unlink(missing_ok=True)
    return revoke(claim, voices_path)


def _order(session: Session, order: str) -> None:
    write_atomically(session.path / keeper.ORDER_NAME, order)


def _read_mark(session: Session) -> Mark | None:
    try:
        return Mark(**json.loads((session.path / MARK_NAME).read_text()))
    except (OSError, ValueError, TypeError):
        return None


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
    return Mark(pid, int(fields[_STARTED_FIELD]), this_machine())
