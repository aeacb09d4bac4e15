"""Who is to take over, and who cannot: a generation that does not load is not asked for again at every look.

What was met is remembered for each generation of a deu, whoever follows it. After a failure it is left alone for a
while, twice as long each time; it is said once in the log, and told to whoever asks after the studio's health, until it
loads or another generation plays.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Failure:
    """A generation that could not take over.

    Attributes:
      deu: Whose.
      generation: Its number.
      text: Why not, in a sentence.
      kind: Why not, in a word for programs.
      n_tries: How often it was tried.
      due_s: When it is tried again, by the studio's clock.
    """

    deu: str
    generation: int
    text: str
    kind: str
    n_tries: int
    due_s: float


class Failures:
    """What one studio met. For any thread.

    Args:
      clock: Tells the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[str, Failure] = {}  # by deu
        self._mutex = threading.Lock()

    def is_due(self, deu: str, generation: int) -> bool:
        """Whether a generation may be tried now; another one than last time always may."""
        with self._mutex:
            known = self._known.get(deu)
            if known is None or known.generation != generation:
                return True
            return self._clock() >= known.due_s

    def note(self, deu: str, generation: int, error: Exception) -> None:
        """Remembers that a generation could not take over."""
        with self._mutex:
            known = self._known.get(deu)
            is_known = known is not None and known.generation == generation
            n_tries = known.n_tries + 1 if known is not None and is_known else 1
            pause_s = min(FIRST_PAUSE_S * 2 ** (n_tries - 1), LONGEST_PAUSE_S)
            text, kind = str(error), type(error).__name__
            self._known[deu] = Failure(
                deu, generation, text, kind, n_tries, self._clock() + pause_s
            )
        if not is_known:
            _log.warning(
                "no new generation of %s: %s (it is tried again now and then)",
                deu,
                text,
            )

    def settle(self, deu: str, current: int) -> None:
        """Forgets a generation that is to take over no more."""
        with self._mutex:
            known = self._known.get(deu)
            if known is not None and known.generation != current:
                del self._known[deu]

    def forget(self, deu: str) -> None:
        """Notes that the generation that plays with a deu loads."""
        with self._mutex:
            known = self._known.pop(deu, None)
        if known is not None:
            _log.info("generation %d of %s loads now", known.generation, deu)

    def all(self) -> list[Failure]:
        """Lists what cannot take over now, by deu."""
        with self._mutex:
            return [self._known[deu] for deu in sorted(self._known)]

    def counts(self) -> Mapping[tuple[str, str], int]:
        """Counts tries in vain of what cannot take over now, by deu and kind of error."""
        return {(failure.deu, failure.kind): failure.n_tries for failure in self.all()}

    def remarks(self) -> list[str]:
        """Says what cannot take over now, a sentence each."""
        return [
            f"generation {failure.generation} of {failure.deu} cannot take over (tried {failure.n_tries} times): "
            f"{failure.text}"
            for failure in self.all()
        ]
