"""How a running practice is shown: live in a terminal, in plain lines anywhere else."""

import contextlib
import math
import os
import sys
import time
from types import TracebackType
from typing import Protocol

from amadeus.report.session import Session
from amadeus.report.wording import duration
from amadeus.v1.practice_pb2 import PracticeEvent, TrainingProgress

LOG_PERIOD_S = 10.0  # between two lines of progress in a log

STOPPING = "stopping in good order; press Ctrl-C again to end it at once"
ENDING = "ended at once"


class Display(Protocol):
    """Shows a practice, from entering it to leaving it."""

    def __enter__(self) -> "Display":
        """Begins to show."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Shows no more."""

    def show(self, event: PracticeEvent) -> None:
        """Shows one event, after the session took it in."""

    def stopping(self, n_stops: int) -> None:
        """Says that the worker was asked to stop; called from a signal handler."""


def make_display(deu: str, session: Session) -> Display:
    """Chooses the display that fits where the output goes."""
    if sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        from amadeus.cli.live import LiveDisplay  # rich

        return LiveDisplay(deu, session)
    return LineDisplay(deu, session)


class LineDisplay(contextlib.AbstractContextManager["LineDisplay"]):
    """One line per event, with progress at most every `LOG_PERIOD_S`."""

    def __init__(self, deu: str, session: Session) -> None:
        self._deu = deu
        self._session = session
        self._told_at = -math.inf

    def __enter__(self) -> "LineDisplay":
        _say(
            f"{self._deu} practises ({self._session.practice}); Ctrl-C stops in good order"
        )
        return self

    def __exit__(self, *_error: object) -> None:
        return None

    def show(self, event: PracticeEvent) -> None:
        """Prints one event, if it is worth a line."""
        text = self._word(event)
        if text:
            _say(f"{duration(event.elapsed_s):>9}  {text}")

    def stopping(self, n_stops: int) -> None:
        """Writes without Python's buffers, which a signal may have interrupted."""
        sentence = STOPPING if n_stops == 1 else ENDING
        with contextlib.suppress(OSError):  # the terminal may be gone
            os.write(2, f"{sentence}\n".encode())

    def _word(self, event: PracticeEvent) -> str:
        kind = event.WhichOneof("event")
        if kind == "component_started":
            self._told_at = -math.inf
            return f"{event.component_started.component} begins"
        if kind == "component_finished":
            done = event.component_finished
            how = "taken from the cache" if done.cached else "done"
            return f"{done.component} {how} after {duration(done.duration_s)}"
        if kind == "warning":
            return f"warning: {event.warning.text}"
        if kind == "training_progress":
            return self._word_progress(event.training_progress)
        return ""  # the summary tells the rest

    def _word_progress(self, progress: TrainingProgress) -> str:
        if time.monotonic() - self._told_at < LOG_PERIOD_S:
            return ""
        self._told_at = time.monotonic()
        where = describe_progress(progress, self._session)
        return f"training: {where}, {say_time_left(progress)}"


def describe_progress(progress: TrainingProgress, session: Session) -> str:
    """Says where training stands: step, losses, speed."""
    limit = f" of {progress.step_limit}" if progress.step_limit else ""
    held_out = [p.eval_loss for p in session.training if math.isfinite(p.eval_loss)]
    parts = [f"step {progress.step}{limit}", f"loss {progress.train_loss:.3f}"]
    if held_out:
        parts.append(f"held-out loss {held_out[-1]:.3f} (best {min(held_out):.3f})")
    parts.append(f"{progress.steps_per_s:.2f} steps/s")
    return ", ".join(parts)


def say_time_left(progress: TrainingProgress) -> str:
    """Says when training should end."""
    return f"{duration(max(progress.remaining_s, 0.0))} left"


def _say(line: str) -> None:
    print(line, flush=True)
