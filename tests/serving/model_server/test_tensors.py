"""TensorProto and NumPy: TensorFlow's own conversion is the oracle."""

import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, types_pb2

from serving.model_server.status import ServingError
from serving.model_server.tensors import fill, from_array, to_array

TYPES = [
    np.float32, np.float64, np.float16, ml_dtypes.bfloat16, np.int8, np.int16, np.int32, np.int64,
    np.uint8, np.uint16, np.uint32, np.uint64, np.bool_, np.complex64, np.complex128,
]  # fmt: skip
SHAPES = [(), (0,), (3,), (2, 3), (5, 0, 2), (7, 11, 2)]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_arrays_travel(dtype, shape, rng):
    array = (100 * rng.standard_normal(shape)).astype(dtype)
    proto = from_array(array)
    np.testing.assert_array_equal(tf.make_ndarray(proto), array)
    read = to_array(proto)
    assert (read.dtype, read.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(read, array)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_what_tensorflow_writes_is_read(dtype, shape, rng):
    array = (100 * rng.standard_normal(shape)).astype(dtype)
    np.testing.assert_array_equal(to_array(tf.make_tensor_proto(array)), array)


@pytest.mark.parametrize("dtype", TYPES)
def test_typed_fields_are_read(dtype):
    for values in ([1], [1, 0, 1]):  # one value, and the last one repeated
        wide = dtype(0).dtype.kind == "c"
        proto = tensor_pb2.TensorProto(dtype=tf.as_dtype(dtype).as_datatype_enum)
        for size in (2, 3):
            proto.tensor_shape.dim.add().size = size
        small = from_array(np.array(values, dtype))
        for field, value in small.ListFields():
            if field.name.endswith("_val"):
                getattr(proto, field.name).extend(value)
                assert len(value) == len(values) * (2 if wide else 1)
        np.testing.assert_array_equal(to_array(proto), tf.make_ndarray(proto))


def test_strings_travel():
    array = np.array([[b"", b"\x00\xff"], [b"a", b"bc\x00"]], object)
    proto = from_array(array)
    assert to_array(proto).tolist() == array.tolist()
    assert tf.make_ndarray(proto).tolist() == array.tolist()
    assert to_array(from_array(np.array(["ö"]))).tolist() == ["ö".encode()]


def test_nothing_at_all_is_zeros():
    proto = tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT)
    proto.tensor_shape.dim.add().size = 4
    assert to_array(proto).tolist() == [0.0] * 4


def test_many_values_go_as_content_and_few_as_values():
    assert from_array(np.ones(3, np.float32)).float_val == [1.0] * 3
    many = from_array(np.ones(1000, np.float32))
    assert len(many.tensor_content) == 4000
    assert not many.float_val


def test_reading_content_copies_nothing():
    proto = from_array(np.arange(1000, dtype=np.float32))
    assert not to_array(proto).flags.owndata


@pytest.mark.parametrize("sizes", [[-1], [2**40], [2**31, 2**31], [2**62, 4]])
def test_shapes_that_would_be_bombs_are_refused(sizes):
    proto = tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, float_val=[1.0])
    for size in sizes:
        proto.tensor_shape.dim.add().size = size
    with pytest.raises(ServingError):
        to_array(proto)


def test_types_without_values_are_refused():
    for number in (types_pb2.DT_RESOURCE, types_pb2.DT_VARIANT, 0, 999):
        with pytest.raises(ServingError, match="holds no values"):
            to_array(tensor_pb2.TensorProto(dtype=number))
    with pytest.raises(ServingError, match="no type of tensors"):
        fill(tensor_pb2.TensorProto(), np.array([np.datetime64("2026-01-01")]))
