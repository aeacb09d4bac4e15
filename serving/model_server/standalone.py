"""A model server put together from flags: models, gRPC, HTTP, and a configuration file that may change."""

import argparse
import asyncio
import contextlib
import logging
from pathlib import Path
from typing import Any

from tensorflow_serving.config import model_server_config_pb2

from amadeus.errors import AmadeusError, ConfigError
from serving.model_server import config as configs
from serving.model_server.core import ModelServer
from serving.model_server.grpc_service import GrpcServer
from serving.model_server.metrics import ServingMetrics
from serving.model_server.options import ServingOptions
from serving.model_server.rest import RestServer

_log = logging.getLogger(__name__)


class Standalone:
    """Everything that one process serves."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Reads the configuration.

        Raises:
          ConfigError: There is none, or it is none.
          ServingError: It contradicts itself.
        """
        self._options = options
        models = configs.read_models(_read_config(options))
        self._models = ModelServer(models, options=_serving_options(options))
        configs.check_roots(models, self._models.options.allowed_roots)
        metrics = ServingMetrics(self._models)
        self._servers: list[GrpcServer | RestServer] = [
            _grpc_server(options, self._models, metrics, options.bind_address)
        ]
        if options.grpc_socket_path:
            address = f"unix:{options.grpc_socket_path}"
            self._servers.append(_grpc_server(options, self._models, metrics, address))
        if options.rest_api_port is not None:
            self._servers.append(_rest_server(options, self._models, metrics))
        self._watcher: asyncio.Task[None] | None = None

    async def start(self, stop: asyncio.Event) -> None:
        """Loads the models, then listens; returns early when told to stop."""
        self._models.start()
        while not stop.is_set() and not await asyncio.to_thread(
            self._models.wait_until_settled, 0.2
        ):
            pass
        for server in self._servers:
            await server.start()
        ports = (f"{type(server).__name__} {server.port}" for server in self._servers)
        print(f"listening: {', '.join(ports)}", flush=True)  # noqa: T201 - for who started it
        if self._options.model_config_file_poll_wait_seconds > 0:
            self._watcher = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Ends calls in good order and frees everything."""
        if self._watcher is not None:
            self._watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watcher
        for server in self._servers:
            await server.stop()
        await asyncio.to_thread(self._models.close)

    async def _watch(self) -> None:
        seen = Path(self._options.model_config_file).read_bytes()
        while True:
            await asyncio.sleep(self._options.model_config_file_poll_wait_seconds)
            try:
                content = Path(self._options.model_config_file).read_bytes()
                if content != seen:
                    seen = content
                    config = configs.read_file(self._options.model_config_file)
                    await asyncio.to_thread(self._models.reload, config)
            except (AmadeusError, OSError) as error:
                _log.warning("the configuration stays as it was: %s", error)


def _read_config(
    options: argparse.Namespace,
) -> model_server_config_pb2.ModelServerConfig:
    if options.model_config_file:
        return configs.read_file(options.model_config_file)
    if not options.model_base_path:
        raise ConfigError(
            "there is nothing to serve: give --model_config_file, or --model_name and --model_base_path."
        )
    config = model_server_config_pb2.ModelServerConfig()
    config.model_config_list.config.add(
        name=options.model_name,
        base_path=options.model_base_path,
        model_platform=configs.PLATFORM,
    )
    return config


def _serving_options(options: argparse.Namespace) -> ServingOptions:
    return ServingOptions(
        poll_wait_s=options.file_system_poll_wait_seconds,
        max_load_retries=options.max_num_load_retries,
        load_retry_interval_s=options.load_retry_interval_micros / 1e6,
        warm_up=options.enable_model_warmup,
        allowed_roots=tuple(Path(root) for root in options.allowed_root),
        labels_for_unavailable=options.allow_version_labels_for_unavailable_models,
    )


def _grpc_server(
    options: argparse.Namespace, models: ModelServer, metrics: Any, host: str
) -> GrpcServer:
    return GrpcServer(
        models,
        host=host,
        port=options.port,
        metrics=metrics,
        n_threads=options.grpc_max_threads,
        with_health=options.enable_grpc_healthcheck_service,
    )


def _rest_server(
    options: argparse.Namespace, models: ModelServer, metrics: Any
) -> RestServer:
    return RestServer(
        models,
        host=options.bind_address,
        port=options.rest_api_port,
        metrics=metrics,
        timeout_s=options.rest_api_timeout_in_ms / 1000,
    )
