"""Errors as clients see them: a status code of gRPC, one sentence, and a reason that an instrument can act on.

Servicers raise; `StatusInterceptor` is the one place that turns what was raised into a status:

    StatusError               its own code, text, reason and metadata
    ServingError              what the embedded model server says, with its code
    amadeus.errors.*          a code by class (`CODES`), the error's own sentence
    OSError: disk full        RESOURCE_EXHAUSTED
    grpc.RpcError             a model server elsewhere that cannot be reached or is too slow: its own code
    anything else             INTERNAL with a number; the log has the traceback under that number, the client never

A reason travels as `google.rpc.ErrorInfo` of the domain `amadeus` in the status details (AIP-193).
"""

import asyncio
import contextlib
import errno
import inspect
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, NoReturn

import grpc
import grpc.aio
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from amadeus import errors
from serving.model_server.status import ServingError

DOMAIN = "amadeus"
REASON_FAULT = (
    "FAULT"  # of INTERNAL; its metadata hold `fault`, the number to look for in the log
)

# Headers of HTTP/2 carry both, and clients refuse more than 8 KiB of them by default.
MAX_TEXT_LENGTH = 1000
MAX_METADATA_LENGTH = 200

# The most specific class that fits an error decides.
CODES: Mapping[type[errors.AmadeusError], grpc.StatusCode] = {
    errors.AmadeusError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.ConfigError: grpc.StatusCode.INVALID_ARGUMENT,
    errors.RecordingError: grpc.StatusCode.INVALID_ARGUMENT,
    errors.ScoreError: grpc.StatusCode.INVALID_ARGUMENT,
    errors.HomeError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.NotHeldError: grpc.StatusCode.NOT_FOUND,
    errors.VoiceError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.StoreError: grpc.StatusCode.UNAVAILABLE,
    errors.PracticeError: grpc.StatusCode.ABORTED,
}

_NUMBERED = {code.value[0]: code for code in grpc.StatusCode}
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT}
_PASSED_ON = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}

_NOT_IMPLEMENTED = "Method not implemented!"  # says generated code

_log = logging.getLogger(__name__)


class StatusError(Exception):
    """Ends a call with a status.

    Attributes:
      code: Of the status.
      text: One sentence: what was given, what is needed, what to do next.
      reason: For programs, in UPPER_SNAKE_CASE; empty if there is nothing an instrument could do about it.
      metadata: Of the reason: names in lower_snake_case, short values.
    """

    def __init__(
        self,
        code: grpc.StatusCode,
        text: str,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.reason = reason
        self.metadata = dict(metadata or {})

    def to_proto(self) -> status_pb2.Status:
        """Writes it as `google.rpc.Status`, shortened to what headers can carry."""
        status = status_pb2.Status(
            code=self.code.value[0], message=_shorten(self.text, MAX_TEXT_LENGTH)
        )
        if self.reason:
            info = error_details_pb2.ErrorInfo(
                reason=self.reason,
                domain=DOMAIN,
                metadata={
                    key: _shorten(str(value), MAX_METADATA_LENGTH)
                    for key, value in self.metadata.items()
                },
            )
            detail = any_pb2.Any()
            detail.Pack(info)
            status.details.append(detail)
        return status


def explain(error: BaseException) -> StatusError:
    """Finds the status an error stands for; a fault of ours is logged under the number the client is told."""
    if isinstance(error, StatusError):
        return error
    if isinstance(error, ServingError):
        return StatusError(_NUMBERED[int(error.code)], error.text)
    if isinstance(error, errors.AmadeusError):
        return StatusError(_code_of(error), str(error))
    if isinstance(error, OSError) and error.errno in _DISK_FULL:
        return StatusError(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "the studio's disk is full: free some space there, then try again.",
        )
    if isinstance(error, grpc.RpcError) and (passed_on := _pass_on(error)):
        return passed_on
    if isinstance(error, NotImplementedError) and str(error) == _NOT_IMPLEMENTED:
        return StatusError(
            grpc.StatusCode.UNIMPLEMENTED,
            "this studio does not know that method: ask one of a newer version.",
        )
    return _fault(error)


async def abort(context: grpc.aio.ServicerContext, error: BaseException) -> NoReturn:
    """Ends a call with the status `error` stands for."""
    await context.abort_with_status(rpc_status.to_status(explain(error).to_proto()))
    raise AssertionError("abort_with_status always raises")


def refusal(
    handler: grpc.RpcMethodHandler, error: StatusError
) -> grpc.RpcMethodHandler:
    """Makes a handler of the same kind that answers every call with `error`."""

    async def refuse(_request: Any, context: grpc.aio.ServicerContext) -> NoReturn:
        await abort(context, error)

    return rebuilt(handler, refuse)


class StatusInterceptor(grpc.aio.ServerInterceptor):
    """Turns what servicers raise into statuses. It belongs next to the servicers, behind all other interceptors.

    Servicers are coroutines, or async generators where they answer with a stream.
    """

    async def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler | None]
        ],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler | None:
        """Wraps the method that was asked for; of one that does not exist there is nothing to wrap."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        behaviour = behaviour_of(handler)
        name = handler_call_details.method

        async def guarded(request: Any, context: grpc.aio.ServicerContext) -> Any:
            try:
                return await run(behaviour, request, context)
            except grpc.aio.AbortError:  # the servicer has said the status itself
                raise
            except Exception as error:
                if _is_gone(context, error):
                    raise asyncio.CancelledError from error
                _log.debug("%s: %s", name, error)
                await abort(context, error)

        return rebuilt(handler, guarded)


def behaviour_of(handler: grpc.RpcMethodHandler) -> Callable[..., Any]:
    """Finds the method behind a handler, of whichever of the four kinds it is."""
    return (
        handler.unary_unary
        or handler.unary_stream
        or handler.stream_unary
        or handler.stream_stream
    )


def rebuilt(
    handler: grpc.RpcMethodHandler, behaviour: Callable[..., Any]
) -> grpc.RpcMethodHandler:
    """Makes a handler of the same kind and with the same messages around another method."""
    make = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[bool(handler.request_streaming), bool(handler.response_streaming)]
    return make(behaviour, handler.request_deserializer, handler.response_serializer)


async def run(
    behaviour: Callable[..., Any], request: Any, context: grpc.aio.ServicerContext
) -> Any:
    """Calls a method; what an async generator yields is written to the client.

    Written here rather than handed to gRPC as a generator: when the client leaves in the middle of a write the
    generator is closed at once, and not when the garbage collector comes by.
    """
    if not inspect.isasyncgenfunction(behaviour):
        return await behaviour(request, context)
    responses: AsyncIterator[Any] = behaviour(request, context)
    async with contextlib.aclosing(responses):  # type: ignore[type-var]
        async for response in responses:
            await context.write(response)
    return None


def _code_of(error: errors.AmadeusError) -> grpc.StatusCode:
    return next(CODES[kind] for kind in type(error).__mro__ if kind in CODES)


def _is_gone(context: grpc.aio.ServicerContext, error: Exception) -> bool:
    # A client that hangs up in the middle of a write is no fault, and nobody is left to tell.
    return isinstance(error, grpc.aio.InternalError) or context.cancelled()


def _pass_on(error: grpc.RpcError) -> StatusError | None:
    code = error.code() if hasattr(error, "code") else None
    if code not in _PASSED_ON:
        return None
    return StatusError(code, f"the model server answered: {error.details()}")


def _fault(error: BaseException) -> StatusError:
    number = secrets.token_hex(4)
    _log.error("fault %s", number, exc_info=error)
    return StatusError(
        grpc.StatusCode.INTERNAL,
        f"a fault of the studio, not of yours: its log tells more under number {number}.",
        REASON_FAULT,
        {"fault": number},
    )


def _shorten(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 3]}..."
