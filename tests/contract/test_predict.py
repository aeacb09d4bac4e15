"""Predict, after tensorflow_model_server_test.py and predict_impl_test.cc."""

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    inference_pb2,
    predict_pb2,
    regression_pb2,
)

from tests.contract import server
from tests.contract.expectations import fails

X = {"x": np.float32([2.0])}


def test_predict_saved_model(served):
    answer = served.predict("half_plus_two", X, outputs=["y"])
    assert answer.outputs["y"].dtype == types_pb2.DT_FLOAT
    assert answer.outputs["y"].float_val == [3.0]
    assert answer.model_spec.name == "half_plus_two"
    assert answer.model_spec.signature_name == "serving_default"
    assert answer.model_spec.version.value == 123


def test_good_model_config(served):
    assert served.half("half_plus_two") == 3.0
    assert served.half("half_plus_three") == 4.0


def test_all_outputs_come_without_a_filter(served):
    inputs = {"a": np.float32([1, 2]), "b": np.int32([3, 4])}
    answer = served.predict("several", inputs)
    assert set(answer.outputs) == {"total", "twice"}
    np.testing.assert_array_equal(tf.make_ndarray(answer.outputs["total"]), [4, 6])
    assert set(served.predict("several", inputs, outputs=["twice"]).outputs) == {
        "twice"
    }


def test_tf_saved_model_multiple_signatures(served):
    answer = served.predict("several", {"a": np.float32([1, -2])}, signature="negative")
    assert answer.model_spec.signature_name == "negative"
    np.testing.assert_array_equal(tf.make_ndarray(answer.outputs["negative"]), [-1, 2])


def test_large_tensors_both_ways(served):
    x = np.linspace(-1, 1, 2_000_000, dtype=np.float32).reshape(2, 1000, 1000)
    answer = served.predict("half_plus_two", {"x": x})
    np.testing.assert_allclose(tf.make_ndarray(answer.outputs["y"]), x / 2 + 2)


def test_a_typed_field_may_hold_one_value_for_all(served):
    proto = tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, float_val=[4.0])
    proto.tensor_shape.dim.add().size = 3
    answer = served.predict("half_plus_two", {"x": proto})
    assert tf.make_ndarray(answer.outputs["y"]).tolist() == [4.0] * 3


def test_strings_travel(served):
    answer = served.predict("texts", {"text": np.array([b"\xff\x00", b""], object)})
    assert list(answer.outputs["text"].string_val) == [b"\xff\x00!", b"!"]


def test_missing_model_spec(served):
    with fails(grpc.StatusCode.INVALID_ARGUMENT, "Missing ModelSpec"):
        served.predictions.Predict(predict_pb2.PredictRequest())


def test_empty_model_name(served):
    with fails(grpc.StatusCode.INVALID_ARGUMENT, "ModelSpec has no name specified."):
        served.predict("", X)


def test_unknown_model(served):
    text = "Servable not found for request: Latest(nobody)"
    with fails(grpc.StatusCode.NOT_FOUND, text):
        served.predict("nobody", X)


def test_unknown_version(served):
    text = "Servable not found for request: Specific(half_plus_two, 7)"
    with fails(grpc.StatusCode.NOT_FOUND, text):
        served.predict("half_plus_two", X, version=7)


def test_unknown_label(served):
    text = "Unrecognized servable version label: best"
    with fails(grpc.StatusCode.INVALID_ARGUMENT, text):
        served.predict("half_plus_two", X, label="best")


def test_unknown_signature(served):
    text = 'Serving signature key "sing" not found.'
    with fails(grpc.StatusCode.FAILED_PRECONDITION, text):
        served.predict("half_plus_two", X, signature="sing")


def test_missing_signature_of_a_model_without_any(served):
    text = 'Serving signature key "serving_default" not found.'
    with fails(grpc.StatusCode.FAILED_PRECONDITION, text):
        served.predict("no_signatures", X)


def test_input_size_does_not_match(served):
    text = (
        "input size does not match signature: 1!=2 len({c}) != len({a,b}). Sent extra: {c}. "
        "Missing but required: {a,b}."
    )
    with fails(grpc.StatusCode.INVALID_ARGUMENT, text):
        served.predict("several", {"c": np.float32([1])})
    text = "1!=2 len({a}) != len({a,b}). Sent extra: {}. Missing but required: {b}."
    with fails(grpc.StatusCode.INVALID_ARGUMENT, text):
        served.predict("several", {"a": np.float32([1])})
    with fails(
        grpc.StatusCode.INVALID_ARGUMENT, "input size does not match signature: 2!=1"
    ):
        served.predict("half_plus_two", {**X, "z": np.float32([1])})


def test_input_of_another_name(served):
    text = "input tensor alias not found in signature: z. Inputs expected to be in the set {x}."
    with fails(grpc.StatusCode.INVALID_ARGUMENT, text):
        served.predict("half_plus_two", {"z": np.float32([1])})


def test_output_filter_of_another_name(served):
    text = "output tensor alias not found in signature: z Outputs expected to be in the set {y}."
    with fails(grpc.StatusCode.INVALID_ARGUMENT, text):
        served.predict("half_plus_two", X, outputs=["z"])


def test_output_filter_twice_the_same(served):
    with fails(grpc.StatusCode.INVALID_ARGUMENT, "duplicate output tensor alias: y"):
        served.predict("half_plus_two", X, outputs=["y", "y"])


def test_input_of_another_type(served):
    with fails(grpc.StatusCode.INVALID_ARGUMENT, ""):
        served.predict("half_plus_two", {"x": np.int64([1])})


def test_shapes_that_cannot_be_added(served):
    with fails(grpc.StatusCode.INVALID_ARGUMENT, "Incompatible shapes"):
        served.predict("several", {"a": np.ones(2, np.float32), "b": np.int32([1] * 3)})


@pytest.mark.parametrize(
    "damage",
    [
        lambda proto: setattr(proto, "tensor_content", b"123"),
        lambda proto: setattr(proto.tensor_shape.dim[0], "size", -5),
        lambda proto: setattr(proto, "dtype", types_pb2.DT_RESOURCE),
        lambda proto: proto.float_val.extend([1.0, 2.0, 3.0]),
    ],
)
def test_tensors_that_are_none(served, damage):
    proto = tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT)
    proto.tensor_shape.dim.add().size = 2
    damage(proto)
    with fails(grpc.StatusCode.INVALID_ARGUMENT, "tensor parsing error"):
        served.predict("half_plus_two", {"x": proto})


def test_the_deadline_is_the_clients(served):
    with fails(grpc.StatusCode.DEADLINE_EXCEEDED, ""):
        served.predict("slow", {"n": np.int32(2_000_000)}, timeout=0.1)
    assert served.half("half_plus_two") == 3.0  # others are answered meanwhile


def test_a_cancelled_call_leaves_the_server_well(served):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "slow"
    request.inputs["n"].CopyFrom(tf.make_tensor_proto(np.int32(300_000)))
    calls = [served.predictions.Predict.future(request, timeout=30) for _ in range(40)]
    for call in calls:
        call.cancel()
    assert served.half("half_plus_two") == 3.0


@pytest.mark.skipif(bool(server.GRPC), reason="another server may support them")
@pytest.mark.parametrize(
    ("method", "request_class"),
    [
        ("Classify", classification_pb2.ClassificationRequest),
        ("Regress", regression_pb2.RegressionRequest),
        ("MultiInference", inference_pb2.MultiInferenceRequest),
    ],
)
def test_classify_regress_multi_inference_are_unimplemented(
    served, method, request_class
):
    with fails(grpc.StatusCode.UNIMPLEMENTED, method):
        getattr(served.predictions, method)(request_class())
