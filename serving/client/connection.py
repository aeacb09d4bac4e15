"""A way to a studio: address, token, TLS; and its errors as sentences of ours."""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from amadeus.errors import ConfigError, StudioError

TOKEN_VARIABLE = "AMADEUS_STUDIO_TOKEN"
MAX_MESSAGE_BYTES = 64 * 2**20
# A studio that is gone without a word is noticed after half a minute.
KEEPALIVE_INTERVAL_MS, KEEPALIVE_TIMEOUT_MS = 20_000, 10_000


@dataclass(frozen=True)
class Address:
    """Where a studio is and how to get in.

    Attributes:
      target: `host:port`.
      token: What the studio wants to see; empty: nothing. Never printed.
      tls_ca_path: Authorities that may have signed the studio's certificate, PEM; None: those of the system.
      client_cert_path: Certificate to show, PEM; None: none.
      client_key_path: Its private key, PEM.
      tls: Whether to speak TLS; certificates given say so too.
    """

    target: str
    token: str = ""
    tls_ca_path: Path | None = None
    client_cert_path: Path | None = None
    client_key_path: Path | None = None
    tls: bool = False

    def __repr__(self) -> str:
        return f"Address({self.target!r})"

    @property
    def is_secure(self) -> bool:
        """Whether the connection is encrypted."""
        return (
            self.tls
            or self.tls_ca_path is not None
            or self.client_cert_path is not None
        )


def find_token(token_path: Path | None = None) -> str:
    """Reads the token from a file, else from `AMADEUS_STUDIO_TOKEN`; empty if there is none.

    Raises:
      ConfigError: The file cannot be read or is empty.
    """
    if token_path is None:
        return os.environ.get(TOKEN_VARIABLE, "").strip()
    token = _read(token_path).decode(errors="replace").strip()
    if not token:
        raise ConfigError(f"{token_path} is empty: write the studio's token into it.")
    return token


def connect(address: Address) -> grpc.Channel:
    """Opens a channel; nothing is sent before the first call.

    Raises:
      ConfigError: The address is none, or a file cannot be read.
    """
    host, colon, port = address.target.rpartition(":")
    if not colon or not host or not port.isdecimal():
        raise ConfigError(
            f"--studio {address.target} is no address: write HOST:PORT, such as localhost:8470."
        )
    options = [
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.keepalive_time_ms", KEEPALIVE_INTERVAL_MS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
    ]
    if not address.is_secure:
        channel = grpc.insecure_channel(address.target, options)
    else:
        channel = grpc.secure_channel(address.target, _credentials(address), options)
    if not address.token:
        return channel
    return grpc.intercept_channel(channel, _Bearer(address.token))


@contextlib.contextmanager
def explained(target: str) -> Iterator[None]:
    """Turns what gRPC raises into a sentence.

    Raises:
      StudioError: Instead of any RpcError.
    """
    try:
        yield
    except grpc.RpcError as error:
        raise explain(error, target) from error


def explain(error: grpc.RpcError, target: str) -> StudioError:
    """Says in one sentence why a call ended."""
    code, text = error.code(), error.details() or "no reason given"
    if code == grpc.StatusCode.UNAVAILABLE and reason_of(error) is None:
        return StudioError(
            f"the studio at {target} cannot be reached ({text}): start one with `amadeus studio`, or check the "
            "address, TLS and the network.",
            code=code.name,
        )
    if code == grpc.StatusCode.UNAUTHENTICATED:
        return StudioError(
            f"the studio at {target} does not let you in ({text}): put its token into {TOKEN_VARIABLE}, or name its "
            "file with --studio-token-file.",
            code=code.name,
        )
    return StudioError(
        f"the studio at {target} answered {code.name}: {text}",
        code=code.name,
        reason=reason_of(error) or "",
    )


def reason_of(error: grpc.RpcError) -> str | None:
    """Reads the reason of `google.rpc.ErrorInfo`, for programs; None without one."""
    status = rpc_status.from_call(error) if isinstance(error, grpc.Call) else None
    for detail in status.details if status else ():
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return info.reason
    return None


class _Bearer(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Shows the token with every call."""

    def __init__(self, token: str) -> None:
        self._header = ("authorization", f"Bearer {token}")

    def _intercept(
        self,
        continuation: Callable[..., Any],
        details: grpc.ClientCallDetails,
        request: Any,
    ) -> Any:
        metadata = [*(details.metadata or ()), self._header]
        return continuation(details._replace(metadata=metadata), request)

    intercept_unary_unary = intercept_unary_stream = _intercept
    intercept_stream_unary = intercept_stream_stream = _intercept


def _credentials(address: Address) -> grpc.ChannelCredentials:
    if (address.client_cert_path is None) != (address.client_key_path is None):
        raise ConfigError(
            "a client certificate needs its key and a key its certificate: give both or neither."
        )
    return grpc.ssl_channel_credentials(
        *(
            _read(path) if path else None
            for path in (
                address.tls_ca_path,
                address.client_key_path,
                address.client_cert_path,
            )
        )
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"cannot read {path}: {error.strerror or error}; check the path and your rights to it."
        ) from error
