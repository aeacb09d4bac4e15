"""Whole folders: complete by a mark that is written last, and verified byte by byte when they come back.

The mark, `_amadeus_complete.json`, is a manifest: every file with its size and SHA-256, and every empty folder. A
folder without it is not there yet, whatever else lies in its place. Whoever replaces a folder removes the mark first.
An upload that was cut off is taken up again: what lies there with the same size and SHA-256 is left alone.

A download goes to a scratch folder beside its target, whose lock ends with its process, and appears by one rename.
Sizes are added up before the disk is touched, and no name leads out.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from amadeus.errors import StoreError
from amadeus.home import explain_os_errors
from amadeus.personality.generations import staged
from amadeus.stores.addresses import check_key
from amadeus.stores.parallel import in_parallel
from amadeus.stores.store import NotThereError, Store

COMPLETE_NAME = "_amadeus_complete.json"
FORMAT, VERSION = "amadeus.folder", 1
MAX_MANIFEST_BYTES = 32 * 2**20

_SHA256 = re.compile(r"[0-9a-f]{64}")
_CHUNK_BYTES = 1 << 20
_SPARE_BYTES = 100e6  # left free on a disk


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a folder from a store may cost.

    Attributes:
      max_bytes: Of all files.
      max_file_bytes: Of one.
      max_files: How many.
    """

    max_bytes: int = 64 * 2**30
    max_file_bytes: int = 16 * 2**30
    max_files: int = 100_000


class File(NamedTuple):
    """A file in a folder: its path with `/`, its bytes, and its SHA-256 (empty where none was promised)."""

    path: str
    size: int
    sha256: str


class Manifest(NamedTuple):
    """What a folder holds: files, and folders that are empty, both sorted by path."""

    files: tuple[File, ...]
    empty_folders: tuple[str, ...] = ()

    @property
    def n_bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    def to_json(self) -> bytes:
        """Writes the mark; equal folders give equal bytes."""
        rows = [file._asdict() for file in self.files]
        document = {"format": FORMAT, "version": VERSION, "files": rows}
        folders = {"empty_folders": list(self.empty_folders)}
        return json.dumps(document | folders, sort_keys=True, indent=1).encode()


def upload_folder(folder: Path, store: Store) -> Manifest:
    """Puts a folder into a store, so that nobody takes a part of it for the whole.

    Args:
      folder: What to put there. Links in it are refused: what they point to may be anybody's.
      store: Where; what lies there under the same names is replaced.

    Raises:
      StoreError: The store cannot be written, a name cannot be stored, or a file changed meanwhile.
    """
    before = _Snapshot.take(folder)
    manifest = before.manifest
    if _find_manifest(store) == manifest:
        return manifest
    store.remove(COMPLETE_NAME)

    def put(file: File) -> None:
        found = store.stat(file.path)
        if found is None or (found.size, found.sha256) != (file.size, file.sha256):
            store.upload(folder / file.path, file.path, sha256=file.sha256)

    in_parallel(put, manifest.files)
    if _Snapshot.stamps_of(folder) != before.stamps:
        raise StoreError(
            f"{folder} changed while it was stored, so it is not marked complete in {store.url}: store it again."
        )
    store.write(COMPLETE_NAME, manifest.to_json())
    return manifest


def read_manifest(store: Store) -> Manifest:
    """Reads the mark of a complete folder.

    Raises:
      NotThereError: There is none: nothing is there, or not all of it.
      StoreError: It is damaged.
    """
    try:
        text = store.read(COMPLETE_NAME, max_bytes=MAX_MANIFEST_BYTES)
    except NotThereError as error:
        raise NotThereError(
            f"{store.url} holds no complete folder: wait until it is stored whole, or store it again."
        ) from error
    return _parse(text, store.url)


def download_folder(
    store: Store,
    into: Path,
    *,
    limits: Limits | None = None,
    complete_only: bool = True,
) -> Manifest:
    """Brings a folder out of a store; it appears whole or not at all.

    Args:
      store: Where it lies.
      into: The folder to make; it must not be there, its parent is made.
      limits: What it may cost.
      complete_only: Whether it must have a mark. Without, what is listed is what there is: for folders that others
        have stored.

    Raises:
      NotThereError: There is no complete folder.
      StoreError: It is damaged or too large, or the store cannot be read.
      HomeError: The disk cannot be written.
    """
    limits = limits or Limits()
    manifest = read_manifest(store) if complete_only else _list_manifest(store)
    check_limits(manifest, limits, store.url)
    into = into.absolute()
    with explain_os_errors(into), staged(into.parent) as scratch:
        if into.exists():
            raise StoreError(f"{into} is there already: name a folder to be made.")
        check_room(scratch, manifest.n_bytes)
        whole = scratch / "whole"
        for name in (*manifest.empty_folders, "."):
            (whole / name).mkdir(parents=True, exist_ok=True)
        for file in manifest.files:
            (whole / file.path).parent.mkdir(parents=True, exist_ok=True)

        def get(file: File) -> None:
            found = store.download(file.path, whole / file.path, max_bytes=file.size)
            if file.sha256 and found != file.sha256:
                raise StoreError(
                    f"{store.url}/{file.path} is not what was stored: store the folder again."
                )

        in_parallel(get, manifest.files)
        whole.rename(into)
    return manifest


def check_limits(manifest: Manifest, limits: Limits, url: str) -> None:
    """Refuses what would cost too much, before any of it is taken.

    Raises:
      StoreError: It has too many files, or too many bytes.
    """
    if len(manifest.files) > limits.max_files:
        raise StoreError(
            f"{url} holds {len(manifest.files)} files, and at most {limits.max_files} are taken: name a folder in it."
        )
    largest = max((file.size for file in manifest.files), default=0)
    if largest > limits.max_file_bytes or manifest.n_bytes > limits.max_bytes:
        raise StoreError(
            f"{url} holds {manifest.n_bytes / 1e6:.0f} MB, its largest file {largest / 1e6:.0f} MB, and at most "
            f"{limits.max_bytes / 1e6:.0f} MB are taken, {limits.max_file_bytes / 1e6:.0f} MB in one file: name a part "
            "of it."
        )


def check_room(folder: Path, n_bytes: int) -> None:
    """Makes sure that a disk has room.

    Raises:
      StoreError: It has not.
    """
    free = shutil.disk_usage(folder).free
    if free < n_bytes + _SPARE_BYTES:
        raise StoreError(
            f"{n_bytes / 1e6:.0f} MB are to be brought to {folder.parent}, and {free / 1e6:.0f} MB are free: free some "
            "space there, or choose another place."
        )


def digest_file(path: Path) -> str:
    """Digests a file: SHA-256 in 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, hashlib.sha256).hexdigest()


class _Snapshot(NamedTuple):
    """A folder as it was at one time, and how to tell that it changed."""

    manifest: Manifest
    stamps: dict[str, tuple[int, int, int]]

    @classmethod
    def take(cls, folder: Path) -> "_Snapshot":
        stamps = cls.stamps_of(folder)
        files = tuple(
            File(key, size, digest_file(folder / key))
            for key, (size, _, _) in sorted(stamps.items())
        )
        return cls(Manifest(files, tuple(_empty_folders(folder))), stamps)

    @staticmethod
    def stamps_of(folder: Path) -> dict[str, tuple[int, int, int]]:
        """Size, time and inode of each file."""
        stamps = {}
        for path in _files(folder):
            status = path.stat()
            key = check_key(path.relative_to(folder).as_posix())
            stamps[key] = (status.st_size, status.st_mtime_ns, status.st_ino)
        stamps.pop(COMPLETE_NAME, None)  # of a store that is a folder
        return stamps


def _files(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        raise StoreError(f"{folder} is no folder: name one to store.")
    for found, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(found, name)
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise StoreError(
                    f"{path} is a link or no plain file, and is not stored: put what it means in its place."
                )
        yield from (Path(found, name) for name in names)


def _empty_folders(folder: Path) -> list[str]:
    empty = [
        check_key(Path(found).relative_to(folder).as_posix())
        for found, folders, names in os.walk(folder)
        if not folders and not names and Path(found) != folder
    ]
    return sorted(empty)


def _find_manifest(store: Store) -> Manifest | None:
    with contextlib.suppress(NotThereError):
        return read_manifest(store)
    return None


def _list_manifest(store: Store) -> Manifest:
    files = [File(check_key(e.key), e.size, e.sha256) for e in store.list()]
    if not files:
        raise NotThereError(f"{store.url} holds nothing: name a folder that does.")
    files = [file for file in files if file.path != COMPLETE_NAME]
    return Manifest(tuple(sorted(files)))


def _parse(text: bytes, url: str) -> Manifest:
    try:
        document = json.loads(text)
        if (document["format"], document["version"]) != (FORMAT, VERSION):
            raise ValueError("it is of another kind or version")
        files = tuple(_parse_file(row) for row in document["files"])
        folders = tuple(check_key(name) for name in document["empty_folders"])
    except (
        ValueError,
        LookupError,
        TypeError,
        RecursionError,
        AttributeError,
    ) as error:
        raise StoreError(
            f"{url}/{COMPLETE_NAME} is damaged or not of this Amadeus: store the folder again."
        ) from error
    if len({file.path for file in files}) != len(files):
        raise StoreError(f"{url}/{COMPLETE_NAME} names a file twice: store it again.")
    return Manifest(files, folders)


def _parse_file(row: Any) -> File:
    file = File(**row)
    if type(file.size) is not int or file.size < 0:
        raise ValueError("a size is none")
    if not _SHA256.fullmatch(file.sha256):
        raise ValueError("a digest is none")
    check_key(file.path)
    return file
