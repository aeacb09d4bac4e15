"""A practice followed from its first event to its last word."""

import os
import signal
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from amadeus.cli.display import make_display
from amadeus.cli.status import EXIT_FAULT, EXIT_INTERRUPTED, complain
from amadeus.cli.summary import summarise
from amadeus.cli.worker import Worker, worker_command
from amadeus.home import Deu, Home
from amadeus.report.session import LOG_NAME, Session, read_session

N_LOG_LINES = 8  # of a worker that died


def follow_lesson(
    home: Home, deu: Deu, practice_path: Path, *, command: Sequence[str] | None = None
) -> int:
    """Runs the worker of a practice, shows how it goes, and returns the exit status.

    Args:
      home: Where everything is kept.
      deu: Who practises.
      practice_path: Folder of the practice, with its request.
      command: The worker to run instead of the usual one.
    """
    session = Session(practice_path, request=read_session(practice_path).request)
    display = make_display(deu.name, session)
    worker = Worker(
        command or worker_command(practice_path),
        practice_path,
        on_stop=display.stopping,
    )
    environment = {
        "AMADEUS_HOME": str(home.path),
        "PYTHONUNBUFFERED": "1",
        "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3"),
    }
    started_at = time.monotonic()
    with worker.running(environment), display:
        for event in worker.events():
            session.add(event)
            display.show(event)
        status = worker.wait()
    wall_s = time.monotonic() - started_at
    return _conclude(deu, session, worker.interrupted_by, status, wall_s)


def _conclude(
    deu: Deu,
    session: Session,
    interrupted_by: signal.Signals | None,
    status: int,
    wall_s: float,
) -> int:
    if session.finished is not None:
        for line in summarise(deu, read_session(session.path), wall_s=wall_s):
            print(line)
        return 0
    if interrupted_by is not None:
        number = (
            EXIT_INTERRUPTED
            if interrupted_by == signal.SIGINT
            else 128 + interrupted_by
        )
        return complain(_say_interrupted(deu, session), number)
    if session.failed is not None:
        return complain(session.failed.text, session.failed.exit_status or EXIT_FAULT)
    return complain(_say_died(session, status), EXIT_FAULT)


def _say_interrupted(deu: Deu, session: Session) -> str:
    generation = deu.current_generation()
    voice = (
        f"generation {generation} still plays" if generation else "nothing was changed"
    )
    where = f" at step {session.training[-1].step}" if session.training else ""
    orderly = session.failed is not None
    kept = (
        "what was done is kept"
        if orderly
        else "what was done until the last checkpoint is kept"
    )
    return f"stopped{where}; {voice}, {kept}, and the same command takes it up again."


def _say_died(session: Session, status: int) -> str:
    log_path = session.path / LOG_NAME
    return (
        f"the practice {_say_status(status)} without a last word; the deu is as it was, and the same command takes it "
        f"up again. Its log is {log_path}" + _last_lines(log_path)
    )


def _say_status(status: int) -> str:
    if status == -signal.SIGKILL:
        return (
            "was killed from outside (SIGKILL), most likely because the memory ran out,"
        )
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"


def _last_lines(log_path: Path) -> str:
    try:
        with log_path.open(errors="replace") as log:
            lines = deque(log, maxlen=N_LOG_LINES)
    except OSError:
        return "."
    if not lines:
        return ", and it is empty."
    return (
        ", and ends so:\n" + "".join(f"  {line.rstrip()}\n" for line in lines).rstrip()
    )
