"""Tries again what may pass: a connection cut, a server that is busy, a token that is being renewed."""

import logging
import random
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class Patience(NamedTuple):
    """How long to hope.

    Attributes:
      n_tries: How often something is tried in all.
      first_pause_s: The longest first pause; each later one may be twice as long.
      longest_pause_s: The longest of all.
    """

    n_tries: int = 5
    first_pause_s: float = 0.5
    longest_pause_s: float = 8.0


DEFAULT_PATIENCE = Patience()


class PassingError(Exception):
    """Something failed that may succeed when tried again; its cause is what the library raised."""


def retrying(call: Callable[[], _T], patience: Patience, what: str) -> _T:
    """Calls until it succeeds, fails for good, or patience ends.

    Args:
      call: Raises `PassingError` for what may pass.
      patience: How often.
      what: It is done to, for the log.

    Raises:
      PassingError: The last one.
    """
    for n_tried in range(1, patience.n_tries):
        try:
            return call()
        except PassingError as error:
            # Full jitter: many who were cut off together do not come back together.
            longest_s = patience.first_pause_s * 2 ** (n_tried - 1)
            pause_s = random.uniform(0, min(longest_s, patience.longest_pause_s))
            _log.info("%s: %s; tried again in %.1f s", what, error, pause_s)
            time.sleep(pause_s)
    return call()
