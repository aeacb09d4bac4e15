"""Opens the metadata of a home, SQLite or MySQL, and words what goes wrong with it.

`AMADEUS_METADATA` unset      HOME/metadata.sqlite
`AMADEUS_METADATA=mysql://USER@HOST[:PORT]/DATABASE[?socket=PATH]`
`AMADEUS_METADATA_PASSWORD`, or `AMADEUS_METADATA_PASSWORD_FILE`: the password; never in the address, which is shown
"""

import calendar
import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

import ml_metadata
from ml_metadata.errors import NotFoundError, StatusError
from ml_metadata.proto import metadata_store_pb2

from amadeus.errors import ConfigError, HomeError
from amadeus.home import METADATA_VARIABLE, Deu, Home, is_recorded

PERSONALITY_TYPE = "amadeus.Personality"
METRIC_PREFIX = "metric_"
IMPORTED_PROPERTY = "imported"  # 1 for what was not made in this home

PASSWORD_VARIABLE = "AMADEUS_METADATA_PASSWORD"
PASSWORD_FILE_VARIABLE = "AMADEUS_METADATA_PASSWORD_FILE"

Mode = metadata_store_pb2.SqliteMetadataSourceConfig.ConnectionMode

# who writes at the same moment is done in less
_PATIENCE_S, _PAUSE_S = 8.0, 0.1
_MYSQL_PORT = 3306
_Config = metadata_store_pb2.ConnectionConfig
_T = TypeVar("_T")


def name_store(home: Home) -> str:
    """Says where the metadata of a home lie, without any secret."""
    address = os.environ.get(METADATA_VARIABLE)
    return address.partition("?")[0] if address else str(home.metadata_path)


def connection(
    home: Home, *, mode: int = Mode.READWRITE_OPENCREATE
) -> metadata_store_pb2.ConnectionConfig:
    """Says how to connect to the metadata of a home.

    Args:
      home: The home.
      mode: One of `Mode`.

    Raises:
      ConfigError: `AMADEUS_METADATA` is no address, or its password cannot be read.
    """
    config = _Config()
    address = os.environ.get(METADATA_VARIABLE)
    if not address:
        config.sqlite.filename_uri = str(home.metadata_path)
        config.sqlite.connection_mode = mode
        return config
    config.mysql.CopyFrom(_read_address(address))
    config.mysql.skip_db_creation = mode != Mode.READWRITE_OPENCREATE
    return config


def open_store(home: Home, *, mode: int) -> ml_metadata.MetadataStore | None:
    """Opens the metadata of a home; None where nothing has written any yet.

    Args:
      home: The home.
      mode: How to open it, one of `Mode`; with READWRITE_OPENCREATE it is made where there is none.

    Raises:
      ConfigError: `AMADEUS_METADATA` is no address.
      HomeError: It cannot be read.
    """
    if mode != Mode.READWRITE_OPENCREATE and not is_recorded(home):
        return None
    config = connection(home, mode=mode)
    config.retry_options.max_num_retries = (
        1  # upstream's pauses add up to half a minute
    )
    with worded(home):
        return ml_metadata.MetadataStore(
            config
        )  # waits for half a minute where it is locked


def persist(write: Callable[[], _T]) -> _T:
    """Tries again for a while what another writer keeps from happening."""
    last_s = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return write()
        except (StatusError, RuntimeError) as error:
            if not _is_locked(str(error)) or time.monotonic() > last_s:
                raise
            time.sleep(_PAUSE_S)


@contextlib.contextmanager
def worded(home: Home) -> Iterator[None]:
    """Turns what ML Metadata says into a sentence.

    Raises:
      HomeError: Instead of any error of ML Metadata.
    """
    try:
        yield
    except (StatusError, RuntimeError) as error:
        raise HomeError(_word(home, str(error))) from error


def find_personalities(
    store: ml_metadata.MetadataStore, deu: Deu
) -> list[metadata_store_pb2.Artifact]:
    """Finds the Personality artifacts of a deu, oldest first.

    Those of an earlier deu of the same name, since removed, are left out.
    """
    try:
        candidates = store.get_artifacts_by_type(PERSONALITY_TYPE)
    except NotFoundError:
        return []
    return sorted(own_artifacts(candidates, deu), key=lambda artifact: artifact.id)


def own_artifacts(
    candidates: list[metadata_store_pb2.Artifact], deu: Deu
) -> list[metadata_store_pb2.Artifact]:
    """Picks the personalities of a deu that were recorded since it is there."""
    created_at = time.strptime(deu.created_at, "%Y-%m-%dT%H:%M:%SZ")
    since_ms = calendar.timegm(created_at) * 1000
    return [
        artifact
        for artifact in candidates
        if artifact.create_time_since_epoch >= since_ms
        and artifact.custom_properties["deu"].string_value == deu.name
    ]


def _read_address(address: str) -> metadata_store_pb2.MySQLDatabaseConfig:
    parts = urlsplit(address)
    database = parts.path.strip("/")
    if parts.password is not None:
        raise ConfigError(
            f"{METADATA_VARIABLE} holds a password, which others could read: put it into {PASSWORD_VARIABLE}, or its "
            f"file into {PASSWORD_FILE_VARIABLE}."
        )
    if parts.scheme != "mysql" or not re.fullmatch(r"\w+", database):
        raise ConfigError(
            f"{METADATA_VARIABLE}={address} is no address of metadata: write mysql://USER@HOST:PORT/DATABASE, or unset "
            "it for a file in the home."
        )
    try:
        port = parts.port or _MYSQL_PORT
    except ValueError:
        raise ConfigError(
            f"{METADATA_VARIABLE}={address} has no port between 1 and 65535: write mysql://USER@HOST:3306/DATABASE."
        ) from None
    socket = parse_qs(parts.query).get("socket", [""])[0]
    return metadata_store_pb2.MySQLDatabaseConfig(
        host="" if socket else parts.hostname or "127.0.0.1",
        port=0 if socket else port,
        socket=socket,
        database=database,
        user=unquote(parts.username or ""),
        password=_read_password(),
    )


def _read_password() -> str:
    path = os.environ.get(PASSWORD_FILE_VARIABLE)
    if not path:
        return os.environ.get(PASSWORD_VARIABLE, "")
    try:
        return Path(path).read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{PASSWORD_FILE_VARIABLE}={path} cannot be read ({error}): name a file that holds the password."
        ) from None


def _is_locked(text: str) -> bool:
    return "locked" in text or "Concurrent writes" in text or "Lock wait" in text


def _word(home: Home, text: str) -> str:
    """Words an error of ML Metadata, of SQLite and of MySQL."""
    place = name_store(home)
    version = re.search(
        r"database version (\d+) is (greater|older) than library version (\d+)", text
    )
    if version:
        theirs, relation, ours = version.groups()
        mend = (
            "update Amadeus"
            if relation == "greater"
            else "use the Amadeus that wrote it, or move it away"
        )
        return (
            f"{place} has schema {theirs} of ML Metadata and this Amadeus reads schema {ours}: {mend}; nothing was "
            "changed."
        )
    if _is_locked(text):
        return (
            f"{place} is locked by another process that writes there: wait until it is done, then try again; nothing "
            "was changed."
        )
    if "readonly" in text or "read-only" in text:
        return f"{place} cannot be written (it is read-only): give rights there; nothing was changed."
    if "mysql" in text.lower() or os.environ.get(METADATA_VARIABLE):
        said = " ".join(dict.fromkeys(re.findall(r"(?:errno|error): ([^,]+)", text)))
        reason = said.strip() or "no answer, or the login was refused"
        secret = "with" if _read_password() else "without"
        return (
            f"{place} cannot be used as metadata ({reason[:200]}; tried {secret} a password): check that the server "
            f"runs there and knows this user, and set {PASSWORD_VARIABLE}."
        )
    return f"{place} cannot be read as metadata ({text[:200]}): give rights to it, or put back a copy."
