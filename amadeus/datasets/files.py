"""Which files of records an ama means: files, folders, globs, and objects in buckets."""

import contextlib
import glob
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from amadeus.errors import RecordingError

MARK = ".tfrecord"
"""Part of the name of a file in a folder that makes it one of records: `nsynth-train.tfrecord-00000-of-00100`."""

MAX_OBJECT_BYTES = 80 * 2**30  # the whole of NSynth in one file


class RecordFile(NamedTuple):
    """A file of records: on this machine a path, else the URL of an object."""

    place: str
    n_bytes: int

    @property
    def name(self) -> str:
        """What it is called, without its folder."""
        return self.place.rstrip("/").rpartition("/")[2]


def find_files(words: Sequence[str]) -> list[RecordFile]:
    """Finds the files of records that words mean.

    Folders are searched to any depth for names with `.tfrecord` in them; hidden ones are left out. A file that is named
    itself may have any name. A URL names an object, or a folder of a bucket.

    Args:
      words: Files, folders, globs (`**` crosses folders) and URLs of buckets.

    Returns:
      The files, sorted, each once.

    Raises:
      RecordingError: A word means none, or a folder cannot be read.
      StoreError: A bucket cannot be read.
    """
    if not words:
        raise RecordingError(
            "no data set was named: name TFRecord files, folders, globs or gs:// and s3:// URLs."
        )
    return sorted({file for word in words for file in _find(word)})


@contextlib.contextmanager
def at_hand(file: RecordFile, folder: Path | None = None) -> Iterator[Path]:
    """Brings a file to this machine, where it is elsewhere, for as long as it is read.

    Args:
      file: Which.
      folder: For what is brought; None: where this machine keeps what is temporary.

    Raises:
      StoreError: The bucket cannot be read.
    """
    from amadeus.stores.addresses import is_url, split

    if not is_url(file.place):
        yield Path(file.place)
        return
    from amadeus.stores.opening import open_store

    url, key = split(file.place)
    with tempfile.TemporaryDirectory(prefix=".amadeus-dataset-", dir=folder) as scratch:
        path = Path(scratch, "records")
        open_store(url).download(key, path, max_bytes=MAX_OBJECT_BYTES)
        yield path


def _find(word: str) -> Iterable[RecordFile]:
    from amadeus.stores.addresses import is_url

    if is_url(word):
        return _find_objects(word)
    try:
        return _find_paths(word)
    except OSError as error:  # such as a name that is too long
        raise RecordingError(
            f"cannot read {word}: {error.strerror or error}; check the name and its read rights."
        ) from error


def _find_paths(word: str) -> list[RecordFile]:
    path = Path(word).expanduser()
    if path.is_dir():
        return list(map(_local, _search(path)))
    if path.exists():
        return [_local(path)]
    if not glob.has_magic(word):
        raise RecordingError(
            f"there is no {word}: name TFRecord files, folders or globs that exist."
        )
    matches = [Path(match) for match in glob.glob(str(path), recursive=True)]
    files = [match for match in matches if match.is_file()]
    if not files:
        raise RecordingError(
            f"{word} matches no files: name TFRecord files, folders or globs that exist."
        )
    return list(map(_local, files))


def _search(folder: Path) -> list[Path]:
    def refuse(error: OSError) -> None:
        raise RecordingError(
            f"cannot read {error.filename}: {error.strerror or error}; check the name and its read rights."
        ) from error

    found = []
    for root, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(root, name) for name in names if _is_marked(name)]
    if not found:
        raise RecordingError(
            f"{folder} holds no files of records: put files with {MARK} in their names there, or name files."
        )
    return found


def _find_objects(url: str) -> list[RecordFile]:
    from amadeus.stores.addresses import join, split
    from amadeus.stores.opening import open_store

    folder, name = split(url)
    if name:
        entry = open_store(folder).stat(name)
        if entry is not None:
            return [RecordFile(url, entry.size)]
    store = open_store(url)
    found = [
        RecordFile(join(store.url, entry.key), entry.size)
        for entry in store.list()
        if _is_marked(entry.key.rpartition("/")[2])
    ]
    if not found:
        raise RecordingError(
            f"{url} holds no files of records: name an object, or a folder of objects with {MARK} in their names."
        )
    return found


def _local(path: Path) -> RecordFile:
    try:
        found = path.stat()
    except OSError as error:
        raise RecordingError(
            f"cannot read {path}: {error.strerror or error}; check the name and its read rights."
        ) from error
    if not stat.S_ISREG(found.st_mode):  # a pipe would be waited for without end
        raise RecordingError(
            f"{path} is no regular file: write what it gives into a file, and name that."
        )
    return RecordFile(str(path.resolve()), found.st_size)


def _is_marked(name: str) -> bool:
    return MARK in name and not name.startswith(".")
