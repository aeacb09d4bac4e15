"""Operations as TensorFlow computes them and as ONNX Runtime does."""

import sys

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose

from amadeus.errors import ConfigError, VoiceError
from amadeus.export import onnx_file

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

OPERATIONS = {
    "arithmetic": lambda x: tf.abs(x) * 2 - x / 3 + tf.square(x) - (-x),
    "curves": lambda x: tf.exp(-tf.abs(x)) + tf.tanh(x) + tf.nn.relu(tf.sigmoid(x)),
    "roots": lambda x: tf.sqrt(tf.abs(x)) + tf.math.rsqrt(tf.abs(x) + 1) ** 1.5,
    "logarithm": lambda x: tf.math.log(tf.abs(x) + 1),
    "leak": lambda x: tf.nn.leaky_relu(x, alpha=0.3),
    "limits": lambda x: tf.clip_by_value(x, -0.5, 0.5),
    "choice": lambda x: tf.where(x > 0, x, 2.0) + tf.where(x < -1, 1.0, x),
    "equality": lambda x: tf.where(tf.maximum(x, 0) == 0, 7.0, x),
    "cast": lambda x: tf.cast(x > 0, tf.float32),
    "mean": lambda x: tf.reduce_mean(x, -1, keepdims=True) + tf.reduce_mean(x, [0, 1]),
    "sum": lambda x: tf.reduce_sum(x, 1) + tf.reduce_sum(x, -1, keepdims=True)[:, 0],
    "product": lambda x: x @ tf.constant(np.eye(4, 3), tf.float32),
    "split": lambda x: tf.concat(tf.split(x, [1, 3], -1)[::-1], 2) + x,
    "even split": lambda x: tf.concat(tf.split(x, 2, axis=-1)[::-1], axis=-1),
    "stack": lambda x: tf.stack([x, 2 * x], axis=-1) + tf.stack([x, x], 3),
    "gather": lambda x: tf.gather([5.0, 6.0], tf.cast(x > 0, tf.int32)),
    "cuts": lambda x: x[:, 1:, None, ::2] + x[:, :1, None, 1:3],
    "one frame": lambda x: x[0] + x[1, 2],
    "last": lambda x: x[..., -1],
    "backwards": lambda x: tf.concat([x[:, -2:], x[:, :1]], axis=1),
    "shapes": lambda x: tf.squeeze(tf.expand_dims(tf.reshape(x, [3, 2, 1, 4]), 0), 3),
    "a constant": lambda x: x + tf.cast(tf.range(4), tf.float32),
}


def play(operation, value):
    """What ONNX Runtime makes of an operation."""

    @tf.function(
        input_signature=[tf.TensorSpec(value.shape, tf.float32, "x")], autograph=False
    )
    def function(x):
        return {"x": operation(x)}

    graph = onnx_file.translate(function.get_concrete_function(), name="test")
    opset = onnx.helper.make_opsetid("", onnx_file.OPSET)
    model = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(["next_x"], {"x": value})[0]


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_computes_the_same(name, rng):
    value = rng.normal(size=[2, 3, 4]).astype(np.float32)
    expected = OPERATIONS[name](tf.constant(value)).numpy()
    result = play(OPERATIONS[name], value)
    assert result.shape == expected.shape
    assert_allclose(result, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        (tf.math.erf, "Erf"),
        (lambda x: tf.linalg.matmul(x, x, transpose_b=True), "BatchMatMulV2"),
        (lambda x: x[:, ::-1], "StridedSlice"),
    ],
)
def test_an_operation_without_translation_is_named(operation, kind, rng):
    value = rng.normal(size=[2, 3, 4]).astype(np.float32)
    with pytest.raises(VoiceError, match=f"operation {kind} .*--format=tflite"):
        play(operation, value)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ConfigError, match="pip install onnx"):
        onnx_file.import_onnx()
