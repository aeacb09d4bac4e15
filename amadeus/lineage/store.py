"""Opens the metadata of a home, and finds the personalities of a deu in it."""

import calendar
import time

import ml_metadata
from ml_metadata.errors import NotFoundError, StatusError
from ml_metadata.proto import metadata_store_pb2

from amadeus.errors import HomeError
from amadeus.home import Deu, Home

PERSONALITY_TYPE = "amadeus.Personality"
METRIC_PREFIX = "metric_"
IMPORTED_PROPERTY = "imported"  # 1 for what was not made in this home

Mode = metadata_store_pb2.SqliteMetadataSourceConfig.ConnectionMode


def open_store(home: Home, *, mode: int) -> ml_metadata.MetadataStore | None:
    """Opens the metadata of a home; None where nothing has written any yet.

    Args:
      home: The home.
      mode: How to open it, one of `Mode`; with READWRITE_OPENCREATE it is made where there is none.

    Raises:
      HomeError: It cannot be read.
    """
    if mode != Mode.READWRITE_OPENCREATE and not home.metadata_path.exists():
        return None
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(home.metadata_path)
    config.sqlite.connection_mode = mode
    try:
        return ml_metadata.MetadataStore(config)
    except (StatusError, RuntimeError) as error:
        raise HomeError(
            f"{home.metadata_path} cannot be read as metadata ({error}): give rights to it, or put back a copy."
        ) from error


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
    created_at = time.strptime(deu.created_at, "%Y-%m-%dT%H:%M:%SZ")
    since_ms = calendar.timegm(created_at) * 1000
    own = [
        artifact
        for artifact in candidates
        if artifact.custom_properties["deu"].string_value == deu.name
        and artifact.create_time_since_epoch >= since_ms
    ]
    return sorted(own, key=lambda artifact: artifact.id)
