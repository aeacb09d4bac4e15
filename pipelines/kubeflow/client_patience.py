"""Trying again: how long, with which pauses, and never so that something is made twice."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from amadeus.errors import ClusterError

BACKOFF_S = (0.25, 15.0)  # first and longest pause between two attempts
PATIENCE_S = 60.0  # for a command that waits for one answer

T = TypeVar("T")
Lost = Callable[[ClusterError, float], None]


def _say_nothing(_error: ClusterError, _pause_s: float) -> None:
    return None


class Patience:
    """How often one thing may be tried.

    Pauses double and vary, so that the many who lost the same server do not come back all at once; a server that asks
    for a longer pause gets it.
    """

    def __init__(
        self, patience_s: float = PATIENCE_S, on_lost: Lost = _say_nothing
    ) -> None:
        """Begins to count.

        Args:
          patience_s: How long after the first failure to begin another attempt.
          on_lost: Is told of each failure, and of the pause that follows.
        """
        self._patience_s, self._on_lost = patience_s, on_lost
        self._lost_at: float | None = None
        self._pause_s = BACKOFF_S[0]

    def endure(self, error: ClusterError) -> None:
        """Waits before another attempt, if one is of use.

        Raises:
          ClusterError: It is of no use, or it has lasted too long.
        """
        if not error.is_passing:
            raise error
        now = time.monotonic()
        self._lost_at = self._lost_at or now
        pause_s = max(error.wait_s, self._pause_s * random.uniform(0.75, 1.25))
        if now + pause_s > self._lost_at + self._patience_s:
            raise error
        self._on_lost(error, pause_s)
        time.sleep(pause_s)
        self._pause_s = min(2 * self._pause_s, BACKOFF_S[1])


def ask(call: Callable[[], T], patience: Patience) -> T:
    """Calls what can be called as often as one likes, until it answers.

    Raises:
      ClusterError: It does not.
    """
    while True:
        try:
            return call()
        except ClusterError as error:
            patience.endure(error)


def create_once(
    create: Callable[[], T], find: Callable[[], T | None], patience: Patience
) -> tuple[T, bool]:
    """Makes something that has a name of its own, once, though the answer may get lost on its way back.

    Args:
      create: Makes it.
      find: Looks for it by its name.
      patience: How long to try.

    Returns:
      What was made, and whether it is certain that there is but one: an attempt whose answer was lost may still have
      been at work when it was looked for.

    Raises:
      ClusterError: It was refused, or nobody answers.
    """
    is_certain = True
    while True:
        try:
            return create(), is_certain
        except ClusterError as error:
            if error.status == 409 and (found := ask(find, patience)) is not None:
                return found, is_certain
            patience.endure(error)
            if not error.is_undone:
                is_certain = False
                if (found := ask(find, patience)) is not None:
                    return found, is_certain
