"""What a studio teaches goes to the store of voices that studios share, by itself.

A session that made a generation is marked as unpublished when it succeeds; a thread of its own publishes such
generations, the oldest first, and takes the mark away. A store that is away changes nothing for the practice, which is
over: it is tried again with growing pauses for as long as the session is kept, by any studio of the home, also after a
restart. What holds one deu up holds up no other. To publish twice names the same place, so nobody needs to know who
did.
"""

import logging
import threading
from collections.abc import Callable

from amadeus.errors import AmadeusError, NotHeldError, StoreError, VoiceError
from amadeus.home import Home
from amadeus.personality.content import read_personality
from serving.studio.sessions import Session, SessionStore, State

LOOK_S = 1.0  # between two looks for what is new
FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 300.0

_log = logging.getLogger(__name__)


class Publisher:
    """Publishes what the sessions of a home have made.

    Args:
      home: Whose sessions.
      store_url: Where to.
    """

    def __init__(self, home: Home, store_url: str) -> None:
        self._home, self._store_url = home, store_url
        self._sessions = SessionStore(home.sessions_path)
        self._is_over = threading.Event()
        self._thread: threading.Thread | None = None
        self._reasons: dict[str, str] = {}  # by deu: why its last try failed

    def start(self) -> None:
        """Begins."""
        if self._thread is None:
            # not waited for at the end: a store that hangs must not keep the studio
            self._thread = threading.Thread(
                target=self._run, name="amadeus-publisher", daemon=True
            )
            self._thread.start()

    def close(self) -> None:
        """Begins nothing any more; what waits is published by the next studio."""
        self._is_over.set()

    def remarks(self) -> list[str]:
        """Says what waits, for whoever asks after the studio's health."""
        try:
            waiting = self._waiting()
        except OSError:  # a home that is away must not make the studio look unwell
            return []
        reason = next(iter(self._reasons.copy().values()), "")
        if not (waiting and reason):
            return []
        many = "voice waits" if len(waiting) == 1 else "voices wait"
        return [f"{len(waiting)} {many} to be published: {reason}"]

    def publish_all(self) -> bool:
        """Publishes what waits, of each deu the oldest first; says whether nothing waits any more."""
        held_up: set[str] = set()
        for session in self._waiting():
            if self._is_over.is_set():
                return False
            deu = session.configuration.deu
            if deu not in held_up and not self._publish(session):
                held_up.add(deu)
        return not held_up

    def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        wait_s = LOOK_S
        while not self._is_over.wait(wait_s):
            try:
                is_done = self.publish_all()
            except Exception:  # a thread's end would be seen by nobody
                _log.exception("publishing failed")
                is_done = False
            wait_s = LOOK_S if is_done else pause_s
            pause_s = FIRST_PAUSE_S if is_done else min(2 * pause_s, LONGEST_PAUSE_S)

    def _waiting(self) -> list[Session]:
        waiting = [s for s in self._sessions.all() if s.standing.is_unpublished]
        return sorted(waiting, key=lambda s: (s.standing.ended_at, s.created_ns))

    def _publish(self, session: Session) -> bool:
        """Publishes what a session made; says whether that is done with."""
        from amadeus.stores.homes import push_voice  # loads clients of buckets

        deu, generation = session.deu_in(self._home), session.standing.generation
        try:
            if _is_made_by(session, self._home):
                uri = push_voice(self._store_url, deu, generation)
                _log.info("generation %d of %s is at %s", generation, deu.name, uri)
        except (NotHeldError, VoiceError) as error:  # it is not there to be published
            _log.warning(
                "generation %d of %s is not published: %s", generation, deu.name, error
            )
        except (AmadeusError, OSError) as error:
            self._complain(session, error)
            return False
        self._reasons.pop(deu.name, None)
        self._settle(session)
        return True

    def _complain(self, session: Session, error: Exception) -> None:
        """Says once what would be said at every try."""
        deu = session.configuration.deu
        if str(error) != self._reasons.get(deu):
            self._reasons[deu] = str(error)
            _log.warning(
                "generation %d of %s is not published yet, and tried again: %s",
                session.standing.generation, deu, error,
            )  # fmt: skip

    def _settle(self, session: Session) -> None:
        with self._sessions.locked():
            now = self._sessions.find(session.session_id)
            if now is not None:
                self._sessions.change(now, is_unpublished=False)


class Supplier:
    """Has the home hold what the store has of a deu, before it practises.

    Args:
      bring: Brings the newest generation of a deu, as `SharedVoices.bring_newest` does.
      home: Of the studio.
      patience_s: How long a client waits for it.
    """

    def __init__(
        self, bring: Callable[[str], None], home: Home, *, patience_s: float = 60.0
    ) -> None:
        self._bring, self._home, self._patience_s = bring, home, patience_s

    def supply(self, deu: str) -> None:
        """Brings a deu's newest generation; what is held is enough where the store does not answer.

        Raises:
          StoreError: The home does not hold the deu, and nobody can say whether the store does.
        """
        errors: list[Exception] = []
        thread = threading.Thread(
            target=self._try, args=(deu, errors), name="amadeus-supplier", daemon=True
        )
        thread.start()
        thread.join(self._patience_s)
        if thread.is_alive():
            errors = [
                StoreError(
                    f"the store of voices did not answer for {self._patience_s:g} s: try again when it does."
                )
            ]
        if errors and self._is_held(deu):
            _log.warning("%s practises from what is held here: %s", deu, errors[0])
        elif errors:
            raise errors[0]

    def _try(self, deu: str, errors: list[Exception]) -> None:
        try:
            self._bring(deu)
        except Exception as error:
            errors.append(error)

    def _is_held(self, deu: str) -> bool:
        try:
            self._home.deu(deu).voice_path()
        except AmadeusError:
            return False
        return True


def _is_made_by(session: Session, home: Home) -> bool:
    """Whether a session made the generation it ended with; one that kept the old voice has nothing to publish."""
    if session.state is not State.SUCCEEDED or not session.standing.generation:
        return False
    path = session.deu_in(home).voice_path(session.standing.generation)
    return read_personality(path).practice in session.standing.practices
