"""A metadata store that outlives its server's absence, and writes nothing twice for it.

A server may be gone for a minute: restarted, moved, cut off. What was asked is asked again, with growing pauses, until
the patience is over; then one sentence says so. Whether a write that broke off was done nobody can say; so everything
new carries a mark of its own into the store (`external_id`, unique there), and a write that is refused the second time
because its marks are there already was done the first time.

Upstream's MySQL client cannot be used again after a broken connection (it ends the process): a new one is made.
"""

import contextlib
import logging
import math
import os
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from typing import Any

import ml_metadata
from google.protobuf.message import Message
from ml_metadata.errors import AlreadyExistsError, StatusError
from ml_metadata.proto import metadata_store_pb2

from amadeus import interruption
from amadeus.errors import ConfigError, HomeError
from amadeus.lineage.addresses import (
    PASSWORD_VARIABLE,
    Config,
    place_of,
    read_password,
)
from amadeus.lineage.knocking import KNOCK_TIMEOUT_S, SilentError, knock
from amadeus.lineage.landing import find_landed

PATIENCE_VARIABLE = "AMADEUS_METADATA_PATIENCE_S"
PATIENCE_S = 90.0
MARK_PREFIX = "once:"  # of an `external_id` that makes a write recognisable

_FIRST_PAUSE_S, _LAST_PAUSE_S = 0.1, 5.0
_DOUBT_S = 0.5
_SHORTEST_KNOCK_S = 2.0  # for a server that is only busy
_DEADLINE_EXCEEDED, _UNAVAILABLE = 4, 14
_GONE_WORDS = (
    "Lost connection",
    "gone away",
    "hutdown in progress",
    "Connection was killed",
    "Can't connect",
    "Connection refused",
)
# After a server was waited for in vain, who asks next is told at once: who records the failure waits no second time.
_RESPITE_S = 30.0
_given_up_at: dict[str, float] = {}
_at_most_s: ContextVar[float] = ContextVar("at_most_s", default=math.inf)

_discretion = threading.Lock()
_log = logging.getLogger(__name__)


class MetadataGoneError(HomeError):
    """The metadata did not answer for longer than anybody would wait."""


class LoginRefusedError(RuntimeError):
    """A MySQL server answers and does not let us in."""


class PatientStore(ml_metadata.MetadataStore):
    """A metadata store over a network.

    Args:
      config: How to connect.
      patience_s: How long to wait for a server that is gone; by default what `AMADEUS_METADATA_PATIENCE_S` says.

    Raises:
      MetadataGoneError: Nobody answers.
    """

    def __init__(self, config: Config, *, patience_s: float | None = None) -> None:
        self._target = config
        self._place = place_of(config)
        self._patience_s = read_patience_s() if patience_s is None else patience_s
        self._is_connected = False
        self._patiently(self._connect)

    def _connect(self) -> None:
        config, token = self._target, ""
        self._is_connected = False
        if isinstance(config, metadata_store_pb2.ConnectionConfig):
            if config.HasField("mysql"):
                knock(config.mysql, self._place, _knock_timeout_s())
                config = _over_ip(config)
        else:
            token = read_password()
        try:
            self._connect_to(config)
        except LoginRefusedError:
            time.sleep(_DOUBT_S)  # it may have gone between our knocking and entering
            knock(self._target.mysql, self._place, _knock_timeout_s())
            self._connect_to(config)
        if not isinstance(config, metadata_store_pb2.ConnectionConfig):
            self._metadata_store_stub = _Stub(self._metadata_store_stub, token)
        self._is_connected = True

    def _connect_to(self, config: Config) -> None:
        try:
            with _discreet():
                super().__init__(config)
        except RuntimeError as error:
            if "mysql_real_connect failed" in str(error):
                raise LoginRefusedError(str(error)) from error
            raise

    def _call_method(self, method_name: str, request: Any, response: Any) -> None:
        mark(request)
        tries = 0

        def ask() -> None:
            nonlocal tries
            if not self._is_connected:
                self._connect()
            tries += 1
            try:
                super(PatientStore, self)._call_method(method_name, request, response)
            except AlreadyExistsError:
                if tries == 1 or not find_landed(self, method_name, request, response):
                    raise

        self._patiently(ask)

    def _patiently(self, work: Any) -> None:
        began = time.monotonic()
        last_s = began + self._left_s(began)
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                work()
                _given_up_at.pop(self._place, None)
                return
            except (StatusError, RuntimeError, SilentError) as error:
                if not is_gone(error):
                    raise
                self._is_connected = False
                self._metadata_store = None  # its connection must not be used again
                if time.monotonic() + pause_s > last_s:
                    self._give_up(began, error)
                if pause_s == _FIRST_PAUSE_S:
                    _log.warning(
                        "%s does not answer (%s): trying again for %.0f s",
                        self._place, say(error), last_s - began,
                    )  # fmt: skip
            interruption.check()
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LAST_PAUSE_S)

    def _left_s(self, now: float) -> float:
        if self._is_given_up(now):
            return 0.0
        return min(self._patience_s, _at_most_s.get())

    def _is_given_up(self, now: float) -> bool:
        return now - _given_up_at.get(self._place, -math.inf) < _RESPITE_S

    def _give_up(self, began: float, error: Exception) -> None:
        now = time.monotonic()
        waited_s = now - began
        if not self._is_given_up(now):
            _given_up_at[self._place] = now
        raise MetadataGoneError(
            f"{self._place} does not answer, and was tried for {waited_s:.0f} s ({say(error)}): check that the server "
            f"runs there, then try again; nothing was lost, and {PATIENCE_VARIABLE} says how long to wait."
        ) from error


@contextlib.contextmanager
def at_most(patience_s: float) -> Iterator[None]:
    """Has nobody wait longer than this for a server that is gone: whoever holds a lock keeps others waiting.

    A server that takes a call and does not answer is given a moment more (`_SHORTEST_KNOCK_S`), and counts as gone.
    """
    before = _at_most_s.set(patience_s)
    try:
        yield
    finally:
        _at_most_s.reset(before)


class _Stub:
    """Shows a token with each call of a gRPC stub, and waits for no answer longer than who asks may."""

    def __init__(self, stub: Any, token: str) -> None:
        self._stub = stub
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._stub, name)

        def call(request: Message, timeout: float | None = None) -> Message:
            longest_s = max(_at_most_s.get(), _SHORTEST_KNOCK_S)
            if longest_s < math.inf:
                timeout = min(timeout or math.inf, longest_s)
            return method(request, timeout=timeout, metadata=self._metadata)

        return call


def _over_ip(
    config: metadata_store_pb2.ConnectionConfig,
) -> metadata_store_pb2.ConnectionConfig:
    """Names the loopback by number: MySQL clients take `localhost` for a file, whatever the port."""
    if config.mysql.host != "localhost":
        return config
    chosen = metadata_store_pb2.ConnectionConfig()
    chosen.CopyFrom(config)
    chosen.mysql.host = "127.0.0.1"
    return chosen


def _knock_timeout_s() -> float:
    """A server that swallows all, as behind a cut, keeps nobody longer than he may wait."""
    return min(KNOCK_TIMEOUT_S, max(_at_most_s.get(), _SHORTEST_KNOCK_S))


def read_patience_s() -> float:
    """Says how long to wait for a server that is gone, in seconds.

    Raises:
      ConfigError: The variable holds no time.
    """
    text = os.environ.get(PATIENCE_VARIABLE, "")
    try:
        patience_s = float(text) if text else PATIENCE_S
    except ValueError:
        patience_s = -1.0
    if not 0 <= patience_s < 1e6:
        raise ConfigError(
            f"{PATIENCE_VARIABLE}={text} is no time: write seconds, such as {PATIENCE_S:.0f}, or 0 to wait for nobody."
        )
    return patience_s


def is_gone(error: BaseException) -> bool:
    """Whether the server is not there, and may be again."""
    if isinstance(error, SilentError):
        return True
    if getattr(error, "error_code", None) in (_UNAVAILABLE, _DEADLINE_EXCEEDED):
        return True
    return any(words in str(error) for words in _GONE_WORDS)


def say(error: BaseException) -> str:
    """Says in some words why a server does not answer."""
    text = " ".join(str(error).split())
    said = text.rpartition("error: ")[2] or text
    return said.rpartition(": ")[2][:120] or type(error).__name__


def refusal(place: str) -> str:
    """Words a login that was refused."""
    secret = "with" if read_password() else "without"
    return (
        f"{place} answers and refuses the login (tried {secret} a password): check that it knows this user from here, "
        f"and set {PASSWORD_VARIABLE}; if it asks for TLS, add ?ssl_ca=FILE to the address."
    )


def mark(request: Any) -> None:
    """Gives everything new in a request to write a mark of its own."""
    for node in new_nodes(request):
        if not node.id and not node.external_id:
            node.external_id = f"{MARK_PREFIX}{uuid.uuid4().hex}"


def new_nodes(request: Any) -> Sequence[Any]:
    """Lists the artifacts and executions in a request to write."""
    name = type(request).__name__
    if name in ("PutArtifactsRequest", "PutLineageSubgraphRequest"):
        executions = getattr(request, "executions", ())
        return [*request.artifacts, *executions]
    if name == "PutExecutionsRequest":
        return list(request.executions)
    if name == "PutExecutionRequest":
        pairs = request.artifact_event_pairs
        artifacts = [pair.artifact for pair in pairs if pair.HasField("artifact")]
        return [request.execution, *artifacts]
    return []


@contextlib.contextmanager
def _discreet() -> Iterator[None]:
    """Keeps upstream from logging a connection, password included, as it does where all is logged."""
    logger = logging.getLogger("absl")
    with _discretion:  # or one that is done would let the other speak
        level = logger.level
        logger.setLevel(max(level, logging.INFO))
        try:
            yield
        finally:
            logger.setLevel(level)
