"""A store on a disk.

A file is written beside its place under a name that listings pass over, flushed to the disk, and renamed; one that must
be new is linked, which the file system does for one of many. Who is killed meanwhile leaves such a scratch file only.
"""

import contextlib
import errno
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Self

from amadeus.errors import StoreError
from amadeus.stores.addresses import check_key, join
from amadeus.stores.receiving import flush, opened_sink, too_large
from amadeus.stores.store import AlreadyThereError, Entry, NotThereError, Store

_SCRATCH = re.compile(r"\.part-[0-9]+-[0-9a-f]{8}")
_CHUNK_BYTES = 1 << 20
_CANNOT_LINK = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


class PathStore(Store):
    """See `Store`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = str(path)

    def at(self, folder: str) -> Self:
        """See `Store`."""
        return type(self)(self._place(folder) if folder else self.path)

    def list(self, folder: str = "") -> Iterator[Entry]:
        """See `Store`."""
        root = self._place(folder) if folder else self.path

        def refuse(error: OSError) -> None:
            if not isinstance(error, FileNotFoundError | NotADirectoryError):
                raise _explain(Path(error.filename), error) from error

        for found, folders, names in os.walk(root, onerror=refuse):
            folders.sort()
            for name in sorted(names):
                path = Path(found, name)
                if not _SCRATCH.fullmatch(name) and (entry := self._entry(path)):
                    yield entry

    def stat(self, key: str) -> Entry | None:
        """See `Store`."""
        return self._entry(self._place(key))

    def read(self, key: str, *, max_bytes: int) -> bytes:
        """See `Store`."""
        with self._opened(key) as file:
            data = file.read(max_bytes + 1)
        if len(data) > max_bytes:
            raise too_large(join(self.url, key), len(data), max_bytes)
        return data

    def write(self, key: str, data: bytes, *, only_new: bool = False) -> None:
        """See `Store`."""
        target = self._place(key)
        with _explained(target), _scratch(target) as scratch:
            with scratch.open("xb") as file:
                file.write(data)
                flush(file)
            if not only_new:
                scratch.replace(target)
            elif not _take(scratch, target, data):
                raise AlreadyThereError(
                    f"{target} is there already: choose another name."
                )
            _sync_folder(target.parent)

    def upload(self, path: Path, key: str, *, sha256: str) -> None:
        """See `Store`."""
        target = self._place(key)
        with _explained(target), _scratch(target) as scratch:
            with path.open("rb") as source, scratch.open("xb") as file:
                shutil.copyfileobj(source, file, _CHUNK_BYTES)
                flush(file)
            scratch.replace(target)
            _sync_folder(target.parent)

    def download(self, key: str, path: Path, *, max_bytes: int) -> str:
        """See `Store`."""
        place = join(self.url, key)
        with self._opened(key) as source:
            if (size := os.fstat(source.fileno()).st_size) > max_bytes:
                raise too_large(place, size, max_bytes)
            with _explained(path), opened_sink(path, place, max_bytes) as sink:
                while chunk := source.read(_CHUNK_BYTES):
                    sink.write(chunk)
                return sink.sha256()

    def remove(self, key: str) -> None:
        """See `Store`."""
        path = self._place(key)
        with _explained(path):
            path.unlink(missing_ok=True)

    def remove_folder(self, folder: str = "") -> None:
        """See `Store`."""
        path = self._place(folder) if folder else self.path
        with _explained(path), contextlib.suppress(FileNotFoundError):
            shutil.rmtree(path)

    def _place(self, key: str) -> Path:
        return self.path / check_key(key)

    def _entry(self, path: Path) -> Entry | None:
        try:
            status = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _explain(path, error) from error
        if not path.is_file():
            return None
        version = f"{status.st_mtime_ns}-{status.st_ino}"
        key = path.relative_to(self.path).as_posix()
        return Entry(key, status.st_size, version)

    @contextlib.contextmanager
    def _opened(self, key: str) -> Iterator[BinaryIO]:
        path = self._place(key)
        try:
            file = path.open("rb")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise NotThereError(
                f"there is no file {path}: name one that is there."
            ) from error
        except OSError as error:
            raise _explain(path, error) from error
        with file:
            yield file


@contextlib.contextmanager
def _scratch(target: Path) -> Iterator[Path]:
    """Names a file beside another, and removes it in the end."""
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = target.with_name(f".part-{os.getpid()}-{secrets.token_hex(4)}")
    try:
        yield scratch
    finally:
        scratch.unlink(missing_ok=True)


def _take(scratch: Path, target: Path, data: bytes) -> bool:
    """Puts a new file in its place; False where there is one."""
    try:
        os.link(scratch, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _CANNOT_LINK:
            raise
    else:
        return True
    try:  # no links here, as on FAT; a write this small is one, and not torn by a kill
        with target.open("xb", buffering=0) as file:
            file.write(data)
            os.fsync(file.fileno())
    except FileExistsError:
        return False
    return True


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _explain(path, error) from error


def _explain(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"cannot use {path}: {error.strerror or error}; free space or give rights there, or name another place."
    )
