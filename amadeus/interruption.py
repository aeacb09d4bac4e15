"""An interrupt that cannot get lost.

Python raises a KeyboardInterrupt wherever the main thread happens to be. Where that is a callback from native code, or
the end of an object's life, the exception is printed and forgotten, and the work goes on. So a worker also remembers
that it was asked to stop, and looks again wherever it can stop well. Where much native code calls back, as where
TensorFlow traces a function, it is better held back: an exception from there comes out as another, or not at all.
"""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

_asked: list[int] = []  # the signals that came
_holders: list[None] = []  # who holds them back


def listen() -> None:
    """Lets SIGINT and SIGTERM interrupt this process, from its main thread."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)


def is_asked() -> bool:
    """Whether a signal came since `listen`: what fails after that may have failed of it."""
    return bool(_asked)


def check() -> None:
    """Interrupts who was asked to stop and went on.

    Raises:
      KeyboardInterrupt: A signal came since `listen`.
    """
    if _asked:
        raise KeyboardInterrupt


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Keeps signals from interrupting what calls `check` often enough."""
    _holders.append(None)
    try:
        yield
    finally:
        _holders.pop()


def _interrupt(number: int, _frame: FrameType | None) -> None:
    _asked.append(number)
    if not _holders:
        raise KeyboardInterrupt
