"""Requests of the protocol, answered by a `ModelServer`: what gRPC and HTTP have in common.

Texts and codes are TF Serving's own; tests/contract holds them to it.
"""

from typing import Any

from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    predict_pb2,
)

from serving.model_server.core import ModelServer
from serving.model_server.lease import Lease
from serving.model_server.servable import DEFAULT_SIGNATURE
from serving.model_server.states import Status
from serving.model_server.status import Code, NotFoundError, ServingError, invalid
from serving.model_server.tensors import fill, to_array

SIGNATURE_FIELD = "signature_def"


def acquire(models: ModelServer, spec: model_pb2.ModelSpec) -> Lease:
    """Holds the model a request asks for.

    Raises:
      ServingError: The spec names none that is served.
    """
    if not spec.name:
        raise invalid("ModelSpec has no name specified.")
    choice = spec.WhichOneof("version_choice")
    return models.acquire(
        spec.name,
        spec.version.value if choice == "version" else None,
        spec.version_label if choice == "version_label" else None,
    )


def predict(
    models: ModelServer,
    request: predict_pb2.PredictRequest,
    timeout_s: float | None = None,
) -> predict_pb2.PredictResponse:
    """Answers Predict.

    Args:
      models: To ask.
      request: What.
      timeout_s: When the client waits no longer.

    Raises:
      ServingError: The request does not fit, or the model fails.
    """
    _require_spec(request)
    spec = request.model_spec
    with acquire(models, spec) as lease:
        name = spec.signature_name or DEFAULT_SIGNATURE
        lease.model.signature(name)  # a wrong signature is told before a wrong tensor
        inputs = {
            alias: _parse(alias, proto) for alias, proto in request.inputs.items()
        }
        outputs = lease.model.call(
            name, inputs, request.output_filter, timeout_s=timeout_s
        )
        response = predict_pb2.PredictResponse()
        _describe(response.model_spec, lease, name)
    for alias, array in outputs.items():
        fill(response.outputs[alias], array)
    return response


def get_model_metadata(
    models: ModelServer, request: get_model_metadata_pb2.GetModelMetadataRequest
) -> get_model_metadata_pb2.GetModelMetadataResponse:
    """Answers GetModelMetadata.

    Raises:
      ServingError: The request asks for another field or for a model that is not served.
    """
    _require_spec(request)
    if not request.metadata_field:
        raise invalid(
            "GetModelMetadataRequest must specify at least one metadata_field"
        )
    for field in request.metadata_field:
        if field != SIGNATURE_FIELD:
            raise invalid(f"Metadata field {field} is not supported")
    response = get_model_metadata_pb2.GetModelMetadataResponse()
    with acquire(models, request.model_spec) as lease:
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for name, signature in lease.model.signature_defs.items():
            signatures.signature_def[name].CopyFrom(signature)
        _describe(response.model_spec, lease, "")
    response.metadata[SIGNATURE_FIELD].Pack(signatures)
    return response


def get_model_status(
    models: ModelServer, request: get_model_status_pb2.GetModelStatusRequest
) -> get_model_status_pb2.GetModelStatusResponse:
    """Answers GetModelStatus.

    Raises:
      ServingError: Nothing was ever heard of the model or version.
    """
    _require_spec(request)
    spec = request.model_spec
    statuses = models.statuses(spec.name)
    number = _asked_version(models, spec)
    if number is not None and number not in statuses:
        raise NotFoundError(f"Could not find version {number} of model {spec.name}")
    if not statuses:
        raise NotFoundError(f"Could not find any versions of model {spec.name}")
    response = get_model_status_pb2.GetModelStatusResponse()
    for version, status in statuses.items():
        if number in (None, version):
            _report(response.model_version_status.add(), version, status)
    return response


def _require_spec(request: Any) -> None:
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")


def _asked_version(models: ModelServer, spec: model_pb2.ModelSpec) -> int | None:
    choice = spec.WhichOneof("version_choice")
    if choice == "version_label":
        return models.labelled(spec.name, spec.version_label)
    return spec.version.value if choice == "version" else None


def _parse(alias: str, proto: Any) -> Any:
    try:
        return to_array(proto)
    except ServingError as error:
        raise invalid(f"tensor parsing error: {alias}: {error.text}") from None


def _describe(spec: model_pb2.ModelSpec, lease: Lease, signature_name: str) -> None:
    spec.name = lease.name
    spec.version.value = lease.version
    spec.signature_name = signature_name


def _report(target: Any, version: int, status: Status) -> None:
    target.version = version
    target.state = int(status.state)
    target.status.error_code = int(status.code)
    target.status.error_message = status.error.text if status.error else ""


def error_code(error: Exception) -> Code:
    """Tells the code of whatever was raised."""
    return error.code if isinstance(error, ServingError) else Code.INTERNAL
