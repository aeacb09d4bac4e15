"""What `amadeus practice` does where a studio practises: send, follow, leave, come back, and bring the voice home."""

import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import click

from amadeus.cli.display import Display, make_display
from amadeus.cli.quiet import stderr_kept_back
from amadeus.cli.status import (
    EXIT_BAD_INPUT,
    EXIT_FAULT,
    EXIT_INTERRUPTED,
    complain,
)
from amadeus.cli.summary import say_result
from amadeus.home import Home
from amadeus.report.session import Session
from amadeus.tuning.wish import Wish
from amadeus.v1.practice_pb2 import PracticeEvent
from amadeus.v1.profiles_pb2 import LearnerProfile
from amadeus.v1.session_pb2 import (
    FeedbackConfiguration,
    PracticeConfiguration,
    PracticeSession,
)
from serving.client import practice as client
from serving.client.connection import Address

DETACHES = "Ctrl-C leaves it to the studio"
SENT_PERIOD_S = 10.0  # between two lines about an upload in a log
SENT_PERIOD_LIVE_S = 0.5  # in a terminal


def imitate(
    home: Home,
    address: Address,
    deu_name: str,
    paths: Sequence[Path],
    profile: LearnerProfile,
    *,
    session_id: str | None = None,
) -> int:
    """Sends recordings to a studio, follows the practice and brings its voice home; returns the exit status.

    Args:
      home: Takes the voice in.
      address: Of the studio.
      deu_name: Who practises there, and whose voice it becomes here.
      paths: The recordings.
      profile: How to learn.
      session_id: A session begun before, to go on with; None begins one.

    Raises:
      RecordingError: A file cannot be read.
      StudioError: The studio cannot be reached, or refused.
    """
    recordings = client.declare(paths)
    chosen = session_id or client.new_session_id(deu_name)
    configuration = client.configure(chosen, deu_name, profile, recordings)
    return _follow(home, address, configuration, recordings)


def tune(home: Home, address: Address, deu_name: str, wish: Wish) -> int:
    """Has a studio turn knobs of one of its deus, follows it and brings the voice home; returns the exit status.

    Raises:
      StudioError: The studio cannot be reached, or refused.
    """
    session_id = client.new_session_id(deu_name)
    configuration = client.configure_tuning(session_id, deu_name, wish)
    return _follow(home, address, configuration, [])


def feedback(
    home: Home,
    address: Address,
    deu_name: str,
    paths: Sequence[Path],
    asked: FeedbackConfiguration,
) -> int:
    """Has a studio judge takes of one of its deus, follows it and brings the voice home; returns the exit status.

    Args:
      home: Takes the voice in.
      address: Of the studio.
      deu_name: Whose takes they are.
      paths: The takes.
      asked: What was good and bad in them, and how long the network may practise.

    Raises:
      RecordingError: A take cannot be read.
      StudioError: The studio cannot be reached, or refused.
    """
    takes = client.declare(paths)
    session_id = client.new_session_id(deu_name)
    configuration = client.configure_feedback(session_id, deu_name, takes, asked)
    return _follow(home, address, configuration, takes)


def attach(home: Home, address: Address, session_id: str) -> int:
    """Follows a session that is in a studio, and brings its voice home; returns the exit status.

    Raises:
      StudioError: The studio cannot be reached, or holds no such session.
    """
    return _follow(home, address, client.configure(session_id), [])


def cancel(address: Address, session_id: str) -> int:
    """Ends a session in a studio; returns the exit status.

    Raises:
      StudioError: The studio cannot be reached, or holds no such session.
    """
    session = client.cancel(address, session_id)
    if session.state in client.OVER:
        click.echo(f"session {session_id} is over: {say_state(session)}")
    else:
        click.echo(f"session {session_id} stops in good order")
    return 0


def list_sessions(address: Address, deu_name: str) -> int:
    """Lists the sessions of a studio; returns the exit status.

    Raises:
      StudioError: The studio cannot be reached, or refused.
    """
    sessions = list(client.list_sessions(address, deu_name))
    if not sessions:
        click.echo(f"no practice sessions at {address.target}")
    width = max((len(session.session_id) for session in sessions), default=0)
    for session in sessions:
        click.echo(
            f"{session.session_id:<{width}}  {session.deu}  {say_state(session)}, made {session.create_time}"
        )
    return 0


def say_state(session: PracticeSession) -> str:
    """Says in a few words where a session stands."""
    state = PracticeSession.State.Name(session.state).removeprefix("STATE_").lower()
    if session.state == PracticeSession.STATE_QUEUED:
        return f"queued, {say_place(session)}"
    if session.state == PracticeSession.STATE_RUNNING and session.progress.step:
        return f"running, at step {session.progress.step}"
    if session.state == PracticeSession.STATE_SUCCEEDED:
        plays = session.personality
        return (
            f"succeeded, generation {plays.generation} plays"
            if plays.generation
            else state
        )
    return f"{state}: {session.failure}" if session.failure else state


def say_place(session: PracticeSession) -> str:
    """Says how many come first."""
    n_before = session.queue_position
    if not n_before:
        return "the next one"
    return f"{n_before} practice{'s' if n_before > 1 else ''} before it"


class Teller:
    """Tells the ama how a session goes: the upload and the queue in lines, the practice as if it were here."""

    def __init__(self, address: Address, configuration: PracticeConfiguration) -> None:
        self.session = Session(Path(configuration.session_id))
        self.deu = configuration.deu
        self._address = address
        self._sizes = [info.byte_size for info in configuration.recordings]
        self._n_sent = 0
        self._told_at = time.monotonic()
        self._said = ""
        self._display: Display | None = None
        self._shown = ExitStack()

    def __enter__(self) -> "Teller":
        return self

    def __exit__(self, *error: object) -> None:
        self._shown.close()

    def stands(self, session: PracticeSession) -> None:
        """Says where it stands."""
        self.deu = session.deu
        if session.state == PracticeSession.STATE_UPLOADING:
            self._n_sent = sum(session.held_byte_counts)
            self._sizes = self._sizes or [0]
            self._say(self._word_upload(session))
        elif session.state == PracticeSession.STATE_QUEUED:
            self._say(f"queued: {say_place(session)}")
        elif session.state == PracticeSession.STATE_RUNNING:
            self._show()

    def happened(self, event: PracticeEvent) -> None:
        """Shows an event as a practice at home does; what the coach says comes before there is anything to show."""
        self.session.add(event)
        kind = event.WhichOneof("event")
        if self._display is None and kind == "warning":
            self._say(f"warning: {getattr(event, kind).text}")
        elif kind != "failed":
            self._show().show(event)

    def sent(self, n_bytes: int) -> None:
        """Tells from time to time how much has left."""
        self._n_sent += n_bytes
        is_live = sys.stdout.isatty()
        period_s = SENT_PERIOD_LIVE_S if is_live else SENT_PERIOD_S
        total = sum(self._sizes)
        if time.monotonic() - self._told_at > period_s and self._n_sent < total:
            self._told_at = time.monotonic()
            line = f"sent {self._n_sent / 1e6:.1f} of {total / 1e6:.1f} MB"
            click.echo(f"\r{line}" if is_live else line, nl=not is_live)

    def lost(self, reason: str, pause_s: float) -> None:
        """Says that the connection broke."""
        self._say(
            f"the connection to {self._address.target} broke ({reason}); trying again",
            again=True,
        )

    def _word_upload(self, session: PracticeSession) -> str:
        total = sum(self._sizes)
        if not total:
            return (
                "recordings are missing there: the command that began the session sends the rest, with --session "
                f"{session.session_id}"
            )
        if self._n_sent >= total:
            return "all recordings are there; the coach listens"
        held = (
            f", of which {self._n_sent / 1e6:.1f} MB are there" if self._n_sent else ""
        )
        return (
            f"session {session.session_id}: {len(self._sizes)} recordings of {total / 1e6:.1f} MB go to "
            f"{self._address.target}{held}; {DETACHES}"
        )

    def _show(self) -> Display:
        if self._display is None:
            display = make_display(self.deu, self.session, hint=DETACHES)
            self._display = self._shown.enter_context(display)
        return self._display

    def _say(self, line: str, *, again: bool = False) -> None:
        if line != self._said or again:
            click.echo(line)
        self._said = line


def _follow(
    home: Home,
    address: Address,
    configuration: PracticeConfiguration,
    recordings: Sequence[client.Recording],
) -> int:
    started_at = time.monotonic()
    with tempfile.TemporaryFile() as bundle:
        teller = Teller(address, configuration)
        try:
            with teller:
                session = client.follow(
                    address, configuration, teller, recordings=recordings, bundle=bundle
                )
        except KeyboardInterrupt:
            return _leave(address, configuration)
        wall_s = time.monotonic() - started_at
        return _conclude(home, session, teller.session, bundle, wall_s)


def _leave(address: Address, configuration: PracticeConfiguration) -> int:
    session_id, studio = configuration.session_id, f"--studio {address.target}"
    return complain(
        f"left; session {session_id} goes on without you once its recordings are there.\n"
        f"  to come back: amadeus practice attach {session_id} {studio}\n"
        f"  to send the rest: the same command with --session {session_id}\n"
        f"  to end it: amadeus practice cancel {session_id} {studio}",
        EXIT_INTERRUPTED,
    )


def _conclude(
    home: Home, session: PracticeSession, seen: Session, bundle: BinaryIO, wall_s: float
) -> int:
    if session.state == PracticeSession.STATE_FAILED:
        status = seen.failed.exit_status if seen.failed is not None else EXIT_FAULT
        return complain(session.failure, status or EXIT_FAULT)
    if session.state == PracticeSession.STATE_CANCELLED:
        return complain(
            f"session {session.session_id} was cancelled; {session.deu} is as it was.",
            EXIT_BAD_INPUT,
        )
    if seen.finished is not None:
        for line in say_result(session.deu, seen, wall_s=max(wall_s, seen.elapsed_s)):
            click.echo(line)
    for line in _bring_home(home, session, seen, bundle):
        click.echo(line)
    return 0


def _bring_home(
    home: Home, session: PracticeSession, seen: Session, bundle: BinaryIO
) -> list[str]:
    """Holds the voice that came along, if it is a new one or the first here."""
    is_new = seen.finished is not None and seen.finished.is_new
    is_sent = bool(bundle.seek(0, 2))
    if not is_sent or not (is_new or _lacks_voice(home, session.deu)):
        return []
    bundle.seek(0)
    with stderr_kept_back():
        from amadeus.personality.holding import hold  # TensorFlow, ML Metadata

        held = hold(home, bundle, session.deu)
    if held.already_held:  # tuned back there: it plays here again, too
        home.deu(held.personality.deu).point_to(held.personality.generation)
    how = "was held here already, as" if held.already_held else "is held here, as"
    return [
        f"the voice {how} generation {held.personality.generation} of {held.personality.deu}",
        "next",
        f"  amadeus perform {held.personality.deu} tune.mid -o tune.wav",
    ]


def _lacks_voice(home: Home, deu_name: str) -> bool:
    return not any(deu.name == deu_name and deu.generations() for deu in home.deus())
