"""The studio as a server: what listens, in which order it starts and how it stops.

    start()   ports are taken; health says NOT_SERVING and calls are answered UNAVAILABLE while models load;
              then health says SERVING
    stop()    health says NOT_SERVING and new calls are answered UNAVAILABLE; performances are told and end, practices
              are left so that they can be resumed; what is still open when the grace is over is cut off

What the studio can do lies in its `Rooms`: `serving.studio.rooms.open_rooms` builds those of a real studio, tests may
hand in others. A studio keeps everything on itself, so one process can hold several.
"""

import asyncio
import contextlib
import logging
import socket
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Protocol

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc

from amadeus.cli.quiet import stderr_kept_back
from amadeus.errors import ConfigError
from amadeus.home import Home, explain_os_errors
from amadeus.v1 import lineage_pb2, studio_pb2
from serving.studio.calls import CallRecorder
from serving.studio.config import StudioConfig, join_address
from serving.studio.metrics import Metrics, MetricsEndpoint
from serving.studio.safety import (
    CallLimit,
    Gate,
    TokenCheck,
    server_credentials,
)
from serving.studio.status import StatusInterceptor

SERVICES = tuple(
    service.full_name
    for file in (studio_pb2.DESCRIPTOR, lineage_pb2.DESCRIPTOR)
    for service in file.services_by_name.values()
)
REFLECTION_V1 = "grpc.reflection.v1.ServerReflection"

HANDSHAKE_TIMEOUT_S = 20  # for a connection that was opened and says nothing
# A peer that is gone without a word, such as a laptop that went to sleep, is noticed after 30 s.
KEEPALIVE_INTERVAL_S, KEEPALIVE_TIMEOUT_S = 20, 10
MIN_CLIENT_PING_INTERVAL_S = 5
# HTTP/2 would let a client beyond its streams wait without a word; the limit that speaks must come first.
STREAMS_BEYOND_LIMIT = 64
UNWINDING_S = 2.0
CLOSING_S = 10.0  # for rooms to free what they hold
LINGER_S = 0.2  # for last statuses to leave before the connections are closed

_log = logging.getLogger(__name__)


class Rooms(Protocol):
    """What a studio can do, behind its door."""

    def add_to(self, methods: "LateMethods") -> None:
        """Adds the servicers of all `SERVICES`, as to a server."""

    def session_counts(self) -> Mapping[str, int]:
        """Counts practice sessions by state."""

    def addresses(self) -> Mapping[str, str]:
        """Names what listens beside the studio, such as `model server (gRPC)`, with its addresses."""

    async def drain(self, grace_s: float) -> None:
        """Tells performances to end and waits for them, at most `grace_s`; leaves practices resumable."""

    async def close(self) -> None:
        """Frees everything; no call is open any more."""


class LateMethods(grpc.GenericRpcHandler):
    """Methods that a server finds although they are added when it runs already.

    `add_..._to_server` takes it for a server.
    """

    def __init__(self) -> None:
        self._handlers: list[grpc.GenericRpcHandler] = []

    def add_generic_rpc_handlers(
        self, generic_rpc_handlers: Iterable[grpc.GenericRpcHandler]
    ) -> None:
        """Adds the methods of a service."""
        self._handlers.extend(generic_rpc_handlers)

    def add_registered_method_handlers(self, *_arguments: object) -> None:
        """Adds nothing: that is a quicker way to the same methods, open only before a server runs."""

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler | None:
        """Finds a method by its name."""
        found = (handler.service(handler_call_details) for handler in self._handlers)
        return next(filter(None, found), None)


RoomsOpener = Callable[[StudioConfig, Home, Metrics], Awaitable[Rooms]]


class Studio:
    """A studio: made with what it is told and the home it keeps things in, then started, then stopped."""

    def __init__(
        self,
        config: StudioConfig,
        home: Home,
        *,
        open_rooms: RoomsOpener | None = None,
    ) -> None:
        self._config, self._home = config, home
        self._open_rooms = open_rooms or _open_real_rooms
        self._rooms: Rooms | None = None
        self._server: grpc.aio.Server | None = None
        self._gate, self._calls = Gate(), CallLimit(config.max_calls)
        self._health = health.aio.HealthServicer()
        self._methods, self._metrics = LateMethods(), Metrics()
        self._endpoint = MetricsEndpoint(self._metrics, lambda: self._gate.is_open)
        self._stopping = False
        self._closed = asyncio.Event()
        self.port = 0

    @property
    def address(self) -> str:
        """Where the studio listens, as `host:port`."""
        return join_address(self._config.host, self.port)

    @property
    def metrics_address(self) -> str:
        """Where metrics are served; empty if they are not."""
        port = self._endpoint.port
        return join_address(self._config.metrics_host, port) if port else ""

    def addresses(self) -> Mapping[str, str]:
        """Names what listens beside the studio and its metrics, with its addresses."""
        return self._rooms.addresses() if self._rooms else {}

    async def start(self) -> None:
        """Starts everything and returns when the studio plays.

        Raises:
          ConfigError: A port is taken, or certificates cannot be used.
          HomeError: The home cannot be written.
          AmadeusError: The model server cannot start.
        """
        try:
            await asyncio.to_thread(_check_home, self._home)
            await self._listen()
            self._rooms = await self._open_rooms(
                self._config, self._home, self._metrics
            )
            self._metrics.watch_sessions(self._rooms.session_counts)
            self._rooms.add_to(self._methods)
            await self._set_health(health_pb2.HealthCheckResponse.SERVING)
            self._gate.open()
        except BaseException:
            await self.stop(0)
            raise
        _log.info("studio plays", extra={"address": self.address})

    async def wait_closed(self) -> None:
        """Waits until the studio has stopped."""
        await self._closed.wait()

    async def stop(self, grace_s: float | None = None) -> None:
        """Stops in good order: within `grace_s`, by default the configured one, performances end by themselves.

        A second call waits for the first.
        """
        if self._stopping:
            return await self.wait_closed()
        self._stopping = True
        deadline = time.monotonic() + (
            self._config.grace_s if grace_s is None else grace_s
        )
        _log.info("studio stops", extra={"open_calls": self._calls.n_open})
        self._gate.close()
        await self._health.enter_graceful_shutdown()
        if self._rooms is not None:
            await _within(deadline, self._drain(deadline))
        await _within(deadline, self._calls.wait_until_none())
        if self._calls.n_open:
            _log.warning("calls cut off", extra={"open_calls": self._calls.n_open})
        if self._server is not None:
            await self._server.stop(LINGER_S)
            # Calls that were cut off still have to leave their `finally`.
            await _within(time.monotonic() + UNWINDING_S, self._calls.wait_until_none())
        if self._rooms is not None:
            # What hangs, such as a call to a store, is left behind.
            closing = _carefully(self._rooms.close())
            await _within(time.monotonic() + CLOSING_S, closing)
        await self._endpoint.stop()
        self._closed.set()
        _log.info("studio has stopped")

    async def _listen(self) -> None:
        credentials = server_credentials(self._config)
        _check_free(self._config.host, self._config.port)
        self._server = grpc.aio.server(
            interceptors=self._interceptors(), options=_options(self._config)
        )
        self.port = _bind(self._server, self._config, credentials)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        _reflect(self._server)
        self._server.add_generic_rpc_handlers((self._methods,))
        await self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        if self._config.metrics_port is not None:
            await self._endpoint.start(
                self._config.metrics_host, self._config.metrics_port
            )
        await self._server.start()

    def _interceptors(self) -> list[grpc.aio.ServerInterceptor]:
        interceptors: list[grpc.aio.ServerInterceptor] = [
            CallRecorder(self._metrics),
            self._gate,
        ]
        if self._config.token:
            interceptors.append(TokenCheck(self._config.token))
        return [*interceptors, self._calls, StatusInterceptor()]

    async def _set_health(self, status: int) -> None:
        for service in ("", *SERVICES):
            await self._health.set(service, status)

    async def _drain(self, deadline: float) -> None:
        assert self._rooms is not None
        await _carefully(self._rooms.drain(max(0.0, deadline - time.monotonic())))


async def _open_real_rooms(config: StudioConfig, home: Home, metrics: Metrics) -> Rooms:
    # TensorFlow takes seconds to load; meanwhile health checks are answered.
    rooms = await asyncio.to_thread(_import_rooms)
    return await rooms(config, home, metrics)


def _import_rooms() -> RoomsOpener:
    with stderr_kept_back():
        from serving.studio.rooms import open_rooms

    return open_rooms


def _options(config: StudioConfig) -> list[tuple[str, int]]:
    return [
        # Two studios on one port would share its clients without a word.
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", config.max_message_bytes),
        ("grpc.max_send_message_length", config.max_message_bytes),
        ("grpc.max_concurrent_streams", config.max_calls + STREAMS_BEYOND_LIMIT),
        ("grpc.server_handshake_timeout_ms", HANDSHAKE_TIMEOUT_S * 1000),
        ("grpc.keepalive_time_ms", KEEPALIVE_INTERVAL_S * 1000),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_S * 1000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        (
            "grpc.http2.min_ping_interval_without_data_ms",
            MIN_CLIENT_PING_INTERVAL_S * 1000,
        ),
    ]


def _check_home(home: Home) -> None:
    # Tried rather than asked: rights on paper do not open a read-only disk.
    with explain_os_errors(home.path):
        home.path.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=home.path).close()


def _check_free(host: str, port: int) -> None:
    # gRPC only says that it could not bind; a socket of our own says why.
    if not port:
        return
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM
        )[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise _cannot_listen(host, port, error.strerror or str(error)) from error


def _bind(
    server: grpc.aio.Server,
    config: StudioConfig,
    credentials: grpc.ServerCredentials | None,
) -> int:
    try:
        if credentials is None:
            return server.add_insecure_port(config.address)
        return server.add_secure_port(config.address, credentials)
    except RuntimeError as error:
        raise _cannot_listen(config.host, config.port, str(error)) from error


def _cannot_listen(host: str, port: int, reason: str) -> ConfigError:
    return ConfigError(
        f"the studio cannot listen on {join_address(host, port)} ({reason}): choose another port with --port, "
        "0 for any, or another address with --host."
    )


def _reflect(server: grpc.aio.Server) -> None:
    names = (*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME, REFLECTION_V1)
    servicer = reflection.aio.ReflectionServicer(names)
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, server)
    # The same protocol under the name newer clients ask for first; its messages are the same on the wire.
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler(
                REFLECTION_V1, {"ServerReflectionInfo": handler}
            ),
        )
    )


async def _within(deadline: float, work: Awaitable[None]) -> None:
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(work, max(0.0, deadline - time.monotonic()))


async def _carefully(work: Awaitable[None]) -> None:
    try:
        await work
    except Exception:  # what does not close must not keep the rest from closing
        _log.exception("something did not close well")
