"""A chunk of our own in a WAV file: it survives copies, and whoever does not know it skips it.

The chunk begins with the SHA-256 of the sound it was written beside, so that a file whose sound was edited since
is told from one that is as it was.

Reference: Microsoft and IBM, "Multimedia Programming Interface and Data Specifications 1.0", 1991.
"""

import hashlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

CHUNK_ID = b"adeu"

_HEADER = struct.Struct("<4sI")
_MAX_SIZE = 2**32 - 1
_MAX_CHUNK_BYTES = 2**28
_DIGEST_SIZE = 32
_BLOCK_BYTES = 2**20


class Sealed(NamedTuple):
    """What stood in the chunk.

    Attributes:
      content: As it was handed to `append`.
      is_untouched: Whether the sound is still the one it was written beside.
    """

    content: bytes
    is_untouched: bool


def append(path: Path, content: bytes) -> bool:
    """Appends the chunk to a WAV file; false where the file would grow too large for its format."""
    with path.open("r+b") as file:
        sound = _find(file, b"data")
        if sound is None:
            return False
        payload = _digest(file, *sound) + content
        end = file.seek(0, os.SEEK_END)
        padding = b"\0" * (end % 2)
        chunk = padding + _HEADER.pack(CHUNK_ID, len(payload)) + payload
        chunk += b"\0" * (len(payload) % 2)
        size = end + len(chunk) - _HEADER.size
        if size > _MAX_SIZE or len(payload) > _MAX_CHUNK_BYTES:
            return False
        file.write(chunk)
        file.seek(0)
        file.write(_HEADER.pack(b"RIFF", size))
    return True


def read(path: Path) -> Sealed | None:
    """Reads the chunk of a WAV file; None where there is none or the file is no WAV.

    Raises:
      OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        found, sound = _find(file, CHUNK_ID), _find(file, b"data")
        if found is None or sound is None:
            return None
        start, size = found
        if not _DIGEST_SIZE <= size <= _MAX_CHUNK_BYTES:
            return None
        file.seek(start)
        payload = file.read(size)
        digest = _digest(file, *sound)
    if len(payload) < size:
        return None
    return Sealed(payload[_DIGEST_SIZE:], payload[:_DIGEST_SIZE] == digest)


def _find(file: BinaryIO, wanted: bytes) -> tuple[int, int] | None:
    """Start and size of a chunk."""
    for name, start, size in _chunks(file):
        if name == wanted:
            return start, size
    return None


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    file.seek(0)
    head = file.read(12)
    if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
        return
    position = 12
    while True:
        file.seek(position)
        header = file.read(_HEADER.size)
        if len(header) < _HEADER.size:
            return
        name, size = _HEADER.unpack(header)
        yield name, position + _HEADER.size, size
        position += _HEADER.size + size + size % 2


def _digest(file: BinaryIO, start: int, size: int) -> bytes:
    digest = hashlib.sha256()
    file.seek(start)
    left = size
    while left and (block := file.read(min(left, _BLOCK_BYTES))):
        digest.update(block)
        left -= len(block)
    return digest.digest()
