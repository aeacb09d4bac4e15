"""A practice as plain lines, for logs and pipes."""

import contextlib
import math
import os
import time

from amadeus.cli.progress import ENDING, STOPPING, describe_progress, say_time_left
from amadeus.report.session import Session
from amadeus.report.wording import duration
from amadeus.v1.practice_pb2 import PracticeEvent, TrainingProgress

LOG_PERIOD_S = 10.0  # between two lines of progress in a log


class LineDisplay(contextlib.AbstractContextManager["LineDisplay"]):
    """One line per event, with progress at most every `LOG_PERIOD_S`."""

    def __init__(self, deu: str, session: Session, *, hint: str) -> None:
        self._deu = deu
        self._hint = hint
        self._session = session
        self._told_at = -math.inf

    def __enter__(self) -> "LineDisplay":
        _say(f"{self._deu} practises ({self._session.practice}); {self._hint}")
        return self

    def __exit__(self, *_error: object) -> None:
        return None

    def show(self, event: PracticeEvent) -> None:
        """Prints one event, if it is worth a line."""
        for line in event.judged.lines:
            _say(line)
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


def _say(line: str) -> None:
    print(line, flush=True)
