"""PredictionService and ModelService over gRPC.

The server has threads of its own rather than a place in an event loop: a call that computes for a
millisecond then neither waits for a loop nor holds one up, and it costs a hop less (measured with an
echo of 3 KiB on 2 cores: 0.5 ms there and back, against 0.8 ms through `grpc.aio` and an executor).

A call whose client has gone or whose deadline has passed while it waited is not begun. One that is under way ends
at its deadline if its signature is known to take long, and is finished otherwise; its client is told
DEADLINE_EXCEEDED in time by gRPC itself.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable
from concurrent import futures
from typing import Any, NoReturn

import grpc
from tensorflow_serving.apis import (
    model_management_pb2,
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
)

from serving.model_server import answers
from serving.model_server.core import ModelServer
from serving.model_server.metrics import ServingMetrics
from serving.model_server.status import Code, ServingError, invalid

SERVICES = (
    "tensorflow.serving.PredictionService",
    "tensorflow.serving.ModelService",
)
MAX_MESSAGE_BYTES = 2**31 - 1
_MAX_TEXT_LENGTH = 1024  # TF Serving's, too: texts travel in headers
_SERVING, _NOT_SERVING = 1, 2  # of HealthCheckResponse.ServingStatus
_STATUS = {code.value[0]: code for code in grpc.StatusCode}

_log = logging.getLogger(__name__)


class GrpcServer:
    """A server of both services.

    Attributes:
      port: Where it listens, once started.
    """

    def __init__(
        self,
        models: ModelServer,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        credentials: grpc.ServerCredentials | None = None,
        metrics: ServingMetrics | None = None,
        n_threads: int = 0,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        with_health: bool = False,
        with_reload: bool = True,
    ) -> None:
        """Prepares a server.

        Args:
          models: To ask.
          host: To listen on; loopback unless told otherwise. `unix:PATH` listens on a socket file.
          port: 0 chooses a free one.
          credentials: For TLS; None speaks plain text.
          metrics: Where requests are counted.
          n_threads: Calls at once; 0 chooses four for each core. The rest wait.
          max_message_bytes: Of a request or answer.
          with_health: Whether grpc.health.v1 answers too.
          with_reload: Whether clients may change the configuration.
        """
        self.port = port
        self._host = host
        self._credentials = credentials
        threads = futures.ThreadPoolExecutor(
            n_threads or 4 * (os.cpu_count() or 1), thread_name_prefix="model-server"
        )
        self._server = grpc.server(
            threads,
            options=(
                ("grpc.max_receive_message_length", max_message_bytes),
                ("grpc.max_send_message_length", max_message_bytes),
                ("grpc.so_reuseport", 0),
            ),
        )
        self._threads = threads
        self._health = _add_health(self._server) if with_health else None
        metrics = metrics or ServingMetrics(models)
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            PredictionServicer(models, metrics), self._server
        )
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(
            ModelServicer(models, may_reload=with_reload), self._server
        )

    async def start(self) -> None:
        """Begins to listen.

        Raises:
          OSError: The port is taken.
        """
        try:
            self.port = self._bind()
        except RuntimeError:
            raise OSError(
                f"cannot listen on {self._host}:{self.port}: it is taken or not of this machine; choose another port."
            ) from None
        self._server.start()
        self._set_health(_SERVING)

    async def stop(self, grace_s: float = 5.0) -> None:
        """Refuses new calls and waits for running ones, at most `grace_s`."""
        self._set_health(_NOT_SERVING)
        stopped = self._server.stop(grace_s)
        await asyncio.to_thread(stopped.wait)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _bind(self) -> int:
        is_file = self._host.startswith("unix:")
        address = self._host if is_file else f"{_bracketed(self._host)}:{self.port}"
        if self._credentials is None:
            return self._server.add_insecure_port(address)
        return self._server.add_secure_port(address, self._credentials)

    def _set_health(self, status: int) -> None:
        if self._health is not None:
            for service in ("", *SERVICES):
                self._health.set(service, status)


class PredictionServicer(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Predict and GetModelMetadata; the others answer UNIMPLEMENTED."""

    def __init__(self, models: ModelServer, metrics: ServingMetrics) -> None:
        self._models = models
        self._metrics = metrics

    def Predict(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Asks a signature of a model."""
        start_s = time.perf_counter()
        code = Code.OK
        try:
            _check_awaited(context)
            return answers.predict(self._models, request, context.time_remaining())
        except ServingError as error:
            code = error.code
            _abort(context, error)
        except Exception as error:
            code = Code.INTERNAL
            _log.exception("Predict failed")
            _abort(context, _fault(error))
        finally:
            took_s = time.perf_counter() - start_s
            name = request.model_spec.name
            self._metrics.record(name, "predict", "GRPC", code, took_s)

    def GetModelMetadata(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Tells the signatures of a model."""
        return _answer(
            context, lambda: answers.get_model_metadata(self._models, request)
        )

    def Classify(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Not supported."""
        _refuse(context, "Classify")

    def Regress(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Not supported."""
        _refuse(context, "Regress")

    def MultiInference(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Not supported."""
        _refuse(context, "MultiInference")


class ModelServicer(model_service_pb2_grpc.ModelServiceServicer):
    """What is served, and what is to be."""

    def __init__(self, models: ModelServer, *, may_reload: bool) -> None:
        self._models = models
        self._may_reload = may_reload

    def GetModelStatus(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Tells where the versions of a model stand."""
        return _answer(context, lambda: answers.get_model_status(self._models, request))

    def HandleReloadConfigRequest(
        self, request: Any, context: grpc.ServicerContext
    ) -> Any:
        """Takes a new configuration; answers when the models new in it can be asked."""
        return _answer(context, lambda: self._reload(request, context))

    def _reload(self, request: Any, context: grpc.ServicerContext) -> Any:
        if not self._may_reload:
            raise ServingError(
                Code.PERMISSION_DENIED,
                "this server's models are fixed: change them where it is started.",
            )
        if request.config.WhichOneof("config") != "model_config_list":
            raise invalid(
                "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently "
                "supported"
            )
        self._models.reload(request.config, is_waiting=context.is_active)
        return model_management_pb2.ReloadConfigResponse(status={})


def _answer(context: grpc.ServicerContext, work: Callable[[], Any]) -> Any:
    try:
        _check_awaited(context)
        return work()
    except ServingError as error:
        _abort(context, error)
    except Exception as error:
        _log.exception("a request failed")
        _abort(context, _fault(error))


def _check_awaited(context: grpc.ServicerContext) -> None:
    left_s = context.time_remaining()
    if not context.is_active() or (left_s is not None and left_s <= 0):
        raise ServingError(
            Code.DEADLINE_EXCEEDED, "the deadline passed before the request was begun"
        )


def _abort(context: grpc.ServicerContext, error: ServingError) -> NoReturn:
    text = error.text
    if len(text) > _MAX_TEXT_LENGTH:
        text = text[:_MAX_TEXT_LENGTH] + "...TRUNCATED"
    context.abort(_STATUS[int(error.code)], text)
    raise AssertionError("abort raises")


def _fault(error: Exception) -> ServingError:
    return ServingError(
        Code.INTERNAL, f"{type(error).__name__}: see the log of the server"
    )


def _refuse(context: grpc.ServicerContext, method: str) -> NoReturn:
    context.abort(
        grpc.StatusCode.UNIMPLEMENTED, f"{method} is not supported: send a Predict."
    )
    raise AssertionError("abort raises")


def _add_health(server: grpc.Server) -> Any:
    from grpc_health.v1 import health, health_pb2_grpc  # not everybody wants it

    servicer = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    return servicer


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
