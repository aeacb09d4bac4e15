"""The worker of a practice: a process of its own, followed by its journal and stopped by signals.

One Ctrl-C asks it to stop in good order; a second ends it at once. A lost terminal (SIGHUP) and a
plea to end (SIGTERM) ask once, and end it where it does not answer in time. The worker has a
process group of its own, so that a Ctrl-C reaches it only through here.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType

from amadeus.errors import PracticeError
from amadeus.journal import JOURNAL_NAME, follow_journal
from amadeus.report.session import LOG_NAME
from amadeus.v1 import practice_pb2

PATIENCE_S = 60.0  # for a stop in good order when nobody is there to press Ctrl-C again
LINGERING_S = 20.0  # from the last word to the end of the process

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def worker_command(practice_path: Path) -> list[str]:
    """Says how the worker of a practice is called.

    Raises:
      PracticeError: Amadeus is installed without its pipelines.
    """
    import importlib.util

    if importlib.util.find_spec("pipelines") is None:
        raise PracticeError(
            "the room `pipelines` is not installed, so nothing can be taught: run `make setup` again."
        )
    return [sys.executable, "-m", "pipelines.local", str(practice_path)]


class Worker:
    """A running worker.

    Attributes:
      interrupted_by: The first signal that asked it to stop; None while nobody did.
    """

    def __init__(
        self,
        command: Sequence[str],
        practice_path: Path,
        *,
        on_stop: Callable[[int], None],
    ) -> None:
        self.interrupted_by: signal.Signals | None = None
        self._command = command
        self._path = practice_path
        self._on_stop = on_stop
        self._process: subprocess.Popen[bytes] | None = None
        # Asked now: a terminal that is gone no longer says that it was one.
        self._terminals = [stream for stream in (1, 2) if os.isatty(stream)]
        self._n_stops = 0
        self._deadline_s = float("inf")

    @contextlib.contextmanager
    def running(self, environment: dict[str, str]) -> Iterator["Worker"]:
        """Starts the process, and leaves none behind however this ends."""
        # Handlers first: a signal that is handled here is at its default in the child, while one
        # that a shell made us ignore would stay ignored there.
        with self._signals_caught():
            with (self._path / LOG_NAME).open("ab") as log:
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=self._path,  # `-m` looks there first: nothing of the ama's shadows a module
                    env={**os.environ, **environment},
                    process_group=0,
                )
            if self._n_stops:  # asked before there was anybody to ask
                self._process.send_signal(signal.SIGINT)
            try:
                yield self
            finally:
                self._end()

    def events(self) -> Iterator[practice_pb2.PracticeEvent]:
        """Yields what the journal tells, until the worker is gone."""
        for event in follow_journal(self._path / JOURNAL_NAME, is_over=self._is_over):
            yield event
            if event.WhichOneof("event") in ("finished", "failed"):
                self._expect_end_within(LINGERING_S)

    def wait(self) -> int:
        """Hands back the exit status; negative is the signal that ended it."""
        return self._process.wait()

    def _is_over(self) -> bool:
        if time.monotonic() > self._deadline_s:
            self._signal_group(signal.SIGKILL)
        return self._process.poll() is not None

    def _end(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(PATIENCE_S)
        self._signal_group(signal.SIGKILL)  # and whatever it started
        self._process.wait()

    @contextlib.contextmanager
    def _signals_caught(self) -> Iterator[None]:
        before = {number: signal.getsignal(number) for number in _STOP_SIGNALS}
        for number in _STOP_SIGNALS:
            # `nohup` asks for a practice that outlives its terminal.
            if number != signal.SIGHUP or before[number] != signal.SIG_IGN:
                signal.signal(number, self._stop)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        self._n_stops += 1
        if self.interrupted_by is None:
            self.interrupted_by = signal.Signals(number)
        if number == signal.SIGHUP:
            self._leave_terminal()
        if number != signal.SIGINT:
            self._expect_end_within(PATIENCE_S)
        if self._n_stops > 1 and number == signal.SIGINT:
            self._signal_group(signal.SIGKILL)
        elif self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        self._on_stop(self._n_stops)

    def _expect_end_within(self, seconds: float) -> None:
        self._deadline_s = min(self._deadline_s, time.monotonic() + seconds)

    def _signal_group(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _leave_terminal(self) -> None:
        # Writing to a terminal that is gone fails, and there is nobody left to read.
        with open(os.devnull, "wb") as nothing:
            for stream in self._terminals:
                os.dup2(nothing.fileno(), stream)
