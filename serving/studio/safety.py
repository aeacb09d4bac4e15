"""Who may call, when, and how much at once.

Three interceptors stand at the door, in this order: `Gate` (is the studio open?), `TokenCheck` (may this client
call?), `CallLimit` (is there room for one more?). Each answers with a status that says what to do. The health service
passes all of them: whoever balances load has no token and must hear from a studio that is full.
"""

import asyncio
import hmac
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from amadeus.errors import ConfigError
from serving.studio.config import StudioConfig
from serving.studio.status import StatusError, behaviour_of, rebuilt, refusal, run

HEALTH_PREFIX = "/grpc.health.v1.Health/"

REASON_STARTING = "STUDIO_STARTING"
REASON_STOPPING = "STUDIO_STOPPING"
REASON_TOKEN_MISSING = "TOKEN_MISSING"
REASON_TOKEN_WRONG = "TOKEN_WRONG"
REASON_TOO_MANY_CALLS = "TOO_MANY_CALLS"

Continuation = Callable[
    [grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler | None]
]

# On the wire a status ends a call of any kind alike.
_ANY = grpc.stream_stream_rpc_method_handler(lambda _requests, _context: None)


class Doorkeeper(grpc.aio.ServerInterceptor):
    """Lets a call in or refuses it before any of it is read; a base of those below."""

    def refuse(self, details: grpc.HandlerCallDetails) -> StatusError | None:
        """Says why this call cannot come in, or None."""
        raise NotImplementedError

    async def intercept_service(
        self,
        continuation: Continuation,
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler | None:
        """Asks `refuse` for every call but those of the health service.

        Methods that do not exist, or not yet, are refused alike.
        """
        handler = await continuation(handler_call_details)
        if handler_call_details.method.startswith(HEALTH_PREFIX):
            return handler
        error = self.refuse(handler_call_details)
        return handler if error is None else refusal(handler or _ANY, error)


class Gate(Doorkeeper):
    """Closed until the studio is ready and again from the moment it begins to stop."""

    def __init__(self) -> None:
        self._error: StatusError | None = StatusError(
            grpc.StatusCode.UNAVAILABLE,
            "this studio is starting and loads its models: try again in some seconds.",
            REASON_STARTING,
        )

    @property
    def is_open(self) -> bool:
        """Whether calls come in."""
        return self._error is None

    def open(self) -> None:
        """Lets calls in."""
        self._error = None

    def close(self) -> None:
        """Lets no new call in; those that are open go on."""
        self._error = StatusError(
            grpc.StatusCode.UNAVAILABLE,
            "this studio is stopping: go to another, or try again when it is back.",
            REASON_STOPPING,
        )

    def refuse(self, details: grpc.HandlerCallDetails) -> StatusError | None:
        """UNAVAILABLE while closed."""
        return self._error


class TokenCheck(Doorkeeper):
    """Asks for `authorization: Bearer <token>` in the metadata of every call."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    def refuse(self, details: grpc.HandlerCallDetails) -> StatusError | None:
        """UNAUTHENTICATED without the token. What was shown instead is never repeated."""
        given = _bearer(details)
        if given is None:
            return StatusError(
                grpc.StatusCode.UNAUTHENTICATED,
                "this studio asks for a token: send it as metadata `authorization: Bearer <token>`.",
                REASON_TOKEN_MISSING,
            )
        # In constant time, so that a wrong token does not tell how much of it was right.
        if not hmac.compare_digest(given, self._token):
            return StatusError(
                grpc.StatusCode.UNAUTHENTICATED,
                "this token is not the studio's: ask whoever runs the studio for the present one.",
                REASON_TOKEN_WRONG,
            )
        return None


class CallLimit(grpc.aio.ServerInterceptor):
    """Keeps so many calls open at once over all clients, and refuses those beyond.

    Attributes:
      n_open: Calls open now.
    """

    def __init__(self, max_calls: int) -> None:
        self._max_calls = max_calls
        self.n_open = 0
        self._none = asyncio.Event()
        self._none.set()

    async def wait_until_none(self) -> None:
        """Waits until no call is open."""
        await self._none.wait()

    async def intercept_service(
        self,
        continuation: Continuation,
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler | None:
        """Counts a call from its first to its last moment."""
        handler = await continuation(handler_call_details)
        if handler is None or handler_call_details.method.startswith(HEALTH_PREFIX):
            return handler
        behaviour, full = behaviour_of(handler), refusal(handler, self._full())

        async def counted(request: Any, context: grpc.aio.ServicerContext) -> Any:
            if self.n_open >= self._max_calls:
                return await behaviour_of(full)(request, context)
            self._count(+1)
            try:
                return await run(behaviour, request, context)
            finally:
                self._count(-1)

        return rebuilt(handler, counted)

    def _count(self, change: int) -> None:
        self.n_open += change
        (self._none.clear if self.n_open else self._none.set)()

    def _full(self) -> StatusError:
        return StatusError(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            f"this studio has {self._max_calls} calls open and takes no more: end one, go to another studio, or start "
            "this one with a higher --max-calls.",
            REASON_TOO_MANY_CALLS,
            {"max_calls": str(self._max_calls)},
        )


def server_credentials(config: StudioConfig) -> grpc.ServerCredentials | None:
    """Reads certificates and key; None without TLS.

    Raises:
      ConfigError: One cannot be read, is not PEM, or the key is not of the certificate.
    """
    if config.tls_cert_path is None or config.tls_key_path is None:
        return None
    certificate = _read(config.tls_cert_path, "certificate")
    key = _read(config.tls_key_path, "private key")
    authorities = (
        _read(config.client_ca_path, "client CA") if config.client_ca_path else None
    )
    _check_pair(config)
    return grpc.ssl_server_credentials(
        [(key, certificate)],
        root_certificates=authorities,
        require_client_auth=authorities is not None,
    )


def _bearer(details: grpc.HandlerCallDetails) -> bytes | None:
    for key, value in details.invocation_metadata or ():
        if key == "authorization":
            text = value if isinstance(value, bytes) else value.encode()
            scheme, _, token = text.partition(b" ")
            if scheme.lower() == b"bearer":
                return token.strip()
    return None


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"the {what} {path} cannot be read ({error.strerror}): name a PEM file that this user may read."
        ) from error


def _check_pair(config: StudioConfig) -> None:
    # gRPC would only log what is wrong and then answer nobody; OpenSSL says it here.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    assert config.tls_cert_path is not None
    try:
        # A key with a password would be asked for on the terminal.
        context.load_cert_chain(
            config.tls_cert_path, config.tls_key_path, password=lambda: ""
        )
    except (ssl.SSLError, ValueError) as error:
        raise ConfigError(
            f"{config.tls_cert_path} and {config.tls_key_path} cannot be used together ({_reason(error)}): give a "
            "certificate chain and its own private key without a password, both PEM."
        ) from error
    if config.client_ca_path is not None:
        try:
            context.load_verify_locations(config.client_ca_path)
        except ssl.SSLError as error:
            raise ConfigError(
                f"{config.client_ca_path} holds no certificate ({_reason(error)}): give the PEM file of the authority "
                "that signs the clients' certificates."
            ) from error


def _reason(error: Exception) -> str:
    return (getattr(error, "reason", None) or str(error)).lower().replace("_", " ")
