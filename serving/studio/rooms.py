"""The rooms of a real studio: models, performances, practices and personalities, put together.

This is the one place that knows them all. It is loaded when the studio listens already, for TensorFlow takes seconds.
"""

import asyncio
import dataclasses
import logging
from collections.abc import Mapping
from typing import Any

import grpc.aio

from amadeus.errors import ConfigError
from amadeus.home import Home
from amadeus.v1 import lineage_pb2_grpc, studio_pb2_grpc
from serving.model_server.config import home_models
from serving.model_server.core import ModelServer
from serving.model_server.grpc_service import GrpcServer
from serving.model_server.metrics import ServingMetrics
from serving.model_server.options import ServingOptions
from serving.model_server.rest import RestServer
from serving.model_server.wishes import Wishes
from serving.studio.checking import Checker
from serving.studio.config import StudioConfig, join_address
from serving.studio.lineages import LineagesServicer
from serving.studio.metrics import Metrics
from serving.studio.perform import Performances, PerformLimits
from serving.studio.personalities import PersonalitiesServicer, PersonalityLimits
from serving.studio.practices import PracticeLimits, Practices
from serving.studio.publishing import Publisher, Supplier
from serving.studio.remote import RemoteCaller
from serving.studio.servicer import PracticeSessionsServicer, StudioServicer
from serving.studio.shared_voices import SharedVoices
from serving.studio.voices import EmbeddedCaller, HomeVoices, Voices

# A voice that cannot be loaded must not keep the others from playing.
LOADING_S = 60.0
MAX_LOAD_RETRIES, LOAD_RETRY_INTERVAL_S = 2, 2.0  # voices come whole, by one rename
STOPPING_S = 1.0  # for calls to the model server, once no performance is left
# What a practice needs beyond its worker's end to leave its session in order.
PRACTICE_MARGIN_S = 3.0

_log = logging.getLogger(__name__)


async def open_rooms(config: StudioConfig, home: Home, metrics: Metrics) -> "Rooms":
    """Loads the models and opens everything.

    Raises:
      ConfigError: A port of the model server is taken.
    """
    rooms = Rooms(config, home, metrics)
    try:
        await rooms.open()
    except BaseException:
        await rooms.close()
        raise
    return rooms


class EmbeddedModels:
    """The model server of this process, and the ports it answers on."""

    def __init__(self, config: StudioConfig, home: Home, metrics: Metrics) -> None:
        # Clients may reload its configuration, yet not make it read folders outside the home.
        options = ServingOptions(
            max_load_retries=MAX_LOAD_RETRIES,
            load_retry_interval_s=LOAD_RETRY_INTERVAL_S,
            allowed_roots=(home.path,),
        )
        self.server = ModelServer(discover=lambda: home_models(home), options=options)
        counted = ServingMetrics(self.server)
        metrics.registry.register(counted)
        host = config.model_server_host
        self._host = host
        self._listeners: dict[str, GrpcServer | RestServer] = {}
        if config.model_server_port is not None:
            self._listeners["--model-server-port"] = GrpcServer(
                self.server, host=host, port=config.model_server_port, metrics=counted
            )
        if config.model_server_rest_port is not None:
            self._listeners["--model-server-rest-port"] = RestServer(
                self.server,
                host=host,
                port=config.model_server_rest_port,
                metrics=counted,
            )

    async def open(self) -> None:
        """Listens, and loads the current voice of each deu.

        Raises:
          ConfigError: A port is taken.
        """
        self.server.start()
        for flag, listener in self._listeners.items():
            try:
                await listener.start()
            except OSError as error:
                place = join_address(self._host, listener.port)
                raise ConfigError(
                    f"the model server cannot listen on {place} (the port is taken, or the address is none of this "
                    f"machine's): choose another with {flag}, 0 for any, or off."
                ) from error
        if not await asyncio.to_thread(self.server.wait_until_settled, LOADING_S):
            _log.warning("some voices could not be loaded; see above")

    def addresses(self) -> Mapping[str, str]:
        """Names what listens."""
        words = {
            "--model-server-port": ("model server", "{} (gRPC)"),
            "--model-server-rest-port": ("REST", "http://{}/v1/models/DEU"),
        }
        return {
            words[flag][0]: words[flag][1].format(
                join_address(self._host, listener.port)
            )
            for flag, listener in self._listeners.items()
        }

    async def close(self) -> None:
        """Stops listening and frees the models."""
        for listener in self._listeners.values():
            if isinstance(listener, GrpcServer):
                await listener.stop(STOPPING_S)
            else:
                await listener.stop()
        await asyncio.to_thread(self.server.close)


class Rooms:
    """See `serving.studio.server.Rooms`."""

    def __init__(self, config: StudioConfig, home: Home, metrics: Metrics) -> None:
        self._config = config
        self._models: EmbeddedModels | None = None
        if config.model_server is None:
            self._models = EmbeddedModels(config, home, metrics)
            caller: Any = EmbeddedCaller(self._models.server)
        else:
            caller = RemoteCaller(config.model_server, Wishes(home))
        taken = personality_limits(config)
        checker = Checker(timeout_s=taken.check_timeout_s)
        self._voices: Voices = HomeVoices(home, caller)
        publisher = supplier = None
        if config.personalities is not None:
            shared = SharedVoices(
                home,
                self._voices,
                config.personalities,
                limits=taken.of_bundles(),
                check=checker.check,
            )
            self._voices = shared
            publisher = Publisher(home, config.personalities)
            supplier = Supplier(shared.bring_newest, home)
            metrics.add_remarks(publisher.remarks)
        self._performances = Performances(self._voices, perform_limits(config), metrics)
        self._practices = Practices(
            home, practice_limits(config), publisher=publisher, supplier=supplier
        )
        self._personalities = PersonalitiesServicer(home, taken, checker)
        self._lineages = LineagesServicer(home)

    async def open(self) -> None:
        """Loads models and takes up what waits in the home."""
        if self._models is not None:
            await self._models.open()
        self._performances.start()
        await self._practices.start()

    def add_to(self, server: grpc.aio.Server) -> None:
        """Adds the servicers."""
        studio_pb2_grpc.add_StudioServicer_to_server(
            StudioServicer(self._performances, self._practices), server
        )
        studio_pb2_grpc.add_PracticeSessionsServicer_to_server(
            PracticeSessionsServicer(self._practices), server
        )
        studio_pb2_grpc.add_PersonalitiesServicer_to_server(self._personalities, server)
        lineage_pb2_grpc.add_LineagesServicer_to_server(self._lineages, server)

    def session_counts(self) -> Mapping[str, int]:
        """Counts practice sessions by state."""
        return self._practices.session_counts()

    def addresses(self) -> Mapping[str, str]:
        """Names what listens beside the studio."""
        if self._models is None:
            return {"model server": f"{self._config.model_server} (a TF Serving)"}
        return self._models.addresses()

    async def drain(self, grace_s: float) -> None:
        """Ends performances, and leaves practices to be resumed."""
        await asyncio.gather(self._performances.drain(grace_s), self._practices.close())

    async def close(self) -> None:
        """Frees everything."""
        await self._performances.close()
        await self._practices.close()
        await self._personalities.close()
        self._lineages.close()
        self._voices.close()
        if self._models is not None:
            await self._models.close()


def perform_limits(config: StudioConfig) -> PerformLimits:
    """Reads the limits of performances out of what the studio was told."""
    return _limited(PerformLimits(), max_performances=config.max_performances)


def practice_limits(config: StudioConfig) -> PracticeLimits:
    """Reads the limits of practices out of what the studio was told."""
    return _limited(
        PracticeLimits(),
        running=config.practices_at_once,
        running_here=config.practices_here,
        keep_s=config.keep_hours and config.keep_hours * 3600,
        sessions=config.max_sessions,
        session_bytes=config.max_upload_bytes,
        audio_minutes=config.max_audio_minutes,
        training_minutes=config.max_minutes,
        close_s=max(1.0, config.grace_s - PRACTICE_MARGIN_S),
    )


def personality_limits(config: StudioConfig) -> PersonalityLimits:
    """Reads the limits of bundles out of what the studio was told."""
    return _limited(PersonalityLimits(), max_bundle_bytes=config.max_bundle_bytes)


def _limited(defaults: Any, **told: object) -> Any:
    return dataclasses.replace(
        defaults, **{name: value for name, value in told.items() if value is not None}
    )
