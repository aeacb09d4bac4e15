"""Logs on stderr, a line an event: for people, or as JSON for programs.

Fields given by `extra=` are written behind the sentence as `key=value`, or as members of the JSON object. Nothing here
knows a secret; `configure` puts a second lock on that door, should one ever get into a message.
"""

import json
import logging
import sys
import time
from typing import Literal, TextIO

Format = Literal["text", "json"]
Level = Literal["debug", "info", "warning", "error"]

# TensorFlow warns of what its next version may do; the others tell what they are doing.
LOUD_LIBRARIES = {
    **dict.fromkeys(
        ("aiohttp.access", "asyncio", "absl", "grpc", "numba"), logging.WARNING
    ),
    "tensorflow": logging.ERROR,
}
HIDDEN = "[hidden]"

_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure(
    level: Level,
    form: Format,
    *,
    secrets: tuple[str, ...] = (),
    stream: TextIO | None = None,
) -> None:
    """Sends the logs of the process to stderr, or to `stream`; `secrets` are hidden wherever they turn up."""
    handler = logging.StreamHandler(stream or sys.stderr)
    formatter = JsonFormatter() if form == "json" else TextFormatter()
    handler.setFormatter(_Hiding(formatter, tuple(filter(None, secrets))))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name, least in LOUD_LIBRARIES.items():
        logging.getLogger(name).setLevel(max(least, root.level))


class TextFormatter(logging.Formatter):
    """`2026-11-21T15:00:00.123Z info serving.studio.calls: call ended code=OK duration_ms=1.2`."""

    def format(self, record: logging.LogRecord) -> str:
        """Writes one line, and a traceback below it if there is one."""
        fields = "".join(
            f" {key}={_plain(value)}" for key, value in _fields(record).items()
        )
        line = (
            f"{_time(record)} {record.levelname.lower()} {record.name}: "
            f"{_one_line(record.getMessage())}{fields}"
        )
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


class JsonFormatter(logging.Formatter):
    """One JSON object a line, with `time`, `level`, `logger`, `message` and the fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Writes one line; a traceback is the member `traceback`."""
        entry = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


class _Hiding(logging.Formatter):
    """Takes secrets out of what another formatter writes, tracebacks included."""

    def __init__(self, inner: logging.Formatter, secrets: tuple[str, ...]) -> None:
        super().__init__()
        self._inner, self._secrets = inner, secrets

    def format(self, record: logging.LogRecord) -> str:
        text = self._inner.format(record)
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text


def _fields(record: logging.LogRecord) -> dict[str, object]:
    return {
        key: value
        for key, value in vars(record).items()
        if key not in _STANDARD and not key.startswith("_")
    }


def _time(record: logging.LogRecord) -> str:
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{seconds}.{int(record.msecs):03d}Z"


def _one_line(text: str) -> str:
    # What a client sent may stand in a message, and must not pass for a line of its own.
    return text.replace("\r", "\\r").replace("\n", "\\n")


def _plain(value: object) -> str:
    text = _one_line(str(value))
    return json.dumps(text) if " " in text or '"' in text or not text else text
