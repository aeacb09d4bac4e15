"""Opens the metadata of a home and words what goes wrong with it.

`AMADEUS_METADATA` unset: HOME/metadata.sqlite; else an address as in `addresses.py`.
"""

import calendar
import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import ml_metadata
from ml_metadata.errors import NotFoundError, StatusError
from ml_metadata.proto import metadata_store_pb2

from amadeus.errors import HomeError
from amadeus.home import METADATA_VARIABLE, Deu, Home, is_recorded
from amadeus.lineage.addresses import (
    PASSWORD_VARIABLE,
    Config,
    Mode,
    configure,
    read_password,
    shown,
)
from amadeus.lineage.patience import LoginRefusedError, PatientStore, refusal
from amadeus.lineage.times import created_ms

__all__ = [
    "IMPORTED_PROPERTY",
    "METRIC_PREFIX",
    "PERSONALITY_TYPE",
    "Mode",
    "connect",
    "connection",
    "find_personalities",
    "name_store",
    "open_store",
    "own_artifacts",
    "persist",
    "worded",
]

PERSONALITY_TYPE = "amadeus.Personality"
METRIC_PREFIX = "metric_"
IMPORTED_PROPERTY = "imported"  # 1 for what was not made in this home

# who writes at the same moment is done in less
_PATIENCE_S, _PAUSE_S = 8.0, 0.1
_REFUSALS = (7, 16)  # PERMISSION_DENIED, UNAUTHENTICATED
_Config = metadata_store_pb2.ConnectionConfig
_T = TypeVar("_T")


def name_store(where: Home | str) -> str:
    """Says where the metadata of a home, or behind an address, lie, without any secret."""
    if isinstance(where, str):
        return shown(where)
    address = os.environ.get(METADATA_VARIABLE)
    return shown(address) if address else str(where.metadata_path)


def connection(where: Home | str, *, mode: int = Mode.READWRITE_OPENCREATE) -> Config:
    """Says how to connect to the metadata of a home, or behind an address.

    Args:
      where: The home, whose metadata `AMADEUS_METADATA` may place elsewhere; or an address.
      mode: One of `Mode`.

    Raises:
      ConfigError: It is no address, or its password cannot be read.
    """
    address = where if isinstance(where, str) else os.environ.get(METADATA_VARIABLE)
    if address:
        return configure(address, mode=mode)
    config = _Config()
    config.sqlite.filename_uri = str(where.metadata_path)  # type: ignore[union-attr]
    config.sqlite.connection_mode = mode
    return config


def connect(
    config: Config, *, patience_s: float | None = None
) -> ml_metadata.MetadataStore:
    """Opens a store; one over a network outlives the absence of its server.

    Args:
      config: How to connect.
      patience_s: How long to wait for a server that is gone; None: what the environment says.

    Raises:
      HomeError: A server does not answer.
      RuntimeError, StatusError: What ML Metadata says otherwise.
    """
    if isinstance(config, _Config):
        # upstream's pauses add up to half a minute
        config.retry_options.max_num_retries = 1
        if config.HasField("sqlite"):
            return ml_metadata.MetadataStore(config)
    return PatientStore(config, patience_s=patience_s)


def open_store(
    where: Home | str, *, mode: int, patience_s: float | None = None
) -> ml_metadata.MetadataStore | None:
    """Opens the metadata of a home, or behind an address; None where nothing has written any yet.

    Args:
      where: The home, or an address.
      mode: How to open it, one of `Mode`; with READWRITE_OPENCREATE it is made where there is none.
      patience_s: How long to wait for a server that is gone; None: what the environment says.

    Raises:
      ConfigError: It is no address.
      HomeError: It cannot be read.
    """
    config = connection(where, mode=mode)
    if mode != Mode.READWRITE_OPENCREATE and not _is_there(where, config):
        return None
    with worded(where):
        return connect(config, patience_s=patience_s)


def _is_there(where: Home | str, config: Config) -> bool:
    if isinstance(where, Home):
        return is_recorded(where)
    is_file = isinstance(config, _Config) and config.HasField("sqlite")
    return not is_file or os.path.exists(config.sqlite.filename_uri)


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
def worded(where: Home | str) -> Iterator[None]:
    """Turns what ML Metadata says into a sentence.

    Raises:
      HomeError: Instead of any error of ML Metadata.
    """
    try:
        yield
    except (StatusError, RuntimeError) as error:
        raise HomeError(_word(where, error)) from error


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
        if created_ms(artifact) >= since_ms
        and artifact.custom_properties["deu"].string_value == deu.name
    ]


def _is_locked(text: str) -> bool:
    return "locked" in text or "Concurrent writes" in text or "Lock wait" in text


def _word(where: Home | str, error: Exception) -> str:
    """Words an error of ML Metadata, of SQLite, of MySQL and of a server."""
    place, text = name_store(where), str(error)
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
    if isinstance(error, LoginRefusedError):
        return refusal(place)
    if getattr(error, "error_code", None) in _REFUSALS:
        return _word_refusal(place, text)
    if "mysql" in text.lower():
        said = " ".join(dict.fromkeys(re.findall(r"(?:errno|error): ([^,]+)", text)))
        return (
            f"{place} cannot be used as metadata ({said.strip()[:200]}): check that the server is well and knows this "
            "user."
        )
    return f"{place} cannot be read as metadata ({text[:200]}): give rights to it, or put back a copy."


def _word_refusal(place: str, text: str) -> str:
    said = " ".join(text.split())[:200]
    secret = "with" if read_password() else "without"
    return f"{place} refuses us (tried {secret} a token: {said}): set {PASSWORD_VARIABLE} to the token of that server."
