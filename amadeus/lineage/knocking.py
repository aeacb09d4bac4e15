"""Knocks at a MySQL server before ML Metadata does, which cannot tell why it was not let in.

Its client says the same of a server that is down, a wrong password and a missing certificate, and of TLS it only
encrypts: it takes any certificate, and goes on in the clear where a server offers no TLS. So whoever the server is gets
asked here first: does it answer, does it offer TLS where TLS was asked for, is its certificate good for its name?

Reference: MySQL client/server protocol, connection phase (HandshakeV10, SSLRequest).
"""

import socket
import ssl
import struct
from typing import Final

from ml_metadata.proto import metadata_store_pb2

from amadeus.errors import ConfigError, HomeError

KNOCK_TIMEOUT_S = 10.0

_SSL: Final = 0x0800  # of a server's capabilities
_SSL_REQUEST = (
    0x0200 | 0x8000 | 0x0001 | _SSL
)  # protocol 4.1, secure, long password, TLS
_ERROR, _VERSION = b"\xff", b"\x0a"  # how a first packet begins
_LATER = (1040, 1053, 1203)  # too many connections, shutting down, too many of ours
_MAX_PACKET, _UTF8 = 1 << 24, 33


class SilentError(OSError):
    """Nobody answers as a MySQL server does; in a while somebody may."""


def knock(
    config: metadata_store_pb2.MySQLDatabaseConfig,
    place: str,
    timeout_s: float = KNOCK_TIMEOUT_S,
) -> None:
    """Asks a server whether ML Metadata may come.

    Args:
      config: Where it is.
      place: The same, for people.
      timeout_s: How long to wait for each of its answers, in seconds.

    Raises:
      SilentError: There is none now.
      ConfigError: A certificate of ours cannot be used.
      HomeError: It is not whom we may speak to.
    """
    try:
        with _open(config, timeout_s) as link:
            offers_tls = _greet(link)
            if not config.HasField("ssl_options"):
                return
            if not offers_tls:
                raise HomeError(
                    f"{place} offers no TLS, and its address asks for it: switch TLS on there, or leave ssl_ca, "
                    "ssl_cert and ssl_key out if the way there is safe."
                )
            link.sendall(b"\x20\0\0\x01" + _request())
            _shake_hands(link, config, place)
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise SilentError(reason) from error


def _open(
    config: metadata_store_pb2.MySQLDatabaseConfig, timeout_s: float
) -> socket.socket:
    if not config.socket:
        return socket.create_connection((config.host, config.port), timeout_s)
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(timeout_s)
    try:
        link.connect(config.socket)
    except OSError:
        link.close()
        raise
    return link


def _greet(link: socket.socket) -> bool:
    """Reads the greeting; says whether the server offers TLS."""
    size = int.from_bytes(_read(link, 4)[:3], "little")
    greeting = _read(link, size)
    if greeting[:1] == _ERROR:
        _refuse(greeting)
    if greeting[:1] != _VERSION:
        raise EOFError("it is no MySQL server")
    _version, _, rest = greeting[1:].partition(b"\0")
    try:  # behind the number of the connection, half of a salt, a zero
        (capabilities,) = struct.unpack_from("<H", rest, 4 + 8 + 1)
    except struct.error:
        raise EOFError("it is no MySQL server") from None
    return bool(capabilities & _SSL)


def _refuse(packet: bytes) -> None:
    """Says what a server says instead of greeting.

    Raises:
      EOFError: It cannot take us now.
      HomeError: It does not want us.
    """
    number = int.from_bytes(packet[1:3], "little")
    said = packet[3:].decode(errors="replace").strip()[:200]
    if number in _LATER:
        raise EOFError(said)
    raise HomeError(
        f"the MySQL server refuses us ({said}): have who runs it let this machine in."
    )


def _request() -> bytes:
    return struct.pack("<IIB23x", _SSL_REQUEST, _MAX_PACKET, _UTF8)


def _shake_hands(
    link: socket.socket, config: metadata_store_pb2.MySQLDatabaseConfig, place: str
) -> None:
    options = config.ssl_options
    try:
        context = ssl.create_default_context(cafile=options.ca or None)
        if options.cert:
            context.load_cert_chain(options.cert, options.key)
    except (ssl.SSLError, OSError) as error:
        raise ConfigError(
            f"the certificates named for {place} cannot be used ({error}): name files in PEM that belong together."
        ) from error
    try:
        context.wrap_socket(link, server_hostname=config.host or "localhost").close()
    except ssl.SSLCertVerificationError as error:
        raise HomeError(
            f"{place} shows a certificate that cannot be trusted ({error.verify_message}): name its authority with "
            "ssl_ca, and the host as its certificate does."
        ) from error
    except ssl.SSLError as error:
        raise HomeError(
            f"{place} does not agree on TLS ({error.reason or error}): see whether it asks for a certificate, and name "
            "it with ssl_cert and ssl_key."
        ) from error


def _read(link: socket.socket, n_bytes: int) -> bytes:
    content = b""
    while len(content) < n_bytes:
        block = link.recv(n_bytes - len(content))
        if not block:
            raise EOFError("it hung up")
        content += block
    return content
