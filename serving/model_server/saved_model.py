"""What a server must know of a SavedModel besides its graph: signatures, and what the graph needs.

A `live` voice's file has 1.3 MB, nearly all of it graph. To parse that would keep Python's lock for 3 ms and more, so
the graph is left out: messages are taken apart by their fields' numbers.

Reference: Protocol Buffers, "Encoding"; tensorflow/core/protobuf/saved_model.proto and meta_graph.proto.
"""

from collections.abc import Iterator
from pathlib import Path

from google.protobuf import message
from tensorflow.core.protobuf import meta_graph_pb2

TAG = "serve"

_META_GRAPH = 2  # of SavedModel
_INFO, _SAVER, _SIGNATURES = 1, 3, 5  # of MetaGraphDef
_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5  # kinds of fields
# of TensorFlow 1: a graph with these cannot run operation after operation
_OLD_CONTROL_FLOW = ("Switch", "Merge", "Enter", "Exit", "NextIteration", "LoopCond")
_OPERATION = 0x12  # before a node's operation: field 2, with a length


def read_outline(path: Path) -> meta_graph_pb2.MetaGraphDef:
    """Reads what the graph of the tag `serve` is and its signatures, not the graph.

    Args:
      path: Folder of the SavedModel.

    Raises:
      OSError: It cannot be read.
      ValueError: It is damaged.
      LookupError: It has no graph to be served, or not the variables for it.
    """
    content = memoryview((path / "saved_model.pb").read_bytes())
    for number, graph in _fields(content):
        if number == _META_GRAPH:
            meta_graph = _without_graph(graph)
            if TAG in meta_graph.meta_info_def.tags:
                _check_variables(path, meta_graph)
                return meta_graph
    raise LookupError(f"no graph of {path} has the tag {TAG}")


def needs_threads(path: Path) -> bool:
    """Whether a SavedModel has control flow of TensorFlow 1.

    Raises:
      OSError: It cannot be read.
    """
    content = (path / "saved_model.pb").read_bytes()
    return any(
        bytes([_OPERATION, len(name)]) + name.encode() in content
        for name in _OLD_CONTROL_FLOW
    )


def _check_variables(path: Path, meta_graph: meta_graph_pb2.MetaGraphDef) -> None:
    # TensorFlow takes a model without its variables for one that never had any
    index = path / "variables" / "variables.index"
    if meta_graph.saver_def.restore_op_name and not index.is_file():
        raise LookupError(f"{path} lacks the values of its variables")


def _without_graph(meta_graph: memoryview) -> meta_graph_pb2.MetaGraphDef:
    outline = meta_graph_pb2.MetaGraphDef()
    for number, value in _fields(meta_graph):
        if number in (_INFO, _SAVER, _SIGNATURES):
            kept = _tagged(number, bytes(value))
            try:
                outline.MergeFromString(kept)
            except message.DecodeError as error:
                raise ValueError(f"a damaged message: {error}") from None
    return outline


def _tagged(number: int, value: bytes) -> bytes:
    size, n_bytes = b"", len(value)
    while n_bytes > 0x7F:
        size += bytes([n_bytes & 0x7F | 0x80])
        n_bytes >>= 7
    return bytes([number << 3 | _LENGTH]) + size + bytes([n_bytes]) + value


def _fields(content: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Takes a message apart: numbers and values of those of its fields that have a length."""
    place = 0
    while place < len(content):
        key, place = _varint(content, place)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            _, place = _varint(content, place)
        elif kind == _LENGTH:
            n_bytes, place = _varint(content, place)
            place += n_bytes
            if place > len(content):
                raise ValueError("a message ends early")
            yield number, content[place - n_bytes : place]
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            place += 8 if kind == _EIGHT_BYTES else 4
        else:
            raise ValueError("bytes that are no message")


def _varint(content: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        if place >= len(content):
            raise ValueError("a message ends early")
        value |= (content[place] & 0x7F) << shift
        place += 1
        if content[place - 1] < 0x80:
            return value, place
        shift += 7
    raise ValueError("a number that does not end")
