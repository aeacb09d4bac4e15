"""TF Serving's REST API and Prometheus' page, over HTTP.

    GET  /v1/models/M[/versions/N|/labels/L]            where versions stand
    GET  /v1/models/M[/versions/N|/labels/L]/metadata   signatures
    POST /v1/models/M[/versions/N|/labels/L]:predict    a prediction
    GET  /monitoring/prometheus/metrics

Answers are JSON; a request that failed is answered {"error": TEXT} with a code by the kind of error. Bodies are read
and answered in threads, so a large one does not hold up the event loop for longer than Python's lock does.
"""

import asyncio
import json
import re
import ssl
import time
import urllib.parse
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from aiohttp import web
from google.protobuf import json_format
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
)

from serving.model_server import answers, json_tensors
from serving.model_server.core import ModelServer
from serving.model_server.metrics import PATH as METRICS_PATH
from serving.model_server.metrics import ServingMetrics
from serving.model_server.servable import DEFAULT_SIGNATURE
from serving.model_server.source import parse_version
from serving.model_server.status import Code, ServingError, invalid

MAX_BODY_BYTES = 1 << 25  # a JSON number takes some ten bytes: three million of them
TIMEOUT_S = 30.0  # TF Serving's rest_api_timeout_in_ms
_MAX_PATH_LENGTH = 2048

_VERSION = r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_PREDICTION = re.compile(
    rf"/v1/models/(?P<name>[^/:]+){_VERSION}:(?P<method>classify|regress|predict)",
    re.IGNORECASE | re.ASCII,
)
_STATUS = re.compile(
    rf"/v1/models(?:/(?P<name>[^/:]+))?{_VERSION}(?:/(?P<part>metadata))?",
    re.IGNORECASE | re.ASCII,
)
_HTTP_CODES = {
    Code.OK: 200,
    Code.CANCELLED: 499,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.UNAVAILABLE: 503,
    Code.UNAUTHENTICATED: 401,
}


class _Reply(NamedTuple):
    body: bytes
    code: Code = Code.OK


class RestServer:
    """An HTTP server in the running event loop.

    Attributes:
      port: Where it listens, once started.
    """

    def __init__(
        self,
        models: ModelServer,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        ssl_context: ssl.SSLContext | None = None,
        metrics: ServingMetrics | None = None,
        n_threads: int = 4,
        timeout_s: float = TIMEOUT_S,
        max_body_bytes: int = MAX_BODY_BYTES,
        grace_s: float = 5.0,
    ) -> None:
        """Prepares a server.

        Args:
          models: To ask.
          host: To listen on; loopback unless told otherwise.
          port: 0 chooses a free one.
          ssl_context: For HTTPS; None speaks plain HTTP.
          metrics: Where requests are counted, and what the page of metrics shows.
          n_threads: Predictions at once; the rest wait.
          timeout_s: Until a prediction is answered 504.
          max_body_bytes: Of a request; a larger one is answered 413.
          grace_s: For running requests, when it is stopped.
        """
        self.port = port
        self._host = host
        self._ssl_context = ssl_context
        self._models = models
        self._metrics = metrics or ServingMetrics(models)
        self._timeout_s = timeout_s
        self._threads = ThreadPoolExecutor(n_threads, thread_name_prefix="rest")
        self._app = web.Application(
            client_max_size=max_body_bytes, middlewares=[_errors_as_json]
        )
        self._app.router.add_get(METRICS_PATH, self._answer_metrics)
        self._app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(
            self._app, access_log=None, shutdown_timeout=grace_s
        )

    async def start(self) -> None:
        """Begins to listen.

        Raises:
          OSError: The port is taken.
        """
        await self._runner.setup()
        site = web.TCPSite(
            self._runner, self._host, self.port, ssl_context=self._ssl_context
        )
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Refuses new requests and waits for running ones, at most `grace_s`."""
        await self._runner.cleanup()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _answer_metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=self._metrics.page(), content_type="text/plain")

    async def _answer(self, request: web.Request) -> web.Response:
        path = request.raw_path.partition("?")[0]
        if not path.lower().startswith("/v1/") or len(path) > _MAX_PATH_LENGTH:
            raise web.HTTPNotFound
        prediction = _PREDICTION.fullmatch(path) if request.method == "POST" else None
        status = _STATUS.fullmatch(path) if request.method == "GET" else None
        if prediction:
            return await self._answer_prediction(request, prediction)
        work = (lambda: self._tell(status)) if status else (lambda: _malformed(request))
        return _respond(_reply(work))

    async def _answer_prediction(
        self, request: web.Request, match: re.Match
    ) -> web.Response:
        start_s = time.perf_counter()
        body = await request.read()
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(
            self._threads, _reply, lambda: self._predict(match, body)
        )
        try:
            reply = await asyncio.wait_for(work, self._timeout_s)
        except TimeoutError:
            text = f"the prediction took longer than {self._timeout_s:g} s"
            reply = _Reply(json_tensors.to_error(text), Code.DEADLINE_EXCEEDED)
        took_s = time.perf_counter() - start_s
        name, method = urllib.parse.unquote(match["name"]), match["method"].lower()
        self._metrics.record(name, method, "REST", reply.code, took_s)
        return _respond(reply)

    def _predict(self, match: re.Match, body: bytes) -> bytes:
        if match["method"].lower() != "predict":
            raise ServingError(
                Code.UNIMPLEMENTED,
                f"{match['method']} is not supported: send a predict.",
            )
        spec = _read_spec(match)
        parsed = json_tensors.parse_request(body)
        with answers.acquire(self._models, spec) as lease:
            name = parsed.signature_name or DEFAULT_SIGNATURE
            signature = lease.model.signature_defs.get(name)
            if signature is None:
                raise invalid(
                    f'Serving signature name: "{name}" not found in signature def'
                )
            inputs = json_tensors.to_inputs(parsed, signature.inputs)
            outputs = lease.model.call(name, inputs, timeout_s=self._timeout_s)
        return json_tensors.to_json(outputs, parsed.format)

    def _tell(self, match: re.Match) -> bytes:
        if not match["name"]:
            raise invalid("Missing model name in request.")
        spec = _read_spec(match)
        if match["part"]:
            return self._tell_metadata(spec)
        request = get_model_status_pb2.GetModelStatusRequest(model_spec=spec)
        status = answers.get_model_status(self._models, request)
        text = json_format.MessageToJson(
            status, always_print_fields_with_no_presence=True
        )
        return text.encode()

    def _tell_metadata(self, spec: model_pb2.ModelSpec) -> bytes:
        request = get_model_metadata_pb2.GetModelMetadataRequest(
            model_spec=spec, metadata_field=[answers.SIGNATURE_FIELD]
        )
        response = answers.get_model_metadata(self._models, request)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        response.metadata[answers.SIGNATURE_FIELD].Unpack(signatures)
        told = {
            "model_spec": _to_dict(response.model_spec),
            "metadata": {answers.SIGNATURE_FIELD: _to_dict(signatures)},
        }
        return json.dumps(told, indent=1).encode()


@web.middleware
async def _errors_as_json(
    request: web.Request, handler: Callable[[web.Request], Any]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        body = json_tensors.to_error(error.reason)
        return web.Response(
            body=body, status=error.status, content_type="application/json"
        )


def _reply(work: Callable[[], bytes]) -> _Reply:
    try:
        return _Reply(work())
    except ServingError as error:
        return _Reply(json_tensors.to_error(error.text), error.code)


def _respond(reply: _Reply) -> web.Response:
    return web.Response(
        body=reply.body,
        status=_HTTP_CODES.get(reply.code, 500),
        content_type="application/json",
    )


def _malformed(request: web.Request) -> bytes:
    raise invalid(f"Malformed request: {request.method} {request.raw_path}")


def _read_spec(match: re.Match) -> model_pb2.ModelSpec:
    spec = model_pb2.ModelSpec(name=_unquote(match["name"]))
    if match["version"]:
        version = parse_version(match["version"])
        if version is None:
            raise invalid(f"Failed to convert version: {match['version']} to numeric.")
        spec.version.value = version
    elif match["label"]:
        spec.version_label = _unquote(match["label"])
    return spec


def _unquote(text: str) -> str:
    return urllib.parse.unquote(text, errors="replace")


def _to_dict(message: Any) -> dict[str, Any]:
    return json_format.MessageToDict(
        message,
        always_print_fields_with_no_presence=True,
        preserving_proto_field_name=True,
    )
