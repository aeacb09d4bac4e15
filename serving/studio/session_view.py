"""Practice sessions as clients see them."""

import base64
from collections.abc import Sequence
from pathlib import Path

import grpc

from amadeus.home import Home
from amadeus.journal import JOURNAL_NAME, read_events
from amadeus.v1 import practice_pb2, session_pb2
from serving.studio.recordings import RecordingStore
from serving.studio.session_events import find_personality
from serving.studio.sessions import Session
from serving.studio.status import StatusError

DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE = 50, 1000

_TAIL_BYTES = 1 << 16  # of a journal, enough for its last word on training


def describe(
    session: Session,
    *,
    queue_position: int,
    home: Home,
    recordings: RecordingStore,
) -> session_pb2.PracticeSession:
    """Describes a session."""
    standing = session.standing
    described = session_pb2.PracticeSession(
        session_id=session.session_id,
        deu=session.configuration.deu,
        state=session.state.to_proto(),
        held_byte_counts=recordings.held_byte_counts(session),
        queue_position=queue_position,
        failure=standing.failure,
        create_time=session.created_at,
        end_time=standing.ended_at,
    )
    if session.state.is_over:
        personality = find_personality(session, home, standing.generation)
        if personality is not None:
            described.personality.CopyFrom(personality)
    progress = _last_progress(session, home)
    if progress is not None:
        described.progress.CopyFrom(progress)
    return described


def choose_page(
    sessions: Sequence[Session], *, page_size: int, page_token: str
) -> tuple[list[Session], str]:
    """Cuts a page out of sessions, the newest first, and names the next one.

    Raises:
      StatusError: The size is negative, or the token is none of ours.
    """
    if page_size < 0:
        raise StatusError(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"page_size is {page_size}: ask for 1 to {MAX_PAGE_SIZE} sessions, or 0 for {DEFAULT_PAGE_SIZE}.",
        )
    size = min(page_size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)
    newest_first = sorted(sessions, key=_age, reverse=True)
    if page_token:
        last = _read_token(page_token)
        newest_first = [session for session in newest_first if _age(session) < last]
    page = newest_first[:size]
    is_last = len(newest_first) <= size
    return page, "" if is_last else _write_token(page[-1])


def _last_progress(
    session: Session, home: Home
) -> practice_pb2.TrainingProgress | None:
    for practice in reversed(session.practice_paths(home)):
        for event in reversed(_read_tail(practice / JOURNAL_NAME)):
            if event.HasField("training_progress"):
                return event.training_progress
    return None


def _read_tail(path: Path) -> list[practice_pb2.PracticeEvent]:
    try:
        with path.open("rb") as journal:
            size = journal.seek(0, 2)
            start = max(0, size - _TAIL_BYTES)
            journal.seek(start)
            lines = journal.read().split(b"\n")
    except FileNotFoundError:
        return []
    return read_events(lines[1 if start else 0 : -1])  # whole lines only


def _age(session: Session) -> tuple[int, str]:
    return session.created_ns, session.session_id


def _write_token(session: Session) -> str:
    text = f"{session.created_ns} {session.session_id}"
    return base64.urlsafe_b64encode(text.encode()).decode()


def _read_token(token: str) -> tuple[int, str]:
    try:
        number, _, session_id = (
            base64.urlsafe_b64decode(token.encode()).decode().partition(" ")
        )
        return int(number), session_id
    except ValueError as error:
        raise StatusError(
            grpc.StatusCode.INVALID_ARGUMENT,
            "page_token is none that this studio gave: take next_page_token of the page before.",
        ) from error
