"""Checkpoints of a lesson in the pipeline root, where a container finds them that is started after a kill.

A node that is taken away takes its disk along, and the launcher passes no signal on: so what the trainer writes every
quarter of a minute is copied while it learns, and not at the end. A copy is one object, so there is an old or a new
one.
"""

import contextlib
import hashlib
import json
import logging
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from amadeus.errors import StoreError
from amadeus.stores import open_store
from amadeus.stores.folders import digest_file
from amadeus.stores.store import Store

INTERVAL_S = 5.0  # how often to look; what has not changed is not copied
MAX_BYTES = 1 << 30

_log = logging.getLogger(__name__)


def lesson_folder(root: str, pipeline: str, parts: Mapping[str, Any]) -> str:
    """Names the folder of a lesson's checkpoints by what the lesson depends on, so that no other takes it up."""
    text = json.dumps(parts, sort_keys=True)
    key = hashlib.sha256(text.encode()).hexdigest()[:32]
    return f"{root.rstrip('/')}/{pipeline}/checkpoints/{key}"


@contextlib.contextmanager
def kept(folder: Path, url: str) -> Iterator[None]:
    """Keeps a folder's files in a store while something is done, and removes them there once it is done well."""
    store = open_store(url)
    _restore(store, folder)
    mirror = _Mirror(folder, store)
    stop = threading.Event()
    watcher = threading.Thread(
        target=_watch, args=(mirror, stop), name="checkpoints", daemon=True
    )
    watcher.start()
    try:
        yield
    except BaseException:
        _stop(watcher, stop)
        mirror.copy()
        raise
    _stop(watcher, stop)
    with contextlib.suppress(StoreError):  # it is only old
        store.remove_folder()


class _Mirror:
    """Copies what has changed."""

    def __init__(self, folder: Path, store: Store) -> None:
        self._folder, self._store = folder, store
        self._copied: dict[Path, tuple[int, int]] = {}

    def copy(self) -> None:
        for path in sorted(self._folder.rglob("*")):
            with contextlib.suppress(FileNotFoundError):  # the lesson is over
                self._copy(path)

    def _copy(self, path: Path) -> None:
        stat = path.stat()
        stamp = (stat.st_mtime_ns, stat.st_ino)
        if (
            path.name.startswith(".")
            or path.is_dir()
            or self._copied.get(path) == stamp
        ):
            return
        key = path.relative_to(self._folder).as_posix()
        try:
            with _still(path) as still:
                self._store.upload(still, key, sha256=digest_file(still))
        except StoreError as error:
            # the next copy may do better, and a lesson does not end for it
            _log.warning("a checkpoint was not kept: %s", error)
            return
        self._copied[path] = stamp


@contextlib.contextmanager
def _still(path: Path) -> Iterator[Path]:
    """Holds a file as it is now: the trainer replaces it by another while it is copied."""
    still = path.with_name(f".{path.name}.still")
    still.unlink(missing_ok=True)
    still.hardlink_to(path)
    try:
        yield still
    finally:
        still.unlink(missing_ok=True)


def _restore(store: Store, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for entry in list(store.list()):
        path = folder / entry.key
        path.parent.mkdir(parents=True, exist_ok=True)
        store.download(entry.key, path, max_bytes=MAX_BYTES)
        _log.info("a checkpoint of an earlier attempt is taken up: %s.", entry.key)


def _watch(mirror: _Mirror, stop: threading.Event) -> None:
    while not stop.wait(INTERVAL_S):
        mirror.copy()


def _stop(watcher: threading.Thread, stop: threading.Event) -> None:
    stop.set()
    watcher.join()
