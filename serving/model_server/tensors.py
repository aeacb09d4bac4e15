"""TensorProto and NumPy, both ways, without a detour over Python numbers.

What comes in may carry its values as `tensor_content` or in the typed fields. What goes out
carries few values in the typed field, where small clients look for them, and many as
`tensor_content`, which any client library reads fastest.
"""

import math
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, types_pb2

from serving.model_server.status import Code, ServingError, invalid

# Typed fields may say a value once for a tensor of any size: what a few bytes may become is bounded.
MAX_FILLED_BYTES = 1 << 28
_MAX_FIELD_VALUES = 64  # more go out as tensor_content
_MAX_RANK = 254  # TensorFlow's own

_FIELDS = {
    types_pb2.DT_FLOAT: "float_val",
    types_pb2.DT_DOUBLE: "double_val",
    types_pb2.DT_INT32: "int_val",
    types_pb2.DT_INT16: "int_val",
    types_pb2.DT_INT8: "int_val",
    types_pb2.DT_UINT16: "int_val",
    types_pb2.DT_UINT8: "int_val",
    types_pb2.DT_STRING: "string_val",
    types_pb2.DT_COMPLEX64: "scomplex_val",
    types_pb2.DT_COMPLEX128: "dcomplex_val",
    types_pb2.DT_INT64: "int64_val",
    types_pb2.DT_BOOL: "bool_val",
    types_pb2.DT_HALF: "half_val",
    types_pb2.DT_BFLOAT16: "half_val",
    types_pb2.DT_UINT32: "uint32_val",
    types_pb2.DT_UINT64: "uint64_val",
}
_TYPES = {number: np.dtype(tf.as_dtype(number).as_numpy_dtype) for number in _FIELDS}
_NUMBERS = {
    dtype: number for number, dtype in _TYPES.items() if dtype != np.dtype(object)
}
_BITS = {"half_val"}  # values are stored as the 16 bits they are
_PAIRS = {"scomplex_val", "dcomplex_val"}


def to_array(proto: tensor_pb2.TensorProto) -> np.ndarray:
    """Reads a tensor. The array may be read-only: it shares what it was read from.

    Raises:
      ServingError: INVALID_ARGUMENT for a type that has no values, or a shape they do not fit.
    """
    dtype = _TYPES.get(proto.dtype)
    if dtype is None:
        raise invalid(f"a tensor of type {_type_name(proto.dtype)} holds no values")
    shape = _shape(proto)
    content = proto.tensor_content
    if not content:
        return _from_field(proto, dtype, shape)
    if len(content) != math.prod(shape) * dtype.itemsize or dtype.hasobject:
        raise invalid(
            f"a tensor of shape {list(shape)} and type {dtype.name} does not fit {len(content)} bytes of content"
        )
    return np.frombuffer(content, dtype).reshape(shape)


def fill(proto: tensor_pb2.TensorProto, array: np.ndarray) -> None:
    """Writes an array into an empty TensorProto.

    Raises:
      ServingError: UNIMPLEMENTED for a type that tensors do not have.
    """
    array = np.asarray(array)
    number = type_number(array.dtype)
    proto.dtype = number
    dims = proto.tensor_shape.dim
    for size in array.shape:
        dims.add().size = size
    if number == types_pb2.DT_STRING:
        proto.string_val.extend(as_bytes(value) for value in array.flat)
    elif array.size > _MAX_FIELD_VALUES:
        proto.tensor_content = array.tobytes()
    else:
        _fill_field(proto, array)


def from_array(array: np.ndarray) -> tensor_pb2.TensorProto:
    """Makes the TensorProto of an array.

    Raises:
      ServingError: UNIMPLEMENTED for a type that tensors do not have.
    """
    proto = tensor_pb2.TensorProto()
    fill(proto, array)
    return proto


def numpy_type(number: int) -> np.dtype | None:
    """Names the NumPy type of a DataType; `object` for strings, None where there is none."""
    return _TYPES.get(number)


def _shape(proto: tensor_pb2.TensorProto) -> tuple[int, ...]:
    shape = tuple([dim.size for dim in proto.tensor_shape.dim])
    if proto.tensor_shape.unknown_rank or len(shape) > _MAX_RANK:
        raise invalid("a tensor needs a shape of known and reasonable rank")
    if shape and min(shape) < 0:
        raise invalid(f"a tensor cannot have the shape {list(shape)}")
    return shape


def _from_field(
    proto: tensor_pb2.TensorProto, dtype: np.dtype, shape: tuple[int, ...]
) -> np.ndarray:
    size = math.prod(shape)
    values = _field_values(proto, dtype)
    if len(values) == size:
        return values.reshape(shape)
    if len(values) > size:
        raise invalid(
            f"a tensor of shape {list(shape)} takes {size} values, not {len(values)}"
        )
    if size * dtype.itemsize > MAX_FILLED_BYTES:
        raise invalid(
            f"a tensor of shape {list(shape)} is too large to be filled from {len(values)} values"
        )
    # as TensorFlow does: the last value stands for the rest, and nothing for zeros
    last = values[-1] if len(values) else (b"" if dtype.hasobject else 0)
    filled = np.full(size, last, dtype)
    filled[: len(values)] = values
    return filled.reshape(shape)


def _field_values(proto: tensor_pb2.TensorProto, dtype: np.dtype) -> np.ndarray:
    name = _FIELDS[proto.dtype]
    values = getattr(proto, name)
    if name in _PAIRS:
        half = np.float32 if name == "scomplex_val" else np.float64
        return np.array(values[: len(values) // 2 * 2], half).view(dtype)
    if name in _BITS:
        return np.array(values, np.int64).astype(np.uint16).view(dtype)
    if name == "int_val":  # of narrow types too, whose values may not fit
        return np.array(values, np.int64).astype(dtype)
    return np.array(values, dtype)


def _fill_field(proto: tensor_pb2.TensorProto, array: np.ndarray) -> None:
    name = _FIELDS[proto.dtype]
    if name in _BITS:
        array = array.view(np.uint16)
    elif name in _PAIRS:
        array = np.ascontiguousarray(array).reshape(-1).view(array.real.dtype)
    getattr(proto, name).extend(array.ravel().tolist())


def type_number(dtype: np.dtype) -> int:
    """Names the DataType of a NumPy type.

    Raises:
      ServingError: UNIMPLEMENTED for a type that tensors do not have.
    """
    if dtype.kind in "OSU":
        return types_pb2.DT_STRING
    try:
        return _NUMBERS[dtype]
    except KeyError:
        raise ServingError(
            Code.UNIMPLEMENTED, f"{dtype.name} is no type of tensors"
        ) from None


def as_bytes(value: Any) -> bytes:
    """Writes an element of a tensor of strings as the bytes it is."""
    return value.encode() if isinstance(value, str) else bytes(value)


def _type_name(number: int) -> str:
    try:
        return types_pb2.DataType.Name(number)
    except ValueError:
        return str(number)
