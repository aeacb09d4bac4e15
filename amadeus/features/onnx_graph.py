"""Writes small networks in ONNX's format, so that ONNX Runtime runs weights that come without a graph.

ONNX files are Protocol Buffers; the few messages a graph needs are encoded here by their numbers.

Reference: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

_FLOAT = 1  # TensorProto.DataType
_IR_VERSION, _OPSET = 8, 15
_ATTRIBUTE_FLOAT, _ATTRIBUTE_INT, _ATTRIBUTE_INTS = 1, 2, 7  # AttributeProto.Type

Attribute = float | int | Sequence[int]


class Node(NamedTuple):
    """One operation.

    Attributes:
      operation: As ONNX names it, such as `Conv`.
      inputs: Names of tensors.
      output: Name of the one tensor it makes.
      attributes: By name.
    """

    operation: str
    inputs: Sequence[str]
    output: str
    attributes: Mapping[str, Attribute] = {}


def encode_model(
    nodes: Sequence[Node],
    weights: Mapping[str, np.ndarray],
    *,
    given: tuple[str, Sequence[int]],
    wanted: tuple[str, Sequence[int]],
) -> bytes:
    """Encodes a network as an ONNX file.

    Args:
      nodes: In the order they run.
      weights: Float tensors by name.
      given: Name of the input, and its shape after the batch.
      wanted: Name of the output, and its shape after the batch.
    """
    graph = [_field(1, _node(node)) for node in nodes]
    graph.append(_field(2, b"network"))
    graph += [_field(5, _tensor(name, value)) for name, value in weights.items()]
    graph += [_field(11, _value(*given)), _field(12, _value(*wanted))]
    opset = _field(8, _field(2, _OPSET))
    return _field(1, _IR_VERSION) + _field(7, b"".join(graph)) + opset


def _node(node: Node) -> bytes:
    parts = [_field(1, name.encode()) for name in node.inputs]
    parts += [_field(2, node.output.encode()), _field(4, node.operation.encode())]
    parts += [_field(5, _attribute(*item)) for item in node.attributes.items()]
    return b"".join(parts)


def _attribute(name: str, value: Attribute) -> bytes:
    named = _field(1, name.encode())
    if isinstance(value, float):
        raw = np.float32(value).tobytes()
        return named + _key(2, 5) + raw + _field(20, _ATTRIBUTE_FLOAT)
    if isinstance(value, int):
        return named + _field(3, value) + _field(20, _ATTRIBUTE_INT)
    listed = b"".join(_field(8, number) for number in value)
    return named + listed + _field(20, _ATTRIBUTE_INTS)


def _tensor(name: str, value: np.ndarray) -> bytes:
    dims = b"".join(_field(1, size) for size in value.shape)
    raw = np.ascontiguousarray(value, "<f4").tobytes()
    return dims + _field(2, _FLOAT) + _field(8, name.encode()) + _field(9, raw)


def _value(name: str, shape: Sequence[int]) -> bytes:
    batch = _field(1, _field(2, b"n_frames"))
    sizes = b"".join(_field(1, _field(1, size)) for size in shape)
    tensor = _field(1, _FLOAT) + _field(2, batch + sizes)
    return _field(1, name.encode()) + _field(2, _field(1, tensor))


def _field(number: int, value: int | bytes) -> bytes:
    """A numbered field: an integer as it is, bytes with their length."""
    if isinstance(value, int):
        return _key(number, 0) + _varint(value)
    return _key(number, 2) + _varint(len(value)) + value


def _key(number: int, wire_type: int) -> bytes:
    return _varint(number << 3 | wire_type)


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; all but the last byte are marked."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])
