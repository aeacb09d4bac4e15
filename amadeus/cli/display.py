"""How a running practice is shown: live in a terminal, in plain lines anywhere else."""

import os
import sys
from types import TracebackType
from typing import Protocol

from amadeus.report.session import Session
from amadeus.v1.practice_pb2 import PracticeEvent


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


def make_display(
    deu: str, session: Session, *, hint: str = "Ctrl-C stops in good order"
) -> Display:
    """Chooses the display that fits where the output goes; `hint` says what Ctrl-C does."""
    if sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        from amadeus.cli.live import LiveDisplay  # rich

        return LiveDisplay(deu, session)
    from amadeus.cli.lines import LineDisplay

    return LineDisplay(deu, session, hint=hint)
