"""Every call in the log and in the metrics: one line when it ends, none for each of its messages."""

import asyncio
import logging
import time
from typing import Any

import grpc
import grpc.aio

from serving.studio.metrics import Metrics
from serving.studio.safety import HEALTH_PREFIX, Continuation
from serving.studio.status import behaviour_of, rebuilt, run

UNKNOWN_METHOD = (
    "unknown"  # one label for all, or strangers could make up labels without end
)

# A client whose time is up hangs up; that may arrive before the studio's own clock says so.
DEADLINE_SLACK_S = 0.05

_CODES = {code.value[0]: code for code in grpc.StatusCode}
_QUIET = {grpc.StatusCode.OK, grpc.StatusCode.CANCELLED}
_log = logging.getLogger(__name__)


class CallRecorder(grpc.aio.ServerInterceptor):
    """Counts and logs calls; it stands in front of all others, so that refused calls are recorded too.

    The log has method, client address, status code and duration. It never has metadata, where tokens travel, nor
    messages.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def intercept_service(
        self,
        continuation: Continuation,
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler | None:
        """Wraps the method that was asked for."""
        handler = await continuation(handler_call_details)
        if handler is None:
            code = grpc.StatusCode.UNIMPLEMENTED.name
            self._metrics.calls.labels(UNKNOWN_METHOD, code).inc()
            return None
        method, behaviour = handler_call_details.method, behaviour_of(handler)

        async def recorded(request: Any, context: grpc.aio.ServicerContext) -> Any:
            start = time.monotonic()
            self._metrics.calls_open.labels(method).inc()
            code = grpc.StatusCode.OK
            try:
                response = await run(behaviour, request, context)
                code = _code(context)
                return response
            except asyncio.CancelledError:
                code = _code_of_cancelled(context)
                raise
            except BaseException:
                code = _code(context, otherwise=grpc.StatusCode.UNKNOWN)
                raise
            finally:
                self._record(method, context.peer(), code, time.monotonic() - start)
                self._metrics.calls_open.labels(method).dec()

        return rebuilt(handler, recorded)

    def _record(
        self, method: str, peer: str, code: grpc.StatusCode, duration_s: float
    ) -> None:
        self._metrics.calls.labels(method, code.name).inc()
        self._metrics.call_s.labels(method).observe(duration_s)
        quiet = method.startswith(HEALTH_PREFIX) and code in _QUIET
        _log.log(
            logging.DEBUG if quiet else logging.INFO,
            "call ended",
            extra={
                "method": method,
                "peer": peer,
                "code": code.name,
                "duration_ms": round(duration_s * 1000, 1),
            },
        )


def _code(
    context: grpc.aio.ServicerContext,
    otherwise: grpc.StatusCode = grpc.StatusCode.OK,
) -> grpc.StatusCode:
    # gRPC hands out a number where one was set by an abort, and 0 where none was.
    code = context.code()
    if isinstance(code, grpc.StatusCode):
        return code
    return _CODES.get(code, otherwise) if code else otherwise


def _code_of_cancelled(context: grpc.aio.ServicerContext) -> grpc.StatusCode:
    left_s = context.time_remaining()
    if left_s is not None and left_s <= DEADLINE_SLACK_S:
        return grpc.StatusCode.DEADLINE_EXCEEDED
    return grpc.StatusCode.CANCELLED
