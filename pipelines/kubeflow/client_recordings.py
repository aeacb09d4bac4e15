"""Recordings on this machine that a cluster is to hear: each goes to a store once, under a name that is its content."""

import json
import logging
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from amadeus.cli.recordings import refuse_sets
from amadeus.errors import ConfigError, RecordingError, StoreError
from amadeus.stores import NotThereError, is_url, open_store
from amadeus.stores.folders import digest_file
from amadeus.stores.store import Store
from amadeus.v1 import practice_pb2

FOLDER_NAME = "recordings"
MAX_NAMED_BYTES = 96 * 2**10
"""Of all addresses and names, which a container is told in one word, beside other things: Linux takes 128 KiB."""

_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}")

_log = logging.getLogger(__name__)


def place_recordings(
    paths: Sequence[Path],
    store_url: str,
    *,
    on_sent: Callable[[Path, int], None] = lambda _path, _n_bytes: None,
) -> practice_pb2.Recordings:
    """Brings recordings to a store; what is there already is not sent again.

    Args:
      paths: Of files.
      store_url: Where a folder of recordings is, or comes to be.
      on_sent: Is told of each file that was sent, and of its bytes.

    Returns:
      Where they are, and what they are called here.

    Raises:
      RecordingError: A file cannot be read, or they are too many to be named.
      StoreError: The store cannot be written.
    """
    store = open_store(store_url).at(FOLDER_NAME)
    _check_count(paths, store)
    placed = practice_pb2.Recordings()
    for path in paths:
        key, n_bytes = _place(store, path)
        if n_bytes:
            on_sent(path, n_bytes)
        placed.uri.append(f"{store.url}/{key}")
        placed.name.append(path.name.encode(errors="replace").decode())
    return placed


def name_recordings(urls: Sequence[str]) -> practice_pb2.Recordings:
    """Names recordings that are in stores already: files and folders.

    Raises:
      ConfigError: One is on this machine, or is a data set.
    """
    refuse_sets(urls, where="a cluster takes recordings only")
    at_home = [url for url in urls if not is_url(url)]
    if len(at_home) == len(urls) > 0:
        raise ConfigError(
            f"{at_home[0]} is on this machine, which no container sees: bring the recordings to a store, and name them "
            "there, such as gs://bucket/cello."
        )
    if at_home:
        raise ConfigError(
            f"{at_home[0]} is on this machine and other recordings are in a store: give all of them from one place."
        )
    return practice_pb2.Recordings(uri=urls)


def look(urls: Sequence[str]) -> list[str]:
    """Looks whether there are recordings, before a cluster is asked to.

    Returns:
      Sentences about what cannot be seen from here, which a cluster may see all the same.

    Raises:
      RecordingError: There is nothing, or no such bucket.
    """
    unseen = []
    for url in urls:
        try:
            _look(url)
        except NotThereError as error:
            raise RecordingError(str(error)) from error
        except StoreError as error:
            unseen.append(f"{url} cannot be seen from here: {error}")
    return unseen


def _look(url: str) -> None:
    folder, _, name = url.rstrip("/").rpartition("/")
    has_any = next(iter(open_store(url).list()), None) is not None
    if has_any or ("://" in folder and open_store(folder).exists(name)):
        return
    raise RecordingError(
        f"{url} holds no recordings: check the bucket and the folder, or bring some there."
    )


def _check_count(paths: Sequence[Path], store: Store) -> None:
    n_address = len(store.url) + 64 + 16  # with a digest, a suffix and quotes
    n_bytes = sum(n_address + len(json.dumps(path.name)) for path in paths)
    if n_bytes > MAX_NAMED_BYTES:
        raise RecordingError(
            f"{len(paths)} recordings are too many to be named to a container one by one: bring them into a folder of "
            "a store, such as gs://bucket/cello, and name that folder."
        )


def _place(store: Store, path: Path) -> tuple[str, int]:
    try:
        digest, n_bytes = digest_file(path), path.stat().st_size
    except OSError as error:
        raise RecordingError(
            f"cannot read {path}: {error.strerror or error}; check the name and its read rights."
        ) from error
    # The suffix tells how it is encoded; nothing else of its name goes into an address.
    suffix = path.suffix.lower() if _SUFFIX.fullmatch(path.suffix) else ""
    key = f"{digest}{suffix}"
    there = store.stat(key)
    if there is not None and there.size == n_bytes:
        return key, 0
    store.upload(path, key, sha256=digest)
    return key, n_bytes
