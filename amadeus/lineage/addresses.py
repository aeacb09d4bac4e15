"""Addresses of metadata, and how ML Metadata is told to connect there.

    sqlite:///PATH                      a file; PATH is absolute
    mysql://USER@HOST[:PORT]/DATABASE   MySQL or MariaDB; `?socket=PATH` instead of host and port
    grpc://HOST[:PORT]                  an ML Metadata server
    grpcs://HOST[:PORT]                 the same behind TLS

`?ssl_ca=FILE&ssl_cert=FILE&ssl_key=FILE` (PEM) of a mysql:// or grpcs:// address: whom to trust, and the certificate to
show. A mysql:// address with any of them speaks TLS or nothing.

The password of a database, or the token of a server, is never part of an address, for addresses are shown: it comes
from `AMADEUS_METADATA_PASSWORD` or the file named by `AMADEUS_METADATA_PASSWORD_FILE`.
"""

import os
import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from ml_metadata.proto import metadata_store_pb2

from amadeus.errors import ConfigError
from amadeus.home import METADATA_VARIABLE

PASSWORD_VARIABLE = "AMADEUS_METADATA_PASSWORD"
PASSWORD_FILE_VARIABLE = "AMADEUS_METADATA_PASSWORD_FILE"

MYSQL_PORT, GRPC_PORT = 3306, 8080
# Upstream asks for whole tables at once; gRPC's own limit of 4 MB ends at some thousand artifacts.
MAX_MESSAGE_BYTES = 1 << 30
CALL_TIMEOUT_S = 60.0

Config = (
    metadata_store_pb2.ConnectionConfig | metadata_store_pb2.MetadataStoreClientConfig
)
Mode = metadata_store_pb2.SqliteMetadataSourceConfig.ConnectionMode

# what stands between a name and an `@`, whatever signs it has; a port, what lies behind it, and options are none
_PASSWORD = re.compile(r"(://[^/?#@:]*):(?!\d*(?:/\w*)?(?:\?|$)).*(?=@)", re.DOTALL)
_TLS_OPTIONS = ("ssl_ca", "ssl_cert", "ssl_key")
_OPTIONS = {
    "sqlite": (),
    "mysql": ("socket", *_TLS_OPTIONS),
    "grpc": (),
    "grpcs": _TLS_OPTIONS,
}


class Address(NamedTuple):
    """An address of metadata, read.

    Attributes:
      scheme: `sqlite`, `mysql`, `grpc` or `grpcs`.
      parts: The address in parts.
      options: What stands behind the question mark.
    """

    scheme: str
    parts: SplitResult
    options: dict[str, str]

    @property
    def port(self) -> int:
        """Its port, or the usual one."""
        usual = MYSQL_PORT if self.scheme == "mysql" else GRPC_PORT
        return self.parts.port or usual

    @property
    def path(self) -> Path:
        """File of a sqlite address."""
        return Path("/" + unquote(self.parts.path).lstrip("/"))


def read_address(url: str) -> Address:
    """Reads an address.

    Raises:
      ConfigError: It is none, or holds a password.
    """
    if _PASSWORD.search(url):
        raise ConfigError(
            f"{METADATA_VARIABLE} holds a password, which others could read: put it into {PASSWORD_VARIABLE}, or its "
            f"file into {PASSWORD_FILE_VARIABLE}."
        )
    parts = _split(url)
    try:
        _ = parts.port
    except ValueError:
        raise ConfigError(
            f"{METADATA_VARIABLE}={shown(url)} has no port between 1 and 65535: write {parts.scheme}://HOST:PORT, such "
            f"as port {MYSQL_PORT} of MySQL."
        ) from None
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    _check_options(url, parts.scheme, options)
    return Address(parts.scheme, parts, options)


def shown(url: str) -> str:
    """Writes an address as it may be shown: without options, and without a password that should not be there."""
    return _PASSWORD.sub(r"\1", url).partition("?")[0]


def sqlite_url(path: Path) -> str:
    """Writes the address of a file."""
    return f"sqlite://{quote(str(path.absolute()))}"


def configure(url: str, *, mode: int = Mode.READWRITE_OPENCREATE) -> Config:
    """Says how to connect to an address.

    Args:
      url: The address.
      mode: One of `Mode`; a server decides that by itself.

    Raises:
      ConfigError: It is none, or a file that it names cannot be read.
    """
    address = read_address(url)
    if address.scheme.startswith("grpc"):
        return _configure_client(address)
    config = metadata_store_pb2.ConnectionConfig()
    if address.scheme == "sqlite":
        config.sqlite.filename_uri = str(address.path)
        config.sqlite.connection_mode = mode
    else:
        config.mysql.CopyFrom(_configure_mysql(address))
        config.mysql.skip_db_creation = mode != Mode.READWRITE_OPENCREATE
    return config


def place_of(config: Config) -> str:
    """Says where a connection leads, without any secret."""
    if isinstance(config, metadata_store_pb2.MetadataStoreClientConfig):
        scheme = "grpcs" if config.HasField("ssl_config") else "grpc"
        return f"{scheme}://{config.host}:{config.port}"
    if config.WhichOneof("config") == "sqlite":
        return config.sqlite.filename_uri
    mysql = config.mysql
    host = mysql.socket or f"{mysql.host}:{mysql.port}"
    return f"mysql://{mysql.user}@{host}/{mysql.database}"


def read_password() -> str:
    """Reads the password; empty without one.

    Raises:
      ConfigError: Its file cannot be read.
    """
    path = os.environ.get(PASSWORD_FILE_VARIABLE)
    if not path:
        return os.environ.get(PASSWORD_VARIABLE, "")
    try:
        return Path(path).read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{PASSWORD_FILE_VARIABLE}={path} cannot be read ({error}): name a file that holds the password."
        ) from None


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
    except ValueError:  # such as brackets that do not close
        raise _no_address(url) from None
    database = parts.path.strip("/")
    is_address = {
        "sqlite": not parts.netloc and bool(database),
        "mysql": bool(re.fullmatch(r"\w+", database)),
        "grpc": bool(parts.hostname) and not database,
        "grpcs": bool(parts.hostname) and not database,
    }
    if not is_address.get(parts.scheme, False):
        raise _no_address(url)
    return parts


def _no_address(url: str) -> ConfigError:
    return ConfigError(
        f"{METADATA_VARIABLE}={shown(url)} is no address of metadata: write sqlite:///PATH, mysql://USER@HOST:PORT/DB "
        "or grpc(s)://HOST:PORT, or unset it for a file in the home."
    )


def _check_options(url: str, scheme: str, options: dict[str, str]) -> None:
    known = _OPTIONS[scheme]
    for name, path in options.items():
        if name not in known:
            offer = f"it knows {', '.join(known)}" if known else "it takes none"
            raise ConfigError(
                f"{name} in {METADATA_VARIABLE}={shown(url)} is no option of a {scheme} address: {offer}."
            )
        if name in _TLS_OPTIONS:
            _read_pem(name, path)
    if ("ssl_cert" in options) != ("ssl_key" in options):
        raise ConfigError(
            f"{METADATA_VARIABLE}={shown(url)} names only one of ssl_cert and ssl_key: a certificate needs both."
        )


def _read_pem(name: str, path: str) -> str:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise ConfigError(
            f"{name}={path} in {METADATA_VARIABLE} cannot be read: name a file in PEM."
        ) from None
    # upstream takes nothing else, and what stands between certificates is for people
    return text.encode("ascii", "ignore").decode("ascii")


def _configure_mysql(address: Address) -> metadata_store_pb2.MySQLDatabaseConfig:
    parts, options = address.parts, address.options
    socket = options.get("socket", "")
    config = metadata_store_pb2.MySQLDatabaseConfig(
        host="" if socket else parts.hostname or "127.0.0.1",
        port=0 if socket else address.port,
        socket=socket,
        database=parts.path.strip("/"),
        user=unquote(parts.username or ""),
        password=read_password(),
    )
    for name in _TLS_OPTIONS:
        if name in options:
            setattr(config.ssl_options, name.removeprefix("ssl_"), options[name])
    return config


def _configure_client(
    address: Address,
) -> metadata_store_pb2.MetadataStoreClientConfig:
    host = address.parts.hostname or ""
    config = metadata_store_pb2.MetadataStoreClientConfig(
        host=f"[{host}]" if ":" in host else host,
        port=address.port,
        client_timeout_sec=CALL_TIMEOUT_S,
    )
    config.channel_arguments.max_receive_message_length = MAX_MESSAGE_BYTES
    if address.scheme == "grpcs":
        config.ssl_config.SetInParent()
        fields = {"ssl_ca": "custom_ca", "ssl_cert": "server_cert"}  # so upstream
        for name, path in address.options.items():
            text = _read_pem(name, path)
            setattr(config.ssl_config, fields.get(name, "client_key"), text)
    return config
