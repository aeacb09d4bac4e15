"""Weights read from the checkpoint of a SavedModel without trusting it.

A checkpoint is an index, a sorted table in the format of LevelDB without compression, and one file of data.
TensorFlow's own reader is C++ and believes the index; here every number of it is looked at first.

Reference: tensorflow/core/protobuf/tensor_bundle.proto; leveldb, doc/table_format.md.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from amadeus.errors import BundleError
from amadeus.personality.checkpoint_messages import (
    DT_FLOAT,
    DT_STRING,
    LITTLE_ENDIAN,
    message_class,
)
from amadeus.personality.quoting import tame

INDEX_NAME = "variables.index"
DATA_NAME = "variables.data-00000-of-00001"
VARIABLE_SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"  # what belongs to which variable

MAX_INDEX_BYTES = 2**20
MAX_WEIGHTS = 1_000
MAX_DIMENSIONS = 8

_FOOTER_SIZE = 48
_MAGIC = 0xDB4775248B80FB57
_TRAILER_SIZE = 5  # kind of compression and checksum, behind each block
_MAX_VARINT_BYTES = 10


class _Handle(NamedTuple):
    """Where a block lies."""

    offset: int
    size: int


def read_weights(variables_path: Path) -> dict[str, np.ndarray]:
    """Reads all variables, named as `amadeus.voice.export.read_weights` names them.

    Args:
      variables_path: Folder `variables` of a SavedModel.

    Raises:
      BundleError: The checkpoint is damaged, or holds anything but variables.
    """
    try:
        index = (variables_path / INDEX_NAME).read_bytes()
        content = np.fromfile(variables_path / DATA_NAME, np.uint8)
    except OSError as error:
        raise _damaged(f"{error.strerror}") from error
    if len(index) > MAX_INDEX_BYTES:
        raise _damaged("their index is too large")
    try:
        entries = list(_entries(index))
        return _weights(entries, content)
    except (IndexError, ValueError, OverflowError) as error:
        raise _damaged(f"their index cannot be read ({error})") from error


def _weights(
    entries: list[tuple[bytes, bytes]], content: np.ndarray
) -> dict[str, np.ndarray]:
    keys = [key for key, _ in entries]
    if keys != sorted(set(keys)) or keys[:1] != [b""]:
        raise _damaged("their index is out of order")
    _check_header(entries[0][1])
    spans, weights = [], {}
    for key, value in entries[1:]:
        start, weight = _weight(key.decode(), value, content)
        spans.append((start, start + weight.nbytes))
        weights[key.decode()] = weight
    _check_spans(spans, len(content))
    _check_graph(weights.pop(GRAPH_KEY, np.zeros(0, np.uint8)).tobytes(), set(weights))
    if not weights or len(weights) > MAX_WEIGHTS:
        raise _damaged(f"there are {len(weights)} of them")
    return {key.removesuffix(VARIABLE_SUFFIX): w for key, w in weights.items()}


def _check_header(value: bytes) -> None:
    header = _parse(message_class("BundleHeaderProto")(), value)
    if header.num_shards != 1 or header.endianness != LITTLE_ENDIAN:
        raise _damaged("they are not in one file of little endian")


def _weight(name: str, value: bytes, content: np.ndarray) -> tuple[int, np.ndarray]:
    entry = _parse(message_class("BundleEntryProto")(), value)
    if entry.shard_id or entry.slices or not 0 <= entry.offset <= len(content):
        raise _damaged(f"{name} lies elsewhere")
    if not 0 <= entry.size <= len(content) - entry.offset:
        raise _damaged(f"{name} reaches beyond their end")
    raw = content[entry.offset : entry.offset + entry.size]
    shape = tuple(dim.size for dim in entry.shape.dim)
    if name == GRAPH_KEY:
        if entry.dtype != DT_STRING or shape:
            raise _damaged(f"{name} is not a text")
        return entry.offset, raw
    if not name.endswith(VARIABLE_SUFFIX) or entry.dtype != DT_FLOAT:
        raise _damaged(f"{name} is not a variable of float32")
    if len(shape) > MAX_DIMENSIONS or min(shape, default=0) < 0:
        raise _damaged(f"{name} has a shape that cannot be")
    if math.prod(shape) * 4 != entry.size or entry.shape.unknown_rank:
        raise _damaged(f"{name} has not the size of its shape")
    return entry.offset, raw.view("<f4").reshape(shape)


def _check_graph(raw: bytes, keys: set[str]) -> None:
    """Makes sure that variables are restored from what the digest counts, each under its own name."""
    size, position = _read_varint(raw, 0)
    position += 4  # checksum of the length
    if position + size != len(raw):
        raise _damaged("what belongs to which variable is cut off")
    graph = _parse(message_class("TrackableObjectGraph")(), raw[position:])
    for node in graph.nodes:
        if node.slot_variables or node.HasField("registered_saver"):
            raise _damaged("a variable is restored by other means than its values")
        strange = {a.checkpoint_key for a in node.attributes} - keys
        if strange:
            raise _damaged(f"{strange.pop()} is wanted and not there")


def _check_spans(spans: list[tuple[int, int]], n_bytes: int) -> None:
    """What belongs to no variable would not be in the digest."""
    end = 0
    for start, stop in sorted(spans):
        if start != end:
            raise _damaged("they overlap, or there is something between them")
        end = stop
    if end != n_bytes:
        raise _damaged("there is something behind them")


def _entries(index: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields keys and values of the table in order."""
    if len(index) < _FOOTER_SIZE:
        raise _damaged("their index is cut off")
    footer = index[-_FOOTER_SIZE:]
    if int.from_bytes(footer[-8:], "little") != _MAGIC:
        raise _damaged("their index is none")
    _, position = _read_handle(footer, 0)  # of filters, which TensorFlow does not write
    root, _ = _read_handle(footer, position)
    n_read = 0
    for _, value in _block(index, root):
        handle, _ = _read_handle(value, 0)
        for pair in _block(index, handle):
            n_read += 1
            if n_read > MAX_WEIGHTS + 2:
                raise _damaged("there are too many of them")
            yield pair


def _block(index: bytes, handle: _Handle) -> Iterator[tuple[bytes, bytes]]:
    end = handle.offset + handle.size
    if end + _TRAILER_SIZE > len(index) or handle.size < 4:
        raise _damaged("their index points beyond its end")
    if index[end]:
        raise _damaged("their index is compressed")
    block = index[handle.offset : end]
    n_restarts = int.from_bytes(block[-4:], "little")
    limit = len(block) - 4 * (n_restarts + 1)
    if limit < 0:
        raise _damaged("their index is cut off")
    restarts = set(np.frombuffer(block[limit:-4], "<u4").tolist())
    position, key = 0, b""
    while position < limit:
        start = position
        n_shared, position = _read_varint(block, position)
        n_new, position = _read_varint(block, position)
        n_value, position = _read_varint(block, position)
        stop = position + n_new + n_value
        if n_shared > len(key) or stop > limit:
            raise _damaged("their index runs over")
        if n_shared == 0:
            restarts.discard(start)
        key = key[:n_shared] + block[position : position + n_new]
        yield key, block[position + n_new : stop]
        position = stop
    if restarts - {0}:
        raise _damaged("their index would be searched where nothing begins")


def _read_handle(text: bytes, position: int) -> tuple[_Handle, int]:
    offset, position = _read_varint(text, position)
    size, position = _read_varint(text, position)
    return _Handle(offset, size), position


def _read_varint(text: bytes, position: int) -> tuple[int, int]:
    number = 0
    for i in range(_MAX_VARINT_BYTES):
        byte = text[position + i]
        number |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            return number, position + i + 1
    raise _damaged("their index holds a number without end")


def _parse(message: Any, text: bytes) -> Any:
    from google.protobuf.message import DecodeError

    try:
        message.ParseFromString(text)
    except DecodeError as error:
        raise _damaged("their index holds what is no entry") from error
    return message


def _damaged(what: str) -> BundleError:
    return BundleError(
        f"the weights in the bundle are damaged or foreign: {tame(what)}; ask for it again where it comes from."
    )
