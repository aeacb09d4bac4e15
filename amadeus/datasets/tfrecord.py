"""TFRecord files, plain or gzipped, read and written a record at a time.

A record is framed by its length (uint64), a checksum of the length, its bytes and a checksum of them, all
little-endian. A checksum is CRC-32C, rotated and shifted so that checksums of checksums stay good ("masked").

What is damaged is told and passed over where that can be done: a record whose bytes do not fit their checksum costs
itself; where a length is damaged nobody knows where the next record begins, and the rest of the file is lost. Memory
holds one record, whatever the length of the file.

Reference: tensorflow/core/lib/io/record_writer.h, "Format of a single record", and tensorflow/core/lib/hash/crc32c.h.
"""

import contextlib
import gzip
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import google_crc32c

from amadeus.errors import RecordingError

FRAME_BYTES = 16
"""Beside the bytes of a record: length, its checksum, and the checksum of the bytes."""

MAX_RECORD_BYTES = 64 * 2**20
"""A note of 4 s takes 256 kB; whatever is so much larger is no note, and may not fill the memory."""

GZIP_ERRORS = (EOFError, zlib.error, gzip.BadGzipFile)
"""What reading from a damaged gzip raises."""

_HEAD = struct.Struct("<QI")
_CRC = struct.Struct("<I")
_LENGTH = struct.Struct("<Q")
_MASK_DELTA = 0xA282EAD8
_GZIP_MAGIC = b"\x1f\x8b"
_BUFFER_BYTES = 1 << 20


class Record(NamedTuple):
    """A record that is whole.

    Attributes:
      offset: Where its frame begins, in bytes of the file or of what a gzipped file holds.
      data: Its bytes, without the frame.
    """

    offset: int
    data: bytes

    @property
    def n_bytes(self) -> int:
        """Length with the frame."""
        return len(self.data) + FRAME_BYTES


class Damage(NamedTuple):
    """What cannot be read.

    Attributes:
      offset: Where it begins.
      reason: In words: half a sentence.
      ends: Whether all that follows is lost with it.
    """

    offset: int
    reason: str
    ends: bool


class Range(NamedTuple):
    """Bytes of a file that hold whole records: from `start` up to `end`, or to the end of the file."""

    start: int = 0
    end: int | None = None


WHOLE = Range()


def read(path: Path | str, part: Range = WHOLE) -> Iterator[Record | Damage]:
    """Reads a file, or a range of it; damage comes in its place.

    Raises:
      RecordingError: The file cannot be opened or read.
    """
    with opened(path) as file:
        if part.start:
            file.seek(part.start)
        yield from read_stream(file, part)


def divide(path: Path | str, *, target_bytes: int) -> list[Range]:
    """Divides a file among readers, by the lengths of its records alone; a gzipped one cannot be divided.

    Args:
      path: The file.
      target_bytes: Of a range, as near as records allow from above. The last one goes to the end of the file, and so
        does the one in which a length is damaged.

    Raises:
      RecordingError: The file cannot be opened or read.
    """
    ranges, start, offset = [], 0, 0
    with opened(path) as file:
        if isinstance(file, gzip.GzipFile):
            return [WHOLE]
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            n_bytes, length_crc = _HEAD.unpack(head)
            if masked_crc(head[: _LENGTH.size]) != length_crc:
                break
            if n_bytes > MAX_RECORD_BYTES:  # beyond what a file can be, maybe
                break
            offset += n_bytes + FRAME_BYTES
            if offset - start >= target_bytes:
                ranges.append(Range(start, offset))
                start = offset
            file.seek(offset)
    is_more = (
        head or start < offset
    )  # also where only damage is left, which is to be told
    return [*ranges, Range(start)] if is_more or not ranges else ranges


@contextlib.contextmanager
def opened(path: Path | str) -> Iterator[BinaryIO]:
    """Opens a file for `read_stream`; one that is gzipped is unpacked on the way.

    Raises:
      RecordingError: It cannot be opened or read.
    """
    try:
        with open(path, "rb", buffering=_BUFFER_BYTES) as file:
            if not _is_gzipped(file):
                yield file
                return
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield unpacked  # type: ignore[misc]  # it reads as files do
    except OSError as error:
        if isinstance(error, gzip.BadGzipFile):
            raise
        raise RecordingError(
            f"cannot read {path}: {error.strerror or error}; check the name and its read rights."
        ) from error


def is_gzipped(path: Path | str) -> bool:
    """Tells whether the records of a file lie in a gzip.

    Raises:
      RecordingError: It cannot be opened or read.
    """
    try:
        with open(path, "rb") as file:
            return _is_gzipped(file)
    except OSError as error:
        raise RecordingError(
            f"cannot read {path}: {error.strerror or error}; check the name and its read rights."
        ) from error


def read_stream(file: BinaryIO, part: Range = WHOLE) -> Iterator[Record | Damage]:
    """Reads records from where a file stands, which is where a range of it starts, to the end of that."""
    offset = part.start
    while part.end is None or offset < part.end:
        try:
            found = _read_one(file, offset)
        except EOFError:
            yield Damage(offset, "its gzip is cut off", True)
            return
        except GZIP_ERRORS as error:
            yield Damage(offset, f"its gzip is damaged ({error})", True)
            return
        if found is None:
            return
        if isinstance(found, _Bad):
            yield found.damage
            if found.damage.ends:
                return
            offset += found.n_bytes
            continue
        yield found
        offset += found.n_bytes


def frame(data: bytes) -> bytes:
    """Puts the bytes of a record into their frame."""
    length = _LENGTH.pack(len(data))
    head = length + _CRC.pack(masked_crc(length))
    return b"".join((head, data, _CRC.pack(masked_crc(data))))


def unframe(framed: bytes) -> bytes | None:
    """Takes a record out of its frame; None where a checksum or the length does not fit."""
    if len(framed) < FRAME_BYTES:
        return None
    n_bytes, length_crc = _HEAD.unpack_from(framed)
    data = framed[_HEAD.size : -_CRC.size]
    (data_crc,) = _CRC.unpack_from(framed, len(framed) - _CRC.size)
    fits = (
        n_bytes == len(data)
        and masked_crc(framed[: _LENGTH.size]) == length_crc
        and masked_crc(data) == data_crc
    )
    return data if fits else None


def masked_crc(data: bytes) -> int:
    """Takes the checksum that stands in frames."""
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFF_FFFF


class _Bad(NamedTuple):
    damage: Damage
    n_bytes: int  # to go on after


def _read_one(file: BinaryIO, offset: int) -> Record | _Bad | None:
    head = file.read(_HEAD.size)
    if not head:
        return None
    if len(head) < _HEAD.size:
        return _Bad(Damage(offset, "it ends within a length", True), len(head))
    n_bytes, length_crc = _HEAD.unpack(head)
    if masked_crc(head[: _LENGTH.size]) != length_crc:
        reason = "a length does not fit its checksum"
        return _Bad(Damage(offset, reason, True), len(head))
    if n_bytes > MAX_RECORD_BYTES:
        reason = f"a record says that it has {n_bytes} bytes, more than any note"
        return _Bad(Damage(offset, reason, True), len(head))
    data = file.read(n_bytes)
    tail = file.read(_CRC.size)
    if len(data) < n_bytes or len(tail) < _CRC.size:
        return _Bad(Damage(offset, "it ends within a record", True), len(data))
    if masked_crc(data) != _CRC.unpack(tail)[0]:
        reason = "the bytes of a record do not fit their checksum"
        return _Bad(Damage(offset, reason, False), n_bytes + FRAME_BYTES)
    return Record(offset, data)


def _is_gzipped(file: BinaryIO) -> bool:
    head = file.read(_HEAD.size)
    file.seek(0)
    if not head.startswith(_GZIP_MAGIC):
        return False
    # A record may be as long as these two bytes say; then the checksum of its length fits.
    return len(head) < _HEAD.size or (
        masked_crc(head[: _LENGTH.size]) != _HEAD.unpack(head)[1]
    )
