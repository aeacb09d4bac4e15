"""Everything a studio can be told, checked before anything starts.

The command line fills `StudioConfig` from its flags, and from the environment where a flag was not given:
`--max-calls` is `AMADEUS_STUDIO_MAX_CALLS`. The token is no flag, since anybody on the machine can read command lines;
it comes from `AMADEUS_STUDIO_TOKEN` or from a file. There is no file of settings: flags do for one machine, the
environment for a container, and a third place to look would only be a third place to be wrong.

Outside loopback a studio asks for a token and speaks TLS, or does not start; `insecure` takes that back.
"""

import ipaddress
import math
import re
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from pathlib import Path

from amadeus.errors import ConfigError

ENVIRONMENT_PREFIX = "AMADEUS_STUDIO"
TOKEN_VARIABLE = f"{ENVIRONMENT_PREFIX}_TOKEN"

MIN_TOKEN_LENGTH = 16  # characters; 64 bits where they are hexadecimal digits
MAX_TOKEN_LENGTH = 4096  # it travels in a header
MEBIBYTE = 2**20
MIN_MESSAGE_BYTES = 2 * MEBIBYTE  # chunks have 1 MiB, and something stands beside them


@dataclass(frozen=True, kw_only=True)
class StudioConfig:
    """How a studio is run. Raises `ConfigError` when it is made of what cannot work or is not safe.

    Attributes:
      host: Address to listen on.
      port: Port of the studio; 0 chooses one.
      model_server: `host:port` of a TF Serving to play with, or of several with commas between them; a name with
        several addresses stands for all of them. None: the embedded model server.
      model_server_host: Address the embedded model server listens on.
      model_server_port: Its gRPC port; 0 chooses one, None: it does not listen.
      model_server_rest_port: Its HTTP port; 0 chooses one, None: it does not listen.
      personalities: Store of voices that this studio's home does not hold yet, `gs://bucket/folder` or another, where
        what is taught here goes too; None: what the home holds is all there is.
      metrics_host: Address `/metrics` is served on.
      metrics_port: Its port; 0 chooses one, None: no metrics.
      token: What clients must show; empty: nothing. Never printed.
      tls_cert_path: Certificate chain of the studio, PEM; None: no TLS.
      tls_key_path: Its private key, PEM.
      client_ca_path: Authorities whose certificates clients must show, PEM; None: clients show none.
      insecure: Whether to listen outside loopback without a token or without TLS.
      max_calls: Calls open at once, over all clients; health checks are not counted.
      max_message_bytes: Size of one message, either way.
      max_performances: Performances open at once; None: as many as `PerformLimits` says.
      max_sessions: Practice sessions that are not over; None: as `PracticeLimits` says.
      max_upload_bytes: Recordings a session takes; None: as `PracticeLimits` says.
      max_audio_minutes: Length of the recordings a session takes; None: as `PracticeLimits` says.
      max_minutes: Minutes a practice may train; None: as `PracticeLimits` says.
      max_bundle_bytes: Size of a `.deu` bundle; None: as `PersonalityLimits` says.
      practices_at_once: Practices that run at once in all studios of a home, the others wait; None: as
        `PracticeLimits` says.
      practices_here: Of those, how many this studio starts; 0 leaves all to others that share its home; None: all.
      keep_hours: How long a practice session that is over is kept; None: as `PracticeLimits` says.
      grace_s: How long performances and workers of practices may take to end when the studio stops.
    """

    host: str = "127.0.0.1"
    port: int = 8470
    model_server: str | None = None
    model_server_host: str = "127.0.0.1"
    model_server_port: int | None = 8500
    model_server_rest_port: int | None = 8501
    personalities: str | None = None
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = 8471
    token: str = field(default="", repr=False)
    tls_cert_path: Path | None = None
    tls_key_path: Path | None = None
    client_ca_path: Path | None = None
    insecure: bool = False
    max_calls: int = 256
    max_message_bytes: int = 4 * MEBIBYTE
    max_performances: int | None = None
    max_sessions: int | None = None
    max_upload_bytes: int | None = None
    max_audio_minutes: float | None = None
    max_minutes: float | None = None
    max_bundle_bytes: int | None = None
    practices_at_once: int | None = None
    practices_here: int | None = None
    keep_hours: float | None = None
    grace_s: float = 20.0

    def __post_init__(self) -> None:
        _check_ports(self)
        _check_limits(self)
        _check_token(self.token)
        _check_tls_files(self)
        if self.model_server is not None:
            _check_address(self.model_server)
        if self.personalities is not None:
            _check_store(self.personalities)
        if not self.insecure:
            _check_safety(self)

    @property
    def tls(self) -> bool:
        """Whether the studio speaks TLS."""
        return self.tls_cert_path is not None

    @property
    def address(self) -> str:
        """What the studio listens on, as gRPC writes it."""
        return join_address(self.host, self.port)


def read_token(
    environment: MutableMapping[str, str], token_path: Path | None = None
) -> str:
    """Reads the token from a file, else takes it from the environment; empty if there is none.

    It is taken out of `environment`, so that processes started later, such as practices, do not inherit it.

    Raises:
      ConfigError: Both are given, or the file cannot be read or is empty.
    """
    token = environment.pop(TOKEN_VARIABLE, "").strip()
    if token_path is None:
        return token
    if token:
        raise ConfigError(
            f"both {TOKEN_VARIABLE} and a token file are given: choose one of them."
        )
    try:
        token = token_path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"the token file {token_path} cannot be read ({_word(error)}): name a text file that holds the token alone."
        ) from error
    if not token:
        raise ConfigError(
            f"the token file {token_path} is empty: write a token into it, for example with `openssl rand -hex 32`."
        )
    return token


def is_loopback(host: str) -> bool:
    """Tells whether only this machine can reach `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def join_address(host: str, port: int) -> str:
    """Writes `host:port`, with brackets round an IPv6 address."""
    bare = host.strip("[]")
    return f"[{bare}]:{port}" if ":" in bare else f"{bare}:{port}"


def _check_ports(config: StudioConfig) -> None:
    ports = {
        "--port": config.port,
        "--model-server-port": config.model_server_port,
        "--model-server-rest-port": config.model_server_rest_port,
        "--metrics-port": config.metrics_port,
    }
    for flag, port in ports.items():
        if port is not None and not 0 <= port <= 65535:
            raise ConfigError(
                f"{flag} {port} is no port: choose one in [0, 65535], 0 for any."
            )
    if config.model_server is not None:  # the embedded one does not listen
        del ports["--model-server-port"], ports["--model-server-rest-port"]
    taken: dict[int, str] = {}
    for flag, port in ports.items():
        if port and port in taken:
            raise ConfigError(
                f"{taken[port]} and {flag} are both {port}: give each a port of its own."
            )
        if port:
            taken[port] = flag


def _check_limits(config: StudioConfig) -> None:
    limits = {
        "--max-calls": (config.max_calls, 1),
        "--max-message-bytes": (config.max_message_bytes, MIN_MESSAGE_BYTES),
        "--max-performances": (config.max_performances, 0),
        "--max-sessions": (config.max_sessions, 0),
        "--max-upload-bytes": (config.max_upload_bytes, 1),
        "--max-audio-minutes": (config.max_audio_minutes, 0.1),
        "--max-minutes": (config.max_minutes, 0.1),
        "--max-bundle-bytes": (config.max_bundle_bytes, 1),
        "--practices-at-once": (config.practices_at_once, 1),
        "--practices-here": (config.practices_here, 0),
        "--keep-hours": (config.keep_hours, 0.1),
        "--grace-s": (config.grace_s, 0),
    }
    for flag, (limit, least) in limits.items():
        if limit is not None and not (math.isfinite(limit) and limit >= least):
            raise ConfigError(
                f"{flag} {limit} cannot be: choose a number of at least {least}."
            )


def _check_token(token: str) -> None:
    if not token:
        return
    # What went wrong is said without the token.
    if not re.fullmatch(r"[!-~]+", token):
        raise ConfigError(
            "the token holds spaces or characters outside ASCII, and could not travel in a header: make one with "
            "`openssl rand -hex 32`."
        )
    if not MIN_TOKEN_LENGTH <= len(token) <= MAX_TOKEN_LENGTH:
        raise ConfigError(
            f"the token has {len(token)} characters and needs {MIN_TOKEN_LENGTH} to {MAX_TOKEN_LENGTH}: make one with "
            "`openssl rand -hex 32`."
        )


def _check_tls_files(config: StudioConfig) -> None:
    if (config.tls_cert_path is None) != (config.tls_key_path is None):
        given, lacking = (
            ("--tls-cert", "--tls-key")
            if config.tls_cert_path
            else ("--tls-key", "--tls-cert")
        )
        raise ConfigError(f"{given} was given without {lacking}: TLS needs both.")
    if config.client_ca_path and not config.tls:
        raise ConfigError(
            "--client-ca was given without TLS, which would ask nobody for a certificate: give --tls-cert and "
            "--tls-key too."
        )


def _check_address(address: str) -> None:
    for part in address.split(","):
        host, _, port = part.strip().rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) <= 65535:
            raise ConfigError(
                f"--model-server {address!r} is no address: write host:port, such as localhost:8500, or several with "
                "commas between them."
            )


def _check_store(url: str) -> None:
    from amadeus.stores.addresses import parse  # loads numpy

    parse(url)


def _check_safety(config: StudioConfig) -> None:
    if not is_loopback(config.host):
        if not config.token:
            raise ConfigError(
                f"the studio would listen on {config.host} without a token, and whoever reaches it could use it: set "
                f"{TOKEN_VARIABLE} or --token-file, stay on 127.0.0.1, or say --insecure."
            )
        if not config.tls:
            raise ConfigError(
                f"the studio would listen on {config.host} without TLS, and the token would be read on the way: give "
                "--tls-cert and --tls-key, stay on 127.0.0.1, or say --insecure if a proxy speaks TLS."
            )
    if _opens_model_server(config) and not is_loopback(config.model_server_host):
        raise ConfigError(
            f"the model server would listen on {config.model_server_host}, and its protocol knows no token: leave it "
            "on 127.0.0.1, or say --insecure."
        )


def _opens_model_server(config: StudioConfig) -> bool:
    ports = (config.model_server_port, config.model_server_rest_port)
    return config.model_server is None and ports != (None, None)


def _word(error: OSError | UnicodeDecodeError) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return "it is no text"
