"""Practice sessions as files: whatever studio shares the home finds them, and one that dies takes nothing along.

    sessions/.lock                 held for the moment of a change, by whichever studio makes it
    sessions/<session>/session.json    what was asked for; written once, with the folder
    sessions/<session>/state.json      where it stands (`Standing`); replaced whole at each change
    sessions/<session>/parts/<n>       bytes received so far of recording n
    sessions/<session>/journal.jsonl   what the coach said of the recordings
    sessions/<session>/claim           locked for as long as a process works on the session; says whose it is
    sessions/<session>/fence           locked while that changes, and while a generation of the session appears
    sessions/<session>/worker.json     which process that is
    sessions/<session>/pulse, order    that it lives, and what a studio on another machine wants of it
    sessions/.studios/<studio>         locked, and beaten in, for as long as a studio lives

Studios on several machines share a home on a file system whose locks reach from one to the other, and are let go when a
machine dies: NFS 4.1 or later (mounted with `lookupcache=positive,actimeo=1`, so that news are news), CephFS, Lustre. A
bucket mounted as a folder has no locks, and does not do.

How a session goes; what is over stays as it is:

    uploading -> listening -> queued -> running -> succeeded | failed | cancelled

A worker that was stopped or killed takes its session from running back to queued, at its old place.
"""

import contextlib
import dataclasses
import enum
import fcntl
import json
import logging
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import json_format

from amadeus.home import Deu, Home, write_atomically
from amadeus.v1 import session_pb2

SESSION_ID_PATTERN = re.compile(r"[a-z0-9-]{1,64}")
ASKED_NAME = "session.json"
STANDING_NAME = "state.json"
CLAIM_NAME = "claim"
PARTS_NAME = "parts"

_log = logging.getLogger(__name__)


class State(enum.StrEnum):
    """Where a session can stand."""

    UPLOADING = "uploading"
    LISTENING = "listening"  # the coach listens to the recordings
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """Whether nothing follows."""
        return self in (State.SUCCEEDED, State.FAILED, State.CANCELLED)

    @property
    def is_working(self) -> bool:
        """Whether a process works on it."""
        return self in (State.LISTENING, State.RUNNING)

    def to_proto(self) -> session_pb2.PracticeSession.State:
        """The state as clients know it; to them, listening is the end of uploading."""
        name = "UPLOADING" if self is State.LISTENING else self.name
        return session_pb2.PracticeSession.State.Value(f"STATE_{name}")


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where a session stands.

    Attributes:
      state: Of the session.
      queued_ns: When it was first queued, in nanoseconds since 1970; its place in the queue for good.
      practices: Names of the practices it made in its deu, one each time a worker was started.
      n_deaths: Workers that died without a word.
      is_cancelled: Somebody wants it ended.
      studio: Which studio looks after its worker.
      stop_asked_s: When its worker was asked to stop, in seconds since 1970; 0 while it was not.
      failure: Why it failed, or will when its worker is gone.
      generation: Who plays when it is over; 0 for nobody.
      ended_at: Time it was over, ISO 8601 in UTC.
      is_unpublished: What it made is to go to the store that studios share, and has not yet.
    """

    state: State = State.UPLOADING
    queued_ns: int = 0
    practices: tuple[str, ...] = ()
    n_deaths: int = 0
    is_cancelled: bool = False
    studio: str = ""
    stop_asked_s: float = 0.0
    failure: str = ""
    generation: int = 0
    ended_at: str = ""
    is_unpublished: bool = False


@dataclass(frozen=True, kw_only=True)
class Session:
    """A session as it stood when it was read.

    Attributes:
      path: Its folder.
      configuration: What was asked for, with a complete learner profile; not to be changed.
      created_ns: When it was made, in nanoseconds since 1970.
      standing: Where it stands.
    """

    path: Path
    configuration: session_pb2.PracticeConfiguration
    created_ns: int
    standing: Standing

    @property
    def session_id(self) -> str:
        """Names it."""
        return self.path.name

    @property
    def state(self) -> State:
        """Where it stands, in a word."""
        return self.standing.state

    @property
    def is_settled(self) -> bool:
        """Whether nothing follows, and nothing waits to be published."""
        return self.state.is_over and not self.standing.is_unpublished

    @property
    def created_at(self) -> str:
        """Time it was made, ISO 8601 in UTC."""
        return iso_time(self.created_ns / 1e9)

    def part_path(self, recording: int) -> Path:
        """Where the bytes received so far of a recording lie."""
        return self.path / PARTS_NAME / str(recording)

    def practice_paths(self, home: Home) -> list[Path]:
        """Folders of the practices it made, oldest first; its deu may be gone."""
        practices_path = self.deu_in(home).practices_path
        return [practices_path / name for name in self.standing.practices]

    def deu_in(self, home: Home) -> Deu:
        """Says where its deu lies, which may not be there yet or any more."""
        name = self.configuration.deu
        return Deu(name, home.path / "deus" / name)


class SessionStore:
    """The sessions of a home."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read: dict[Path, tuple[tuple[int, int], Any]] = {}

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Holds all sessions for the moment of a change; nobody else changes one meanwhile."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def create(self, configuration: session_pb2.PracticeConfiguration) -> Session:
        """Makes a session, all at once; the caller holds `locked()` and has looked whether its id is free."""
        created_ns = time.time_ns()
        scratch = self.path / f".new-{secrets.token_hex(4)}"
        (scratch / PARTS_NAME).mkdir(parents=True)
        asked = {
            "created_ns": created_ns,
            "configuration": json_format.MessageToDict(
                configuration, preserving_proto_field_name=True
            ),
        }
        (scratch / ASKED_NAME).write_text(json.dumps(asked))
        _write_standing(scratch, Standing())
        path = self.path / configuration.session_id
        scratch.rename(path)
        return Session(
            path=path,
            configuration=configuration,
            created_ns=created_ns,
            standing=Standing(),
        )

    def find(self, session_id: str) -> Session | None:
        """Reads how a session stands now; None where there is none of this id."""
        if not SESSION_ID_PATTERN.fullmatch(session_id):
            return None
        path = self.path / session_id
        try:
            configuration, created_ns = self._load(path / ASKED_NAME, _parse_asked)
            standing = self._load(path / STANDING_NAME, _parse_standing)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            _log.warning("session %s is damaged (%s): it is passed over", path, error)
            return None
        return Session(
            path=path,
            configuration=configuration,
            created_ns=created_ns,
            standing=standing,
        )

    def all(self) -> list[Session]:
        """Reads all sessions, oldest first."""
        if not self.path.is_dir():
            return []
        found = [self.find(entry.name) for entry in self.path.iterdir()]
        sessions = [session for session in found if session is not None]
        return sorted(sessions, key=lambda s: (s.created_ns, s.session_id))

    def change(self, session: Session, **changes: Any) -> Session:
        """Lets a session stand otherwise; the caller holds `locked()` and has read it since.

        A session that is over by this is told the time.
        """
        standing = dataclasses.replace(session.standing, **changes)
        if standing.state.is_over and not standing.ended_at:
            standing = dataclasses.replace(standing, ended_at=iso_time(time.time()))
        _write_standing(session.path, standing)
        return dataclasses.replace(session, standing=standing)

    def drop_parts(self, session: Session) -> None:
        """Forgets what was received and is not a whole recording."""
        shutil.rmtree(session.path / PARTS_NAME, ignore_errors=True)

    def remove(self, session: Session) -> None:
        """Forgets a session; the caller holds `locked()`."""
        doomed = self.path / f".old-{secrets.token_hex(4)}"
        session.path.rename(doomed)
        shutil.rmtree(doomed)
        for name in (ASKED_NAME, STANDING_NAME):
            self._read.pop(session.path / name, None)

    def changed_s(self, session: Session) -> float:
        """Tells when a session came to stand as it does, in seconds since 1970."""
        return (session.path / STANDING_NAME).stat().st_mtime

    def last_byte_s(self, session: Session) -> float:
        """Tells when something of a session came last, in seconds since 1970."""
        parts = session.path / PARTS_NAME
        seen = [session.path / STANDING_NAME, parts, *parts.glob("*")]
        times_s = [0.0]
        for path in seen:
            with contextlib.suppress(FileNotFoundError):
                times_s.append(path.stat().st_mtime)
        return max(times_s)

    def remove_scraps(self, *, older_than_s: float) -> None:
        """Removes folders that a studio was making or removing when it died; the caller holds `locked()`."""
        for kind in (".new-*", ".old-*"):
            for path in self.path.glob(kind):
                if time.time() - path.stat().st_mtime > older_than_s:
                    shutil.rmtree(path, ignore_errors=True)

    def _load(self, file: Path, parse: Callable[[dict[str, Any]], Any]) -> Any:
        """Reads a file of a session, and parses it only if it is another one than last time."""
        try:
            with file.open() as opened:  # on NFS, to open is to look anew
                status = os.fstat(opened.fileno())
                mark = (status.st_mtime_ns, status.st_ino)
                known = self._read.get(file)
                if known is None or known[0] != mark:
                    known = mark, parse(json.loads(opened.read()))
                    self._read[file] = known
        except FileNotFoundError:
            self._read.pop(file, None)
            raise
        return known[1]


def new_session_id() -> str:
    """Names a session for a client that does not; such names sort by time."""
    moment = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    return f"{moment}-{secrets.token_hex(6)}"


def iso_time(since_1970_s: float) -> str:
    """Writes a moment as ISO 8601 in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(since_1970_s))


def _write_standing(path: Path, standing: Standing) -> None:
    write_atomically(path / STANDING_NAME, json.dumps(dataclasses.asdict(standing)))


def _parse_asked(
    content: dict[str, Any],
) -> tuple[session_pb2.PracticeConfiguration, int]:
    configuration = json_format.ParseDict(
        content["configuration"],
        session_pb2.PracticeConfiguration(),
        ignore_unknown_fields=True,
    )
    return configuration, content["created_ns"]


def _parse_standing(content: dict[str, Any]) -> Standing:
    fields = {field.name for field in dataclasses.fields(Standing)}
    known = {key: value for key, value in content.items() if key in fields}
    known["state"] = State(known["state"])
    known["practices"] = tuple(known["practices"])
    return Standing(**known)
