"""Whose turn it is: listens to what was sent, starts practices in order, looks after workers, and cleans up.

Sessions practise in the order in which their recordings were complete and found fit. One whose deu is in a practice
already, here or by hand, is passed until that is over. Knobs of the player need no worker and wait for none: they are
turned as soon as their deu is free. All of it is decided from files, under one lock, so that
studios which share a home share one queue.
"""

import contextlib
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from amadeus.cli.practice import check_space, new_practice_id, write_request
from amadeus.errors import AmadeusError, HomeError, NotHeldError
from amadeus.home import Deu, Home
from amadeus.journal import JOURNAL_NAME
from amadeus.report.session import LOG_NAME
from serving.studio import feedbacks, tunings, workers
from serving.studio.audition import JUDGEMENT_NAME
from serving.studio.metadata import MOMENT_S, MetadataWatch
from serving.studio.outcomes import Outcomes, last_word
from serving.studio.practice_limits import PracticeLimits
from serving.studio.presence import Presence
from serving.studio.recordings import RecordingStore
from serving.studio.sessions import Session, SessionStore, State

LINGERING_S = 20.0  # from a worker's last word to its end
KILLED_S = 5.0  # for a worker that was killed to be gone
SCRATCH_S = (
    3600.0  # a folder that was being made or removed is left over after this time
)

TUNING_FAULT = "the studio met a fault of its own, and the deu is as it was: ask who runs it to look into its log."

Command = Callable[[Path], Sequence[str]]

_log = logging.getLogger(__name__)


def audition_command(session_path: Path, *, audio_minutes: float) -> list[str]:
    """Says how the coach is called to listen to what was sent."""
    module = "serving.studio.audition"
    limit = f"--audio-minutes={audio_minutes}"
    return [sys.executable, "-m", module, str(session_path), limit]


class Schedule:
    """The queue of a home as one studio sees to it. All methods block and may be called from any thread.

    Attributes:
      store: The sessions.
      recordings: What was sent.
      positions: How many come before each session that waits, as of the last tick.
    """

    def __init__(
        self,
        home: Home,
        limits: PracticeLimits,
        *,
        practice_command: Command,
        listen_command: Command,
        publishes: bool = False,
    ) -> None:
        self.store = SessionStore(home.sessions_path)
        self.recordings = RecordingStore(home.recordings_path)
        self.positions: dict[str, int] = {}
        self._home = home
        self._limits = limits
        self._practice_command = practice_command
        self._listen_command = listen_command
        self._processes: dict[str, subprocess.Popen[bytes]] = {}  # started here
        self._mutex = threading.Lock()  # of what this object remembers
        self._is_closing = False
        self._cleaned_at = -float("inf")
        self._presence = Presence(
            home.sessions_path / ".studios", lease_s=limits.lease_s
        )
        self._studio = self._presence.name
        self._outcomes = Outcomes(home, self.store, limits, publishes=publishes)
        self._metadata = MetadataWatch(home)

    def open(self) -> None:
        """Makes this studio known to others that share the home."""
        with self.store.locked():  # others sweep what is not locked yet
            self._presence.open()

    def tick(self) -> None:
        """Does what is due."""
        if any(tunings.is_tuning(s.configuration) for s in in_order(self.store.all())):
            self._metadata.look()
        with self._mutex, self.store.locked():
            if self._is_closing:
                return
            self._presence.beat()
            self._reap()
            for session in self.store.all():
                if session.state.is_working:
                    with _others_go_on(session):
                        self._look_after(session)
            self._listen()
            self._practise()
            if time.monotonic() - self._cleaned_at > self._clean_period_s():
                self._clean()
            self.positions = queue_positions(self.store.all())

    def admit(self, session: Session) -> Session:
        """Lets a session that waits for no recordings take its place in the queue; the caller holds the lock on all."""
        if session.state is not State.UPLOADING or not tunings.is_tuning(
            session.configuration
        ):
            return session
        queued_ns = time.time_ns()
        return self.store.change(session, state=State.QUEUED, queued_ns=queued_ns)

    def cancel(self, session_id: str) -> Session | None:
        """Ends a session, or has its worker asked to stop; None where there is no session of this id."""
        with self.store.locked():
            session = self.store.find(session_id)
            if session is None or session.state.is_over:
                return session
            if session.state.is_working:
                return self.store.change(session, is_cancelled=True)
            return self._outcomes.cancel(session)

    def close(self) -> None:
        """Asks this studio's workers to stop, and leaves their sessions to be taken up again."""
        with self._mutex, self.store.locked():
            self._is_closing = True
            for session in self._own():
                with _others_go_on(session):
                    self._ask_to_stop(session)
        deadline = time.monotonic() + self._limits.close_s
        while self._is_left() and time.monotonic() < deadline + KILLED_S:
            if time.monotonic() > deadline:
                for session in self._own():
                    workers.kill(session)
            time.sleep(0.05)
        self._presence.close()

    def _own(self) -> list[Session]:
        """Lists the sessions whose workers this studio looks after; when it closes, others see to those elsewhere."""
        return [
            session
            for session in self.store.all()
            if session.state.is_working
            and session.standing.studio == self._studio
            and not (self._is_closing and workers.is_elsewhere(session))
        ]

    def _is_left(self) -> bool:
        with self._mutex, self.store.locked():
            self._reap()
            for session in self._own():
                with _others_go_on(session):
                    self._look_after(session)
            return bool(self._own())

    # Workers

    def _look_after(self, session: Session) -> None:
        with workers.claimed(session) as claim:
            is_gone = claim is not None and not workers.may_live_elsewhere(
                session, self._presence.leases
            )
            if claim is not None and is_gone:  # and if it is only cut off, it is late
                workers.revoke(claim, session.deu_in(self._home).voices_path)
        if is_gone:
            self._outcomes.conclude(session)
            return
        standing = session.standing
        if standing.studio != self._studio and not self._presence.is_alive(
            standing.studio
        ):
            session = self.store.change(session, studio=self._studio)
            _log.info(
                "session %s: its worker goes on, looked after by us", session.session_id
            )
        if session.standing.studio == self._studio:
            self._supervise(session)

    def _supervise(self, session: Session) -> None:
        standing = session.standing
        if standing.is_cancelled and not standing.stop_asked_s:
            self._ask_to_stop(session)
        elif standing.stop_asked_s:
            if time.time() - standing.stop_asked_s > self._limits.patience_s:
                workers.kill(session)
        elif self._lingers(session):
            workers.kill(session)
        else:
            self._watch_the_clock(session)

    def _watch_the_clock(self, session: Session) -> None:
        """Ends what takes too long, for others wait behind it."""
        worked_s = time.time() - workers.started_s(session)
        if session.state is State.LISTENING and worked_s > self._limits.listening_s:
            workers.kill(session)
        elif session.state is State.RUNNING and worked_s > self._limits.practice_s:
            hours = self._limits.practice_s / 3600
            failure = f"it practised for more than {hours:.3g} hours, which is all this studio allows: ask for less."
            self._ask_to_stop(self.store.change(session, failure=failure))

    def _ask_to_stop(self, session: Session) -> None:
        if not session.standing.stop_asked_s:
            self.store.change(session, stop_asked_s=time.time())
            workers.ask_to_stop(session)

    def _lingers(self, session: Session) -> bool:
        if session.state is not State.RUNNING:
            return False
        path = session.practice_paths(self._home)[-1] / JOURNAL_NAME
        try:
            is_quiet = time.time() - path.stat().st_mtime > LINGERING_S
        except FileNotFoundError:
            return False
        return is_quiet and last_word(path.parent) is not None

    def _reap(self) -> None:
        """Takes note of workers that ended, and ends what they left behind, which would keep their claims."""
        for session_id, process in list(self._processes.items()):
            if workers.is_dead(process):
                workers.kill_group(process.pid)
                process.wait()
                del self._processes[session_id]

    # What starts

    def _listen(self) -> None:
        sessions = self.store.all()
        if any(session.state is State.LISTENING for session in sessions):
            return
        for session in sessions:
            session = self.admit(session)  # one that was made by a studio that died
            if self._limits.running_here == 0:
                continue  # others listen
            if session.state is State.UPLOADING and self.recordings.is_whole(session):
                with _others_go_on(session):
                    command = self._listen_command(session.path)
                    (session.path / JUDGEMENT_NAME).unlink(missing_ok=True)
                    if self._start(
                        session, command, folder=session.path, state=State.LISTENING
                    ):
                        return

    def _practise(self) -> None:
        sessions = self.store.all()
        running = [s for s in sessions if s.state is State.RUNNING]
        n_running, busy = len(running), {s.configuration.deu for s in running}
        for session in in_order(sessions):
            if session.configuration.deu not in busy:
                with _others_go_on(session):
                    turned = self._try_turn(session)
                    if turned:
                        continue
                    is_free = n_running < self._limits.running and self._has_room()
                    if turned is False and is_free:
                        n_running += self._try_practice(session)
            busy.add(session.configuration.deu)  # those behind it wait even if it does

    def _has_room(self) -> bool:
        """Whether this studio may start one more practice itself."""
        limit = self._limits.running_here
        if limit is None:
            return True
        return sum(session.state is State.RUNNING for session in self._own()) < limit

    def _try_turn(self, session: Session) -> bool | None:
        """Turns knobs of the player, here and now; says whether the session is over by that, None: not yet."""
        if not tunings.is_tuning(session.configuration):
            return False
        from amadeus.lineage import patience  # loads ML Metadata

        with contextlib.ExitStack() as held:
            held.enter_context(patience.at_most(MOMENT_S))
            try:
                deu = self._home.deu(session.configuration.deu)
                if tunings.needs_worker(session, deu, self._home) or _is_busy(deu):
                    return False
                if self._metadata.is_away:
                    return None  # it waits, and keeps nobody else waiting
                held.enter_context(deu.locked())
                generation = tunings.turn(
                    session, deu, self._home, lambda: self._name_practice(session)
                )
            except patience.MetadataGoneError:
                self._metadata.note_gone()
                return None  # they come back, and the session waits for them
            except AmadeusError as error:
                self._outcomes.fail(self._now(session), str(error))
            except Exception:  # once is enough: it would be the same again
                _log.exception("session %s cannot be tuned", session.session_id)
                self._outcomes.fail(self._now(session), TUNING_FAULT)
            else:
                self._outcomes.succeed(self._now(session), generation)
        return True

    def _name_practice(self, session: Session) -> str:
        """Names one more practice of a session, and notes it down before it is there."""
        practice = new_practice_id()
        practices = (*session.standing.practices, practice)
        self.store.change(session, practices=practices)
        return practice

    def _now(self, session: Session) -> Session:
        """Reads a session again, with the practice that was named since."""
        return self.store.find(session.session_id) or session

    def _try_practice(self, session: Session) -> bool:
        try:
            deu = self._find_deu(session.configuration.deu)
            if _is_busy(deu):
                return False
            check_space(deu)
            folder = self._write_request(session, deu)
            command = self._practice_command(folder)
        except AmadeusError as error:
            self._outcomes.fail(session, str(error))
            return False
        except OSError as error:  # such as a recording that somebody took away
            self._outcomes.fail(
                session,
                f"the studio cannot prepare its practice ({error.strerror or error}): begin anew, or ask who runs it.",
            )
            return False
        return self._start(
            session, command, folder=folder, state=State.RUNNING,
            practices=(*session.standing.practices, folder.name),
        )  # fmt: skip

    def _find_deu(self, name: str) -> Deu:
        try:
            return self._home.deu(name)
        except NotHeldError:
            return self._home.create_deu(name)

    def _write_request(self, session: Session, deu: Deu) -> Path:
        configuration = session.configuration
        beam_args = [f"--direct_num_workers={self._limits.threads}"]
        if feedbacks.is_feedback(configuration):
            paths = self.recordings.lay_out(session)
            return feedbacks.write_request(session, deu, self._home, paths, beam_args)
        if tunings.is_tuning(configuration):
            return tunings.write_request(session, deu, self._home, beam_args)
        return write_request(
            deu,
            self.recordings.lay_out(session),
            configuration.learner_profile,
            beam_args,
            names=[info.name for info in configuration.recordings],
        )

    def _start(
        self, session: Session, command: Sequence[str], *, folder: Path, state: State,
        practices: tuple[str, ...] = (),
    ) -> bool:  # fmt: skip
        """Starts a worker where nobody works on the session."""
        n_others = sum(other.state.is_working for other in self.store.all())
        with workers.claimed(session) as claim:
            if claim is None:
                return False
            # Said before the worker is there: a studio that dies in between leaves a session without a worker, which
            # is begun again, and not a worker that nobody knows of.
            session = self.store.change(
                session, state=state, practices=practices, studio=self._studio, stop_asked_s=0.0
            )  # fmt: skip
            try:
                process = workers.start(
                    claim,
                    command,
                    folder=folder,
                    log_path=folder / LOG_NAME,
                    environment={"AMADEUS_HOME": str(self._home.path)},
                    n_threads=self._limits.threads,
                    n_others=n_others,
                    voices_path=session.deu_in(self._home).voices_path,
                )
            except OSError as error:
                self._outcomes.fail(
                    session, f"its worker cannot be started: {error.strerror}."
                )
                return False
        self._processes[session.session_id] = process
        return True

    # What is forgotten

    def _clean_period_s(self) -> float:
        return min(600.0, self._limits.upload_idle_s / 4, self._limits.keep_s / 4)

    def _clean(self) -> None:
        self._cleaned_at = time.monotonic()
        for session in self.store.all():
            if session.state is State.UPLOADING:
                self._expire(session)
            elif session.is_settled and self._is_old(session):
                self.store.remove(session)
        self.recordings.purge(self.store.all(), keep_s=self._limits.keep_s)
        self.store.remove_scraps(older_than_s=SCRATCH_S)

    def _is_old(self, session: Session) -> bool:
        return time.time() - self.store.changed_s(session) > self._limits.keep_s

    def _expire(self, session: Session) -> None:
        idle_s = time.time() - self.store.last_byte_s(session)
        if idle_s > self._limits.upload_idle_s:
            hours = self._limits.upload_idle_s / 3600
            self._outcomes.fail(
                session,
                f"no byte of its recordings came for {hours:.3g} hours, so its upload was given up: begin anew.",
            )


def queue_positions(sessions: Sequence[Session]) -> dict[str, int]:
    """Counts for each session that waits how many come first."""
    return {s.session_id: n_before for n_before, s in enumerate(in_order(sessions))}


def in_order(sessions: Sequence[Session]) -> list[Session]:
    """Lists the sessions that wait for their turn, the next one first."""
    waiting = [session for session in sessions if session.state is State.QUEUED]
    return sorted(waiting, key=lambda s: (s.standing.queued_ns, s.session_id))


@contextlib.contextmanager
def _others_go_on(session: Session) -> Iterator[None]:
    """Keeps what one session meets, such as files that cannot be read, from stopping all."""
    try:
        yield
    except Exception:
        _log.exception("session %s cannot be moved on", session.session_id)


def _is_busy(deu: Deu) -> bool:
    try:
        with deu.locked():
            return False
    except HomeError:
        return True
