"""Passages of takes as tf.train.Example, in the gzipped TFRecord files that TFX expects.

The same takes give the same files, byte for byte, whatever runs beside them. The gzip holds stored blocks: audio
samples hardly compress (7 % at eight times the time), and every TFRecord reader takes them.

A file lies in a folder or in a bucket, whichever its uri says. In both it appears under its name when it is complete: a
folder by a rename, a bucket because its objects appear whole.

Light, for it is loaded by every worker: neither TensorFlow nor TFX.

Reference: tensorflow/core/lib/io/record_writer.h, for the framing and its checksums.
"""

import contextlib
import fnmatch
import gzip
import os
import struct
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import google_crc32c
import numpy as np

from amadeus.stores.addresses import is_url, join, split
from components.audio_example_gen.nearby import nearby
from components.example_proto import (
    BytesList,
    Example,
    Feature,
    Features,
    FloatList,
    Int64List,
)

RECORD_GLOB = "data_tfrecord-*.gz"
MAX_FILE_BYTES = 64 * 2**30  # of a file that is brought from a bucket

_FLOAT_LIST_TAG = (
    b"\x0a"  # field 1, length-delimited: `repeated float value = 1 [packed]`
)
_MASK_DELTA = 0xA282EAD8  # of crc32c::Mask
_FIRST_BYTES = struct.Struct("<QI")  # length of the record, checksum of the length
_LAST_BYTES = struct.Struct("<I")  # checksum of the record

Write = Callable[[Any], None]


class Sized(NamedTuple):
    """A file and its size in bytes."""

    path: str
    size: int


def example(features: Mapping[str, Any]) -> Any:
    """Makes a record of named features."""
    return Example(features=Features(feature=features))


def float_feature(values: np.ndarray) -> Any:
    """Packs floats [n]; by their bytes, forty times faster than one by one."""
    packed = np.ascontiguousarray(values, dtype="<f4").tobytes()
    head = _FLOAT_LIST_TAG + _varint(len(packed))
    return Feature(float_list=FloatList.FromString(head + packed))


def floats(feature: Any) -> np.ndarray:
    """Unpacks a float feature to float32 [n]."""
    n_values = len(feature.float_list.value)
    packed = feature.float_list.SerializeToString()
    return np.frombuffer(packed[len(packed) - 4 * n_values :], dtype="<f4")


def bytes_feature(value: bytes) -> Any:
    """Packs one bytes value."""
    return Feature(bytes_list=BytesList(value=[value]))


def int_feature(value: int) -> Any:
    """Packs one whole number."""
    return Feature(int64_list=Int64List(value=[value]))


def list_files(split_uri: str) -> list[str]:
    """Lists the record files of a split, in a folder or a bucket, always in the same order.

    Raises:
      StoreError: The bucket cannot be read.
    """
    return [file.path for file in list_sizes(split_uri)]


def list_sizes(split_uri: str) -> list[Sized]:
    """Lists the record files of a split with their sizes, as `list_files` does."""
    if is_url(split_uri):
        from amadeus.stores.opening import open_store

        found = {entry.key: entry.size for entry in open_store(split_uri).list()}
    elif os.path.isdir(split_uri):
        with os.scandir(split_uri) as entries:
            found = {entry.name: entry.stat().st_size for entry in entries}
    else:
        found = {}
    names = fnmatch.filter(found, RECORD_GLOB)
    return sorted(Sized(place(split_uri, name), found[name]) for name in names)


def file_name(take: str, *, part: int = 0) -> str:
    """Names the record file of a take, given its digest, or a further part of a long one: the next in the order."""
    suffix = f"_{part:05d}" if part else ""  # `_` comes after the dot
    return f"data_tfrecord-{take[:32]}{suffix}.gz"


def place(folder_uri: str, name: str) -> str:
    """Names a file in a folder, on a disk or in a bucket."""
    if is_url(folder_uri):
        return join(folder_uri.rstrip("/"), name)
    return os.path.join(folder_uri, name)


def read_records(path: str) -> Iterator[Any]:
    """Reads the examples of a record file, one at a time; gzip's own checksum guards them.

    Raises:
      StoreError: It lies in a bucket that cannot be read.
    """
    with (
        nearby(path, max_bytes=MAX_FILE_BYTES) as local,
        open(local, "rb") as file,
        gzip.open(file) as records,
    ):
        while head := records.read(_FIRST_BYTES.size):
            n_bytes, _ = _FIRST_BYTES.unpack(head)
            yield Example.FromString(records.read(n_bytes))
            records.read(_LAST_BYTES.size)


@contextlib.contextmanager
def write_records(path: str) -> Iterator[Write]:
    """Opens a record file that appears under its name when it is complete, or not at all.

    Raises:
      StoreError: It shall lie in a bucket that cannot be written.
    """
    if not is_url(path):
        with _written(f"{path}.part", path) as write:
            yield write
        return
    with tempfile.TemporaryDirectory(prefix="amadeus-records-") as folder:
        scratch = os.path.join(folder, "records")
        with _written(scratch, scratch) as write:
            yield write
        _upload(Path(scratch), path)


def write_bytes(path: str, content: bytes) -> None:
    """Writes a file that appears under its name when it is complete, or not at all; in a folder or a bucket.

    Raises:
      StoreError: It shall lie in a bucket that cannot be written.
    """
    with tempfile.TemporaryDirectory(
        prefix=".amadeus-", dir=None if is_url(path) else os.path.dirname(path)
    ) as folder:
        scratch = Path(folder, "content")
        scratch.write_bytes(content)
        if is_url(path):
            _upload(scratch, path)
        else:
            os.replace(scratch, path)


def copy(from_uri: str, to_uri: str, name: str) -> None:
    """Copies a small file between folders, on disks or in buckets.

    Raises:
      RecordingError: It is not there.
      StoreError: A bucket cannot be read or written.
    """
    with nearby(place(from_uri, name)) as near:
        write_bytes(place(to_uri, name), Path(near).read_bytes())


@contextlib.contextmanager
def _written(scratch: str, path: str) -> Iterator[Write]:
    try:
        with (
            open(scratch, "wb") as file,
            gzip.GzipFile("", "wb", compresslevel=0, fileobj=file, mtime=0) as records,
        ):
            yield lambda record: _write(records, record)
        os.replace(scratch, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.remove(scratch)
        raise


def _write(records: BinaryIO, record: Any) -> None:
    # Deterministic: a map has no order of its own.
    content = record.SerializeToString(deterministic=True)
    length = struct.pack("<Q", len(content))
    records.write(_FIRST_BYTES.pack(len(content), _checksum(length)))
    records.write(content)
    records.write(_LAST_BYTES.pack(_checksum(content)))


def _checksum(content: bytes) -> int:
    """Digests as TFRecord does: CRC-32C, turned and moved so that a record may hold checksums itself."""
    crc = google_crc32c.value(content)
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & 0xFFFFFFFF


def _upload(scratch: Path, url: str) -> None:
    from amadeus.stores.folders import digest_file
    from amadeus.stores.opening import open_store

    folder, name = split(url)
    open_store(folder).upload(scratch, name, sha256=digest_file(scratch))


def _varint(number: int) -> bytes:
    groups = []
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*groups, number])
