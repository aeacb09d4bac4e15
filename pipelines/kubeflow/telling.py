"""What a container tells of itself through its log, for whoever follows the run.

A container of a run shares no folder with those who follow it, but Kubeflow hands out its log. So each event of the
journal is a line of the log, marked, among the lines that are for people.
"""

import sys
import time
from collections.abc import Iterator
from typing import Any, TextIO

from google.protobuf import json_format

from amadeus.journal import Journal
from amadeus.v1 import practice_pb2

MARK = "amadeus-event "
_MAX_LINE_BYTES = 64 * 2**10  # more is no event of ours


class LogJournal(Journal):
    """A journal that is a log: `with LogJournal().activated():` in a container's main."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._started_at = time.monotonic()

    def write(self, **event: Any) -> None:
        """Writes one event, and has it leave at once."""
        record = practice_pb2.PracticeEvent(
            elapsed_s=time.monotonic() - self._started_at, **event
        )
        line = json_format.MessageToJson(
            record, indent=None, preserving_proto_field_name=True
        )
        # In one piece: other threads log, too.
        self._stream.write(f"{MARK}{line}\n")
        self._stream.flush()


def read_events(log: bytes) -> Iterator[practice_pb2.PracticeEvent]:
    """Reads the events among the lines of a log; its last line may be cut short, and any line may be foreign."""
    mark = MARK.encode()
    for line in log.split(b"\n")[:-1]:
        begin = line.find(mark)  # some logs have the time before each line
        if begin >= 0 and len(line) < _MAX_LINE_BYTES:
            try:
                yield json_format.Parse(
                    line[begin + len(mark) :],
                    practice_pb2.PracticeEvent(),
                    ignore_unknown_fields=True,
                )
            except (json_format.ParseError, ValueError):
                continue
