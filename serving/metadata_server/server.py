"""`ml_metadata.MetadataStoreService` over gRPC, with a file or a database behind it.

Every method is what the store in this process makes of it; those that upstream's own client never calls, and its store
does not have, are UNIMPLEMENTED. ML Metadata lets nothing else happen in its process while it works, so calls come one
after the other; a home with some machines needs no more, and MySQL can be spoken to directly.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import grpc.aio
import ml_metadata
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from ml_metadata.errors import StatusError
from ml_metadata.metadata_store.pywrap.metadata_store_extension import (
    metadata_store as native,
)
from ml_metadata.proto import metadata_store_service_pb2

from amadeus.errors import ConfigError, HomeError
from amadeus.lineage.addresses import shown
from amadeus.lineage.store import Mode, open_store
from serving.studio.config import StudioConfig, join_address
from serving.studio.safety import TokenCheck, server_credentials

SERVICE = metadata_store_service_pb2.DESCRIPTOR.services_by_name["MetadataStoreService"]
BACKING_PATIENCE_S = 5.0  # clients have more of their own
LINGER_S = 2.0

_CODES = {code.value[0]: code for code in grpc.StatusCode}
_log = logging.getLogger(__name__)

Handler = Callable[[Message, grpc.aio.ServicerContext], Awaitable[Message]]


class MetadataServer:
    """A server: made, started, stopped.

    Args:
      backing: Address of what lies behind it; see `amadeus.lineage.addresses`.
      config: Where to listen, and whom to let in; of a studio's settings, those of its door.
    """

    def __init__(self, backing: str, config: StudioConfig) -> None:
        if backing.startswith("grpc"):
            raise ConfigError(
                f"{shown(backing)} is a server of metadata itself: put sqlite:///PATH or a mysql:// address behind "
                "this one."
            )
        self._backing, self._config = backing, config
        self._thread = ThreadPoolExecutor(1, "metadata")
        self._health = health.aio.HealthServicer()
        self._server: grpc.aio.Server | None = None
        self._store: ml_metadata.MetadataStore | None = None
        self.port = 0

    @property
    def address(self) -> str:
        """Where it listens."""
        return join_address(self._config.host, self.port)

    async def start(self) -> None:
        """Opens what lies behind, then listens.

        Raises:
          ConfigError: The port is taken, or certificates cannot be used.
          HomeError: What lies behind cannot be opened.
        """
        await self._in_thread(self._open)
        door = [TokenCheck(self._config.token)] if self._config.token else []
        self._server = grpc.aio.server(
            interceptors=door,
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", -1),
                ("grpc.max_send_message_length", -1),
            ],
        )
        self._server.add_generic_rpc_handlers((self._handlers(),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        for service in ("", SERVICE.full_name):
            await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)
        self.port = self._bind(self._server)
        await self._server.start()

    async def stop(self) -> None:
        """Lets calls end, and closes what lies behind."""
        await self._health.enter_graceful_shutdown()
        if self._server is not None:
            await self._server.stop(LINGER_S)
        await self._in_thread(self._close)
        self._thread.shutdown()

    def _bind(self, server: grpc.aio.Server) -> int:
        credentials = server_credentials(self._config)
        try:
            if credentials is None:
                return server.add_insecure_port(self._config.address)
            return server.add_secure_port(self._config.address, credentials)
        except RuntimeError as error:
            raise ConfigError(
                f"the metadata server cannot listen on {self._config.address} ({error}): choose another port with "
                "--port, 0 for any, or another address with --host."
            ) from error

    def _open(self) -> None:
        self._store = open_store(
            self._backing,
            mode=Mode.READWRITE_OPENCREATE,
            patience_s=BACKING_PATIENCE_S,
        )

    def _close(self) -> None:
        self._store = None

    def _handlers(self) -> grpc.GenericRpcHandler:
        return grpc.method_handlers_generic_handler(
            SERVICE.full_name,
            {method.name: self._handler(method) for method in SERVICE.methods},
        )

    def _handler(self, method: MethodDescriptor) -> grpc.RpcMethodHandler:
        asked = message_factory.GetMessageClass(method.input_type)
        answer = message_factory.GetMessageClass(method.output_type)

        async def call(request: Message, context: grpc.aio.ServicerContext) -> Message:
            if not hasattr(native, method.name):
                text = f"{method.name} is not implemented here, nor called by upstream's client."
                await context.abort(grpc.StatusCode.UNIMPLEMENTED, text)
            response = answer()
            try:
                await self._in_thread(self._call, method.name, request, response)
            except (StatusError, RuntimeError, HomeError) as error:
                await context.abort(code_of(error), str(error))
            return response

        return grpc.unary_unary_rpc_method_handler(
            call,
            request_deserializer=asked.FromString,
            response_serializer=answer.SerializeToString,
        )

    def _call(self, name: str, request: Message, response: Message) -> None:
        assert self._store is not None
        self._store._call(name, request, response)

    async def _in_thread(self, work: Callable[..., Any], *arguments: Any) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, work, *arguments)


def code_of(error: Exception) -> grpc.StatusCode:
    """Says an error of the store as gRPC does."""
    if isinstance(error, HomeError):  # what lies behind is gone
        return grpc.StatusCode.UNAVAILABLE
    number = getattr(error, "error_code", grpc.StatusCode.INTERNAL.value[0])
    return _CODES.get(number, grpc.StatusCode.INTERNAL)


@contextlib.asynccontextmanager
async def serving(backing: str, config: StudioConfig) -> Any:
    """Runs a server for as long as this is open."""
    server = MetadataServer(backing, config)
    await server.start()
    _log.info("metadata are served", extra={"address": server.address})
    try:
        yield server
    finally:
        await server.stop()
