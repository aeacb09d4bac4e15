"""The REST API, after http_rest_api_handler_test.cc and json_tensor_test.cc."""

import math

import pytest

from tests.contract import fixture_models, server

AVAILABLE = {
    "state": "AVAILABLE",
    "status": {"error_code": "OK", "error_message": ""},
}
HALF = "/v1/models/half_plus_two:predict"
SEVERAL = "/v1/models/several:predict"
TEXTS = "/v1/models/texts:predict"


def error_of(reply, code):
    assert reply.code == code, reply
    assert set(reply.body) == {"error"}
    return reply.body["error"]


def test_predict_rest_row(served):
    reply = served.rest(HALF, {"instances": [2.0, 3.0, 4.0]})
    assert (reply.code, reply.body) == (200, {"predictions": [3.0, 3.5, 4.0]})
    assert reply.headers["Content-Type"].startswith("application/json")


def test_predict_rest_columnar(served):
    reply = served.rest(HALF, {"inputs": [[2.0, 3.0], [4.0, 5.0]]})
    assert reply.body == {"outputs": [[3.0, 3.5], [4.0, 4.5]]}


def test_predict_with_signature_version_and_label(reconfigured, models):
    body = {"signature_name": "serving_default", "instances": [2]}
    path = "/v1/models/two_versions"
    assert reconfigured.rest(f"{path}/versions/123:predict", body).body == {
        "predictions": [3.0]
    }
    assert reconfigured.rest(f"{path}:predict", body).body == {"predictions": [4.0]}
    fields = {"base_path": models["half_plus_two"], "version_labels": {"stable": 123}}
    reconfigured.reload(server.config(half_plus_two=fields))
    path = "/v1/models/half_plus_two/labels/stable:predict"
    assert reconfigured.rest(path, body).body == {"predictions": [3.0]}


def test_instances_of_named_tensors(served):
    rows = [{"a": 1.5, "b": 2}, {"a": 0, "b": -1}]
    reply = served.rest(SEVERAL, {"instances": rows})
    assert reply.body["predictions"] == [
        {"total": 3.5, "twice": 4},
        {"total": -1.0, "twice": -2},
    ]


def test_inputs_of_named_tensors(served):
    reply = served.rest(SEVERAL, {"inputs": {"a": [1.5], "b": [2]}})
    assert reply.body == {"outputs": {"total": [3.5], "twice": [4]}}


def test_numbers_are_written_as_short_as_they_can_be(served):
    reply = served.rest(HALF, {"instances": [0.1, 0.2]})
    assert reply.body == {"predictions": [2.05, 2.1]}


def test_nan_and_infinity(served):
    body = b'{"instances": [NaN, Infinity, -Infinity]}'
    values = served.rest(HALF, body).body["predictions"]
    assert math.isnan(values[0])
    assert values[1:] == [math.inf, -math.inf]


def test_strings_and_bytes(served):
    rows = ["plain", {"b64": "aGVsbG8="}]
    reply = served.rest(TEXTS, {"instances": rows})
    assert reply.body["predictions"] == [
        {"text": "plain!", "raw_bytes": {"b64": "cGxhaW4="}},
        {"text": "hello!", "raw_bytes": {"b64": "aGVsbG8="}},
    ]


def test_names_may_be_escaped(served):
    path = "/v1/models/half%5Fplus%5Ftwo:predict"
    assert served.rest(path, {"instances": [2]}).body == {"predictions": [3.0]}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/foo"),
        ("POST", "/v1/foo"),
        ("POST", "/v1/models"),
        ("GET", "/v1/models/foo:predict"),
        ("POST", "/v1/models/foo/version/50:predict"),
        ("POST", "/v1/models/foo/versions/HELLO:predict"),
        ("PUT", "/v1/models/foo:predict"),
    ],
)
def test_unsupported_api_calls(served, method, path):
    body = None if method == "GET" else b"{}"
    text = error_of(served.rest(path, body, method=method), 400)
    assert text.startswith("Malformed request")


def test_version_beyond_int64(served):
    path = f"/v1/models/foo/versions/{2**64 - 1}:predict"
    assert error_of(served.rest(path, b"{}"), 400).startswith(
        "Failed to convert version"
    )


def test_missing_model_name(served):
    text = error_of(served.rest("/v1/models"), 400)
    assert text.startswith("Missing model name")


def test_other_paths_are_not_found(served):
    assert served.rest("/index").code == 404


@pytest.mark.parametrize(
    "path",
    ["/v1/models/foo", "/v1/models/foo/versions/50", "/v1/models/half_plus_two99"],
)
def test_predict_model_name_version_errors(served, path):
    reply = served.rest(f"{path}:predict", {"instances": [1]})
    assert "Servable not found for request" in error_of(reply, 404)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "JSON Parse error: The document is empty"),
        (b"instances = [1, 2]", "JSON Parse error: Invalid value"),
        (b"[1]", "Is not object"),
        (b"{}", "Missing 'inputs' or 'instances' key"),
        (b'{"inputs": [1], "instances": [1]}', "expecting only one of"),
        (b'{"instances": 1}', "Excepting 'instances' to be an list/array"),
        (b'{"instances": []}', "No values in 'instances' array"),
        (b'{"instances": [1], "signature_name": 1}', "must be a string value"),
        (b'{"instances": ["1"]}', "not of expected type: float"),
        (b'{"instances": [true]}', "not of expected type: float"),
        (b'{"instances": [null]}', "not of expected type: float"),
        (b'{"instances": [[1], [2, 3]]}', ""),
        (b'{"instances": [[1], 2]}', ""),
        (b'{"instances": [1, [2]]}', ""),
        (b'{"instances": [1e39]}', "without loss of precision"),
        (b'{"instances": [{"y": 1}]}', "keys must be equal to"),
        (b'{"instances": [{"x": 1}, 2]}', "Expecting object but got list at item 1"),
        (b'{"instances": [1, {"x": 2}]}', "Expecting value/list but got object"),
        (b'{"signature_name": "sing", "instances": [1]}', '"sing" not found'),
        (b'{"inputs": {"y": [1]}}', "Missing named input: x"),
        (b"[" * 100_000, ""),
        (b'{"instances": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", ""),
        (b'{"instances": [' + b"9" * 100_000 + b"]}", ""),
        (b'{"instances": ["\xff"]}', "JSON Parse error"),
    ],
)
def test_predict_request_errors(served, body, text):
    assert text in error_of(served.rest(HALF, body), 400)
    assert served.rest(HALF, {"instances": [2]}).code == 200


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"instances": [1]}, "expecting list of objects"),
        ({"inputs": [1]}, "expecting an object as multiple"),
        ({"instances": [{"a": 1}]}, "keys must be equal to: a,b"),
        ({"instances": [{"a": 1, "b": 1.5}]}, "not of expected type: int32"),
        ({"instances": [{"a": 1, "b": 2**31}]}, "not of expected type: int32"),
    ],
)
def test_errors_of_named_tensors(served, body, text):
    assert text in error_of(served.rest(SEVERAL, body), 400)


@pytest.mark.parametrize(
    "value", [{"b64": "?"}, {"b64": "YQ==", "more": 1}, {"b32": "YQ=="}, 5]
)
def test_base64_that_is_none(served, value):
    error_of(served.rest(TEXTS, {"instances": [{"text": value}]}), 400)


@pytest.mark.skipif(bool(server.GRPC), reason="another server may support them")
@pytest.mark.parametrize("method", ["classify", "regress"])
def test_classify_and_regress_are_unimplemented(served, method):
    path = f"/v1/models/half_plus_two:{method}"
    error_of(served.rest(path, {"examples": [{"x": 1.0}]}), 501)


def test_get_status(served):
    told = served.rest("/v1/models/half_plus_two")
    wanted = {"model_version_status": [{"version": "123", **AVAILABLE}]}
    assert (told.code, told.body) == (200, wanted)
    assert served.rest("/v1/models/half_plus_two/versions/123").body == wanted


def test_get_status_of_nobody(served):
    text = error_of(served.rest("/v1/models/nobody"), 404)
    assert text == "Could not find any versions of model nobody"
    text = error_of(served.rest("/v1/models/half_plus_two/versions/7"), 404)
    assert text == "Could not find version 7 of model half_plus_two"


def test_get_model_metadata(served):
    body = served.rest("/v1/models/half_plus_two/metadata").body
    assert body["model_spec"] == {
        "name": "half_plus_two",
        "signature_name": "",
        "version": "123",
    }
    signature = body["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["inputs"]["x"]["dtype"] == "DT_FLOAT"
    assert signature["method_name"] == "tensorflow/serving/predict"


def test_prometheus_endpoint(served):
    served.rest(HALF, {"instances": [2]})
    served.half("half_plus_two")
    page = served.rest("/monitoring/prometheus/metrics")
    assert page.code == 200
    assert page.headers["Content-Type"].startswith("text/plain")
    lines = page.body.splitlines()
    assert "# TYPE :tensorflow:serving:request_count counter" in lines
    counted = (
        ':tensorflow:serving:request_count{model_name="half_plus_two",status="OK"}'
    )
    assert any(line.startswith(counted) for line in lines)
    assert "# TYPE :tensorflow:serving:request_latency histogram" in lines
    for entrypoint in ("GRPC", "REST"):
        count = [
            line
            for line in lines
            if line.startswith(":tensorflow:serving:request_latency_count")
            and f'entrypoint="{entrypoint}"' in line
            and 'model_name="half_plus_two"' in line
        ]
        assert float(count[0].split()[-1]) >= 1


@pytest.mark.skipif(bool(server.GRPC), reason="how others write a text is not known")
def test_prometheus_tells_the_mlmd_uuid(served):
    lines = served.rest("/monitoring/prometheus/metrics").body.splitlines()
    (line,) = [one for one in lines if one.startswith(":tensorflow:serving:mlmd_map")]
    assert f'mlmd_uuid="{fixture_models.MLMD_UUID}"' in line
    assert 'model_name="half_plus_two"' in line
    assert 'version="123"' in line
