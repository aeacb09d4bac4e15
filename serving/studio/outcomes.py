"""What becomes of a session when its worker is gone: judged from what the worker left behind.

The caller holds the lock on all sessions.
"""

import contextlib
import logging
import time
from pathlib import Path

from amadeus.errors import AmadeusError
from amadeus.home import Home
from amadeus.journal import JOURNAL_NAME, read_journal
from amadeus.report.session import LOG_NAME, read_json
from amadeus.v1 import practice_pb2
from serving.studio import feedbacks
from serving.studio.audition import JUDGEMENT_NAME
from serving.studio.practice_limits import PracticeLimits
from serving.studio.session_events import EXIT_INTERRUPTED, name_recordings
from serving.studio.sessions import Session, SessionStore, State

NO_JUDGEMENT = (
    "the coach listened {n_deaths} times and came to no judgement: a recording may be damaged; send fewer at a time to "
    "find it, or convert them to WAV."
)
NO_WORD = (
    "its worker died {n_deaths} times without a last word, most likely because the memory ran out: give less, or "
    "choose a smaller preset; the log that it left in the studio's home tells more."
)

_log = logging.getLogger(__name__)


class Outcomes:
    """Ends sessions, or puts them back in their place."""

    def __init__(
        self,
        home: Home,
        store: SessionStore,
        limits: PracticeLimits,
        *,
        publishes: bool = False,
    ) -> None:
        self._home = home
        self._store = store
        self._limits = limits
        self._publishes = publishes

    def conclude(self, session: Session) -> Session:
        """Moves a session on whose worker is gone."""
        if session.state is State.LISTENING:
            concluded = self._conclude_listening(session)
        else:
            concluded = self._conclude_practice(session)
        _log.info("session %s: now %s", session.session_id, concluded.state.value)
        return concluded

    def cancel(self, session: Session) -> Session:
        """Ends a session because somebody wants it."""
        self._store.drop_parts(session)
        with contextlib.suppress(
            AmadeusError
        ):  # a deu that is gone or damaged stays so
            feedbacks.take_back(session, self._home)
        generation = self._current_generation(session)
        return self._store.change(session, state=State.CANCELLED, generation=generation)

    def succeed(self, session: Session, generation: int) -> Session:
        """Ends a session with who plays now."""
        return self._store.change(
            session,
            state=State.SUCCEEDED,
            generation=generation,
            failure="",
            is_unpublished=self._publishes,
        )

    def fail(self, session: Session, text: str) -> Session:
        """Ends a session because it cannot go on."""
        failure = name_recordings(text, session, self._home)
        generation = self._current_generation(session)
        self._store.drop_parts(session)
        return self._store.change(
            session, state=State.FAILED, failure=failure, generation=generation
        )

    def _conclude_listening(self, session: Session) -> Session:
        judgement = read_json(session.path / JUDGEMENT_NAME)
        if session.standing.is_cancelled:
            return self.cancel(session)
        if "refusal" not in judgement:
            return self._begin_again(
                session, State.UPLOADING, session.path, otherwise=NO_JUDGEMENT
            )
        if judgement["refusal"]:
            return self.fail(session, judgement["refusal"])
        self._store.drop_parts(session)
        now = {"queued_ns": time.time_ns(), "n_deaths": 0, "stop_asked_s": 0.0}
        return self._store.change(session, state=State.QUEUED, **now)

    def _conclude_practice(self, session: Session) -> Session:
        path = session.practice_paths(self._home)[-1]
        word = last_word(path)
        if word is not None and word.HasField("finished"):
            if feedbacks.goes_on(session, path):
                return self._go_on(session)
            return self.succeed(session, word.finished.generation)
        if session.standing.is_cancelled:
            return self.cancel(session)
        if session.standing.failure:  # it was stopped for this
            return self.fail(session, session.standing.failure)
        if word is not None and word.failed.exit_status != EXIT_INTERRUPTED:
            return self.fail(session, feedbacks.say_failure(session, word.failed.text))
        is_orderly = word is not None  # stopped by a studio that stops, or from outside
        return self._begin_again(
            session, State.QUEUED, path, otherwise=NO_WORD, is_orderly=is_orderly
        )

    def _go_on(self, session: Session) -> Session:
        """Lets the network practise what was liked, as soon as it is its turn."""
        if session.standing.is_cancelled:
            return self.cancel(session)
        return self._store.change(
            session, state=State.QUEUED, n_deaths=0, stop_asked_s=0.0, failure=""
        )

    def _begin_again(
        self,
        session: Session,
        state: State,
        log_folder: Path,
        *,
        otherwise: str,
        is_orderly: bool = False,
    ) -> Session:
        """Puts a session back in its place, unless its workers die again and again."""
        is_orderly = is_orderly or session.standing.stop_asked_s > 0
        n_deaths = session.standing.n_deaths + (not is_orderly)
        if n_deaths < self._limits.starts:
            return self._store.change(
                session, state=state, n_deaths=n_deaths, stop_asked_s=0.0
            )
        _log.error("session %s: see %s", session.session_id, log_folder / LOG_NAME)
        return self.fail(session, otherwise.format(n_deaths=n_deaths))

    def _current_generation(self, session: Session) -> int:
        try:
            return self._home.deu(session.configuration.deu).current_generation()
        except AmadeusError:
            return 0


def last_word(practice_path: Path) -> practice_pb2.PracticeEvent | None:
    """Finds how a practice ended by its own account; None where it did not say."""
    events = read_journal(practice_path / JOURNAL_NAME)
    is_said = bool(events) and events[-1].WhichOneof("event") in ("finished", "failed")
    return events[-1] if is_said else None
