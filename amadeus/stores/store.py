"""What every store can do, whichever it is.

Objects appear whole or not at all, everywhere: buckets promise it, and on paths a file is written beside its place,
flushed to the disk and renamed.
"""

import abc
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Self

from amadeus.errors import StoreError


class Entry(NamedTuple):
    """An object in a store.

    Attributes:
      key: Its name below the store, with `/` between folders.
      size: In bytes.
      version: Changes when the content does: a generation, an ETag, or time and inode of a file.
      sha256: Of its content, where the store knows it: 64 hexadecimal digits; else empty.
    """

    key: str
    size: int
    version: str
    sha256: str = ""


class AlreadyThereError(StoreError):
    """Something lies where only something new may be written."""


class NotThereError(StoreError):
    """There is no such object, or no such bucket."""


class Store(abc.ABC):
    """A folder in a bucket or on a disk. All methods may be called from several threads.

    Every method raises `StoreError` with one sentence where the store cannot be reached, or refuses; what may pass is
    tried again first, with growing pauses.
    """

    url: str

    @abc.abstractmethod
    def at(self, folder: str) -> Self:
        """Opens a folder below this one; it need not be there."""

    @abc.abstractmethod
    def list(self, folder: str = "") -> Iterator[Entry]:
        """Lists all objects below a folder, to any depth; their keys are below this store.

        Raises:
          NotThereError: There is no such bucket. A folder without objects is none to a bucket, and just empty.
        """

    @abc.abstractmethod
    def stat(self, key: str) -> Entry | None:
        """Describes an object; None where there is none."""

    @abc.abstractmethod
    def read(self, key: str, *, max_bytes: int) -> bytes:
        """Reads a small object.

        Raises:
          NotThereError: There is none.
          StoreError: It has more than `max_bytes`.
        """

    @abc.abstractmethod
    def write(self, key: str, data: bytes, *, only_new: bool = False) -> None:
        """Writes a small object whole.

        Args:
          key: Where.
          data: What.
          only_new: Whether to leave alone what is there already. The store itself decides, so that of many who try
            at once exactly one writes.

        Raises:
          AlreadyThereError: With `only_new`, something is there.
        """

    @abc.abstractmethod
    def upload(self, path: Path, key: str, *, sha256: str) -> None:
        """Writes a file whole, replacing what was there.

        Args:
          path: The file.
          key: Where.
          sha256: Of its content; it is kept beside it, for uploads that are taken up again.
        """

    @abc.abstractmethod
    def download(self, key: str, path: Path, *, max_bytes: int) -> str:
        """Reads an object into a new file and returns its SHA-256, 64 hexadecimal digits.

        Args:
          key: Of which object.
          path: The file to write; it must not be there. It is written in place: whoever needs it to appear whole
            gives the path of a scratch file.
          max_bytes: The most that is taken; a larger one leaves the disk as it was.

        Raises:
          NotThereError: There is none.
          StoreError: It has more than `max_bytes`.
        """

    @abc.abstractmethod
    def remove(self, key: str) -> None:
        """Removes an object; one that is not there is gone already."""

    def exists(self, key: str) -> bool:
        """Tells whether there is such an object."""
        return self.stat(key) is not None

    def remove_folder(self, folder: str = "") -> None:
        """Removes all objects below a folder; who reads it meanwhile may see a part."""
        for entry in list(self.list(folder)):
            self.remove(entry.key)
