"""What is taken out of a folder in a store: no more than was agreed on, onto a disk with room, known by its digest."""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from amadeus.errors import StoreError

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


def check_limits(sizes: Sequence[int], limits: Limits, url: str) -> None:
    """Refuses what would cost too much, before any of it is taken.

    Args:
      sizes: Of each file, in bytes.
      limits: What they may cost.
      url: Where they are.

    Raises:
      StoreError: There are too many files, or too many bytes.
    """
    if len(sizes) > limits.max_files:
        raise StoreError(
            f"{url} holds {len(sizes)} files, and at most {limits.max_files} are taken: name a folder in it."
        )
    largest = max(sizes, default=0)
    if largest > limits.max_file_bytes or sum(sizes) > limits.max_bytes:
        raise StoreError(
            f"{url} holds {sum(sizes) / 1e6:.0f} MB, its largest file {largest / 1e6:.0f} MB, and at most "
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
