"""Checkpoints of a lesson in the pipeline root, where a container finds them that is started after a kill.

A node that is taken away takes its disk along, and the launcher passes no signal on: so what the trainer writes every
quarter of a minute is copied while it learns, and not at the end. A copy is one object, so there is an old or a new
one.

A lesson that is over keeps its checkpoint: the launcher brings the voice to the bucket after the container has ended,
and a node that is taken away in between would take the whole lesson along. The next task of the run, which has that
voice for an input, removes it (`forget`); where there is none, for the run was given up, a lesson of a later week does.
"""

import contextlib
import hashlib
import json
import logging
import math
import os
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from amadeus.errors import ConfigError, StoreError
from amadeus.journal import emit
from amadeus.stores import NotThereError, open_store
from amadeus.stores.folders import digest_file
from amadeus.stores.store import Store
from amadeus.v1 import practice_pb2
from amadeus.voice import training

INTERVAL_VARIABLE = "AMADEUS_CHECKPOINT_INTERVAL_S"
"""Of the environment: seconds of learning that a kill may cost, 15 without it."""

MAX_AGE_S = 14 * 86_400.0
"""How long the checkpoint of a lesson waits for somebody to take it up."""

FOLDER_NAME = "checkpoints"  # in the folder of a pipeline

_DATE_KEY = "taught-at"
_DATED_S = 3_600.0  # how often a lesson that goes on says so
_LOOK_S = 5.0  # how often to look; what has not changed is not copied
_MAX_BYTES = 1 << 30

_log = logging.getLogger(__name__)


def lesson_folder(root: str, pipeline: str, parts: Mapping[str, Any]) -> str:
    """Names the folder of a lesson's checkpoints by what the lesson depends on, so that no other takes it up."""
    text = json.dumps(parts, sort_keys=True)
    key = hashlib.sha256(text.encode()).hexdigest()[:32]
    return f"{root.rstrip('/')}/{pipeline}/{FOLDER_NAME}/{key}"


@contextlib.contextmanager
def kept(folder: Path, url: str) -> Iterator[None]:
    """Keeps a folder's files in a store while something is done, and afterwards, until `forget`."""
    training.CHECKPOINT_INTERVAL_S = interval_s()
    store = _open(url, folder)
    if store is None:
        yield
        return
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


def forget(url: str) -> None:
    """Removes the checkpoints of a lesson whose voice is where it belongs; those that cannot be removed grow old."""
    with contextlib.suppress(StoreError, ConfigError):
        open_store(url).remove_folder()


def interval_s() -> float:
    """Reads how often a lesson is to write its checkpoint.

    Raises:
      ConfigError: The environment says no number.
    """
    text = os.environ.get(INTERVAL_VARIABLE)
    if not text:
        return training.CHECKPOINT_INTERVAL_S
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise ConfigError(
            f"{INTERVAL_VARIABLE}={text} is no time: write seconds, such as 15."
        )
    return seconds


def _open(url: str, folder: Path) -> Store | None:
    """Opens the store and takes up what is in it.

    A lesson can be taught without: the launcher may reach a bucket that the container may not.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        store = open_store(url)
        _restore(store, folder)
        _date(store)
    except StoreError as error:
        text = f"this lesson keeps no checkpoints, and begins anew if its container is killed: {error}"
        emit(warning=practice_pb2.Warning(text=text))
        return None
    with contextlib.suppress(StoreError):  # they are only old
        _remove_old(open_store(url.rpartition("/")[0]))
    return store


def _look_s() -> float:
    return min(_LOOK_S, interval_s())


class _Mirror:
    """Copies what has changed."""

    def __init__(self, folder: Path, store: Store) -> None:
        self._folder, self._store = folder, store
        self._copied: dict[Path, tuple[int, int]] = {}
        self._dated_at = time.monotonic()

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
            if time.monotonic() - self._dated_at > _DATED_S:
                _date(self._store)
                self._dated_at = time.monotonic()
        except FileNotFoundError:
            raise
        except (StoreError, OSError) as error:  # or a disk that knows no links
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
    for entry in list(store.list()):
        if entry.key == _DATE_KEY:
            continue
        path = folder / entry.key
        path.parent.mkdir(parents=True, exist_ok=True)
        store.download(entry.key, path, max_bytes=_MAX_BYTES)
        _log.info("a checkpoint of an earlier attempt is taken up: %s.", entry.key)


def _date(store: Store) -> None:
    """Writes down that a lesson is being taught now: stores tell no times alike."""
    store.write(_DATE_KEY, str(int(time.time())).encode())


def _remove_old(lessons: Store) -> None:
    """Removes what nobody has come back to; a lesson without a date is counted from today."""
    keys = {entry.key for entry in lessons.list()}
    for lesson in sorted({key.partition("/")[0] for key in keys if "/" in key}):
        try:
            told = lessons.read(f"{lesson}/{_DATE_KEY}", max_bytes=100)
            if time.time() - int(told) > MAX_AGE_S:
                lessons.remove_folder(lesson)
        except (NotThereError, ValueError):
            _date(lessons.at(lesson))


def _watch(mirror: _Mirror, stop: threading.Event) -> None:
    look_s = _look_s()
    while not stop.wait(look_s):
        mirror.copy()


def _stop(watcher: threading.Thread, stop: threading.Event) -> None:
    stop.set()
    watcher.join()
