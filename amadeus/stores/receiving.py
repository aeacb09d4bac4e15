"""Takes bytes in: no more than were promised, hashed on their way, and begun again when a connection was cut."""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from amadeus.errors import StoreError


class Sink:
    """A file that bytes are written to, and their SHA-256. Looks like a file to libraries that write to one."""

    def __init__(self, file: BinaryIO, source: str, max_bytes: int) -> None:
        """Takes an open file.

        Args:
          file: Where bytes go.
          source: Where they come from, for people.
          max_bytes: The most that is taken.
        """
        self._file, self._source, self._max_bytes = file, source, max_bytes
        self._digest, self._n_bytes = hashlib.sha256(), 0

    def expect(self, n_bytes: int) -> None:
        """Refuses what is too large before any of it comes.

        Raises:
          StoreError: It is.
        """
        if n_bytes > self._max_bytes:
            raise too_large(self._source, n_bytes, self._max_bytes)

    def begin(self) -> None:
        """Forgets what has come."""
        self._file.seek(0)
        self._file.truncate()
        self._digest, self._n_bytes = hashlib.sha256(), 0

    def write(self, chunk: bytes) -> int:
        """Takes a chunk.

        Raises:
          StoreError: It is more than was allowed.
        """
        self.expect(self._n_bytes + len(chunk))
        self._digest.update(chunk)
        self._n_bytes += len(chunk)
        return self._file.write(chunk)

    def tell(self) -> int:
        """Counts what has come."""
        return self._n_bytes

    def flush(self) -> None:
        """Does nothing: `opened_sink` writes through to the disk once, in the end."""

    def sha256(self) -> str:
        """Digests what has come, in 64 hexadecimal digits."""
        return self._digest.hexdigest()


@contextlib.contextmanager
def opened_sink(path: Path, source: str, max_bytes: int) -> Iterator[Sink]:
    """Opens a sink into a new file, which goes away again if anything fails, and else is flushed to the disk.

    Raises:
      OSError: The file is there already, or cannot be written.
    """
    file = path.open("xb")
    try:
        with file:
            yield Sink(file, source, max_bytes)
            flush(file)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def flush(file: BinaryIO) -> None:
    """Writes a file through to the disk."""
    file.flush()
    os.fsync(file.fileno())


def too_large(what: str, n_bytes: int, max_bytes: int) -> StoreError:
    """Words the refusal of what has more bytes than are taken."""
    return StoreError(
        f"{what} has {n_bytes} bytes or more, and at most {max_bytes} are taken: name a smaller one."
    )
