"""The server under test: the one named by the environment, or the embedded one as a process."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import NamedTuple

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)
from tensorflow_serving.config import model_server_config_pb2

from tests import processes

GRPC = os.environ.get("AMADEUS_CONTRACT_GRPC", "")
REST = os.environ.get("AMADEUS_CONTRACT_REST", "")
MODELS = os.environ.get("AMADEUS_CONTRACT_MODELS", "")
TIMEOUT_S = 60.0
_STATES = get_model_status_pb2.ModelVersionStatus.State


class Reply(NamedTuple):
    """What HTTP answered: the body as JSON where it is some."""

    code: int
    body: object
    headers: object


def config(**models):
    """A ModelServerConfig of name=base path, or name=ModelConfig's further fields with base_path."""
    message = model_server_config_pb2.ModelServerConfig()
    message.model_config_list.SetInParent()
    for name, fields in models.items():
        fields = fields if isinstance(fields, dict) else {"base_path": fields}
        fields = {**fields, "base_path": str(fields["base_path"])}
        message.model_config_list.config.add(
            name=name, **{"model_platform": "tensorflow", **fields}
        )
    return message


class Server:
    """Asks a server as its clients do."""

    def __init__(self, grpc_address, rest_address):
        self.rest_address = rest_address
        self.channel = grpc.insecure_channel(
            grpc_address, options=[("grpc.max_receive_message_length", -1)]
        )
        self.predictions = prediction_service_pb2_grpc.PredictionServiceStub(
            self.channel
        )
        self.models = model_service_pb2_grpc.ModelServiceStub(self.channel)

    def predict(
        self,
        name,
        inputs,
        *,
        signature="",
        outputs=(),
        timeout=TIMEOUT_S,
        **version_choice,
    ):
        """Predict with arrays or TensorProtos; PredictResponse."""
        request = predict_pb2.PredictRequest(output_filter=outputs)
        fill_spec(request.model_spec, name, signature, **version_choice)
        for key, value in inputs.items():
            proto = (
                value if hasattr(value, "DESCRIPTOR") else tf.make_tensor_proto(value)
            )
            request.inputs[key].CopyFrom(proto)
        return self.predictions.Predict(request, timeout=timeout)

    def half(self, name, x=2.0, **choice):
        """What a line makes of x."""
        answer = self.predict(name, {"x": np.float32([x])}, **choice)
        return tf.make_ndarray(answer.outputs["y"]).tolist()[0]

    def status(self, name, **version_choice):
        """GetModelStatus: version -> (state, error code, text)."""
        request = get_model_status_pb2.GetModelStatusRequest()
        fill_spec(request.model_spec, name, **version_choice)
        answer = self.models.GetModelStatus(request, timeout=TIMEOUT_S)
        return {
            one.version: (
                _STATES.Name(one.state),
                one.status.error_code,
                one.status.error_message,
            )
            for one in answer.model_version_status
        }

    def metadata(self, name, fields=("signature_def",), **version_choice):
        """GetModelMetadata: the response and its signatures."""
        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
        fill_spec(request.model_spec, name, **version_choice)
        answer = self.predictions.GetModelMetadata(request, timeout=TIMEOUT_S)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        answer.metadata["signature_def"].Unpack(signatures)
        return answer, signatures.signature_def

    def reload(self, message, timeout=TIMEOUT_S):
        """HandleReloadConfigRequest."""
        request = model_management_pb2.ReloadConfigRequest(config=message)
        return self.models.HandleReloadConfigRequest(request, timeout=timeout)

    def rest(self, path, body=None, *, method=None):
        """GET, or POST of a body as JSON or as it is."""
        raw = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://{self.rest_address}{path}", data=raw, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
                return Reply(answer.status, _decode(answer.read()), answer.headers)
        except urllib.error.HTTPError as error:
            return Reply(error.code, _decode(error.read()), error.headers)

    def wait_for(self, condition, timeout_s=TIMEOUT_S):
        """Waits until a condition holds; errors of the server count as not yet."""
        end_s = time.monotonic() + timeout_s
        while True:
            try:
                if condition():
                    return
            except grpc.RpcError:
                pass
            assert time.monotonic() < end_s, "the server did not get there in time"
            time.sleep(0.02)


def fill_spec(spec, name, signature="", version=None, label=""):
    """Fills a ModelSpec; name None leaves it out."""
    if name is None:
        return
    spec.name = name
    spec.signature_name = signature
    if version is not None:
        spec.version.value = version
    if label:
        spec.version_label = label
    spec.SetInParent()


def start_process(*flags, log):
    """Starts the embedded server; the process, gRPC address and REST address once it listens."""
    process = processes.start(
        [
            sys.executable,
            "-m",
            "serving.model_server",
            "--port=0",
            "--rest_api_port=0",
            *flags,
        ],
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    line = process.stdout.readline()
    ports = re.findall(r"\w+Server (\d+)", line)
    assert len(ports) == 2, f"the server said {line!r}"
    return process, *(f"127.0.0.1:{port}" for port in ports)


def _decode(body):
    try:
        return json.loads(body)
    except ValueError:
        return body.decode()
