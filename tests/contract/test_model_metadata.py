"""GetModelMetadata, after get_model_metadata_impl_test.cc."""

import grpc
from tensorflow.core.framework import types_pb2

from tests.contract.expectations import fails


def test_get_model_metadata(served):
    answer, signatures = served.metadata("several")
    assert answer.model_spec.name == "several"
    assert answer.model_spec.version.value == 1
    both = signatures["serving_default"]
    assert both.method_name == "tensorflow/serving/predict"
    assert {name: info.dtype for name, info in both.inputs.items()} == {
        "a": types_pb2.DT_FLOAT,
        "b": types_pb2.DT_INT32,
    }
    assert [dim.size for dim in both.inputs["a"].tensor_shape.dim] == [-1]
    assert set(both.outputs) == {"total", "twice"}
    assert set(signatures["negative"].inputs) == {"a"}


def test_version_and_label_choose(served):
    assert served.metadata("two_versions")[0].model_spec.version.value == 124
    answer, _ = served.metadata("two_versions", version=123)
    assert answer.model_spec.version.value == 123


def test_a_model_without_signatures_has_none_to_tell(served):
    _, signatures = served.metadata("no_signatures")
    assert "serving_default" not in signatures


def test_missing_model_spec(served):
    with fails(grpc.StatusCode.INVALID_ARGUMENT, "Missing ModelSpec"):
        served.metadata(None)


def test_missing_metadata_field(served):
    text = "GetModelMetadataRequest must specify at least one metadata_field"
    with fails(grpc.StatusCode.INVALID_ARGUMENT, text):
        served.metadata("several", fields=())


def test_unsupported_metadata_field(served):
    with fails(grpc.StatusCode.INVALID_ARGUMENT, "is not supported"):
        served.metadata("several", fields=("signature_def", "weather"))


def test_unknown_model(served):
    text = "Servable not found for request: Latest(nobody)"
    with fails(grpc.StatusCode.NOT_FOUND, text):
        served.metadata("nobody")
