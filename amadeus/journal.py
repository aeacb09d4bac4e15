"""The journal of a practice: one JSON line per event, written by a worker and the processes it starts, read by any.

A practice runs in a worker process; whoever shows its progress follows the journal. A reader may
come late, leave and come back: the journal is the whole story.
"""

import contextlib
import errno
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any, BinaryIO

from google.protobuf import json_format

from amadeus.v1 import practice_pb2

JOURNAL_NAME = "journal.jsonl"
_VARIABLE = (
    "AMADEUS_JOURNAL"  # when it began and where it is, for processes started meanwhile
)

_log = logging.getLogger(__name__)
_active: ContextVar["Journal | None"] = ContextVar("active_journal", default=None)


class Journal:
    """Appends events to a journal; safe to hand to any component in the same process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._started_at = time.monotonic()
        path.write_text("")

    @classmethod
    def joined(cls, path: Path, *, started_at: float) -> "Journal":
        """Goes on with the journal that another process of this machine began."""
        journal = cls.__new__(cls)
        journal._path, journal._started_at = path, started_at
        return journal

    def write(self, **event: Any) -> None:
        """Appends one event, such as `write(warning=Warning(text="..."))`."""
        record = practice_pb2.PracticeEvent(
            elapsed_s=time.monotonic() - self._started_at, **event
        )
        line = json_format.MessageToJson(
            record, indent=None, preserving_proto_field_name=True
        )
        # In one write, at the end whoever else writes: lines of several processes do not mix.
        with self._path.open("ab+", buffering=0) as journal:
            begin = "" if _ends_in_line(journal) else "\n"
            data = f"{begin}{line}\n".encode()
            if journal.write(data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))

    @contextlib.contextmanager
    def activated(self) -> Iterator["Journal"]:
        """Sends what `emit` says in this context to this journal."""
        token = _active.set(self)
        try:
            yield self
        finally:
            _active.reset(token)

    @contextlib.contextmanager
    def inherited(self) -> Iterator["Journal"]:
        """Sends what threads and processes say, that this process starts meanwhile, to this journal.

        For a process that keeps one journal: threads of Beam do not inherit the context, nor do its processes.
        """
        os.environ[_VARIABLE] = f"{self._started_at!r} {self._path.resolve()}"
        try:
            yield self
        finally:
            del os.environ[_VARIABLE]


def emit(**event: Any) -> None:
    """Tells the active journal of an event; without one, the log.

    TFX builds executors by class name, so a journal cannot be handed to them.
    """
    journal = _active.get() or _inherited()
    if journal is None:
        _log.info("%s", event)
    else:
        journal.write(**event)


def _inherited() -> Journal | None:
    started_at, _, path = os.environ.get(_VARIABLE, "").partition(" ")
    return Journal.joined(Path(path), started_at=float(started_at)) if path else None


def read_journal(path: Path) -> list[practice_pb2.PracticeEvent]:
    """Reads all complete events of a journal; a journal not yet begun has none."""
    return list(follow_journal(path, is_over=lambda: True))


class JournalReader:
    """Reads a journal from its first event on, each time as far as it goes; it may not have begun yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._position = 0
        self._rest = b""

    def read(self) -> list[practice_pb2.PracticeEvent]:
        """Hands out the events that were completed since it was last asked."""
        try:
            if self.path.stat().st_size == self._position:
                return []  # as most of the times
            with self.path.open("rb") as journal:
                journal.seek(self._position)
                written = journal.read()
        except FileNotFoundError:
            return []
        self._position += len(written)
        *lines, self._rest = (self._rest + written).split(b"\n")
        return read_events(lines)


def read_events(lines: Iterable[bytes]) -> list[practice_pb2.PracticeEvent]:
    """Reads whole lines of a journal; one that a full disk has cut off is left out."""
    events = []
    for line in lines:
        event = practice_pb2.PracticeEvent()
        with contextlib.suppress(json_format.ParseError, UnicodeDecodeError):
            events.append(json_format.Parse(line, event, ignore_unknown_fields=True))
    return events


def _ends_in_line(journal: BinaryIO) -> bool:
    """Whether the last line is whole: a full disk may have cut it off."""
    if not journal.seek(0, os.SEEK_END):
        return True
    journal.seek(-1, os.SEEK_END)
    return journal.read(1) == b"\n"


def follow_journal(
    path: Path, *, is_over: Callable[[], bool], poll_s: float = 0.1
) -> Iterator[practice_pb2.PracticeEvent]:
    """Yields events as they are written, until `is_over()` and the journal is read to its end."""
    journal = JournalReader(path)
    while True:
        over = is_over()  # asked before reading, so that no last line is missed
        yield from journal.read()
        if over:
            return
        time.sleep(poll_s)
