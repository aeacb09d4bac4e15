"""Whether metadata on a server can be written, found out before a lock is held that others wait for.

Knobs of the player are turned by the studio itself, under the lock of all sessions, and recorded at once. A server that
is away, or takes calls and answers none, would hold that lock at each of them; so somebody looks first, and while it is
away what waits for it is left in its place.
"""

import logging
import os
import time
from collections.abc import Callable

from amadeus.home import METADATA_VARIABLE, Home

MOMENT_S = 0.5  # for metadata that are gone
KNOWN_S = 5.0  # for which an answer counts
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 10.0  # between looks while nobody answers

_log = logging.getLogger(__name__)


class MetadataWatch:
    """Looks after the metadata of a home.

    Args:
      home: Whose.
      clock: Tells the time in seconds.

    Attributes:
      is_away: Whether nobody answered the last time.
    """

    def __init__(self, home: Home, clock: Callable[[], float] = time.monotonic) -> None:
        self._home, self._clock = home, clock
        self.is_away = False
        self._due_s = -float("inf")
        self._pause_s = FIRST_PAUSE_S

    def look(self) -> None:
        """Asks the server something small, where it is time to; the caller holds no lock."""
        address = os.environ.get(METADATA_VARIABLE, "")
        if not address or address.startswith("sqlite:"):  # a file answers at once
            self.is_away = False
            return
        if self._clock() >= self._due_s:
            self._note(self._answers())

    def note_gone(self) -> None:
        """Remembers that somebody else asked in vain."""
        self._note(False)

    def _answers(self) -> bool:
        from ml_metadata.errors import StatusError

        from amadeus.errors import AmadeusError
        from amadeus.lineage import patience
        from amadeus.lineage.store import PERSONALITY_TYPE, Mode, open_store

        try:
            with patience.at_most(MOMENT_S):
                store = open_store(self._home, mode=Mode.READWRITE_OPENCREATE)
                if store is not None:
                    store.get_artifact_type(PERSONALITY_TYPE)
        except patience.MetadataGoneError:
            return False
        except (AmadeusError, StatusError, RuntimeError):
            return True  # it says something, and says it again to who has a use for it
        return True

    def _note(self, answers: bool) -> None:
        if answers:
            pause_s, self._pause_s = KNOWN_S, FIRST_PAUSE_S
        else:
            pause_s = self._pause_s
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        self._due_s = self._clock() + pause_s
        if self.is_away is answers:
            self.is_away = not answers
            if answers:
                _log.warning("the metadata answer again: what waited for them goes on")
            else:
                _log.warning(
                    "the metadata do not answer: knobs wait to be turned until they do; nothing is lost"
                )
