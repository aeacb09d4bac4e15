"""What a container tells of itself through its log, for whoever follows the run.

A container of a run shares no folder with those who follow it, but Kubeflow hands out its log. So each event of the
journal is a line of the log, marked, among the lines that are for people.
"""

import math
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TextIO

from google.protobuf import json_format
from google.protobuf.message import Message

from amadeus.journal import Journal
from amadeus.personality.quoting import printable
from amadeus.v1 import practice_pb2

MARK = "amadeus-event "
_MAX_LINE_BYTES = 64 * 2**10  # more is no event of ours


class LogJournal(Journal):
    """A journal that is a log: `with LogJournal().activated():` in a container's main."""

    def __init__(
        self,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream or sys.stdout
        self._clock, self._started_at = clock, clock()
        self._lock = threading.Lock()

    def write(self, **event: Any) -> None:
        """Writes one event, and has it leave at once."""
        with self._lock:  # each is later than those before it, whoever writes
            record = practice_pb2.PracticeEvent(
                elapsed_s=self._clock() - self._started_at, **event
            )
            line = json_format.MessageToJson(
                record, indent=None, preserving_proto_field_name=True
            )
            # In one piece: other threads log, too.
            self._stream.write(f"{MARK}{line}\n")
            self._stream.flush()


def read_events(log: Iterable[bytes]) -> Iterator[practice_pb2.PracticeEvent]:
    """Reads the events among the lines of a log, and keeps nothing of the log but the line that it is at.

    Its last line may be cut short, and any line may be foreign. What it says is for a terminal: whatever is no
    printable character is taken out.

    Args:
      log: In pieces that may end anywhere.
    """
    mark = MARK.encode()
    for line in _lines(log):
        begin = line.find(mark)  # some logs have the time before each line
        if begin >= 0 and len(line) < _MAX_LINE_BYTES:
            event = _parse(line[begin + len(mark) :])
            if event is not None:
                yield event


def _lines(log: Iterable[bytes]) -> Iterator[bytes]:
    """Cuts a log into its whole lines; of one that is too long only the beginning is kept, and no end."""
    begun = b""
    for piece in log:
        *whole, begun = (begun + piece).split(b"\n")
        yield from whole
        begun = begun[:_MAX_LINE_BYTES]


def _parse(text: bytes) -> practice_pb2.PracticeEvent | None:
    event = practice_pb2.PracticeEvent()
    try:
        json_format.Parse(text, event, ignore_unknown_fields=True)
    except (json_format.ParseError, ValueError):
        return None
    if not math.isfinite(event.elapsed_s):
        return None
    _tame(event)
    return event


def _tame(message: Message) -> None:
    """Takes out of all texts of a message, at any depth, what a terminal would obey."""
    for field, value in message.ListFields():
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            _tame_map(value)
        elif field.type == field.TYPE_MESSAGE:
            for part in value if field.is_repeated else [value]:
                _tame(part)
        elif field.type == field.TYPE_STRING and field.is_repeated:
            value[:] = [_line(text) for text in value]
        elif field.type == field.TYPE_STRING:
            setattr(message, field.name, _line(value))


def _tame_map(entries: Any) -> None:
    for key in [key for key in entries if _line(key) != key]:
        entries[_line(key)] = entries[key]
        del entries[key]


def _line(text: str) -> str:
    return printable(" ".join(text.splitlines()))
