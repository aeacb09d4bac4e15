"""What gRPC costs: the embedded model server against the loaded function called directly.

    python -m benchmarks predict [--calls 2000] [--learner KEY=VALUE ...]

A voice with random weights is exported. The signature `step` is asked for a frame of one note and of 16:

  - the function that `tf.saved_model.load` gives, called with arrays and answering arrays;
  - a lease of the embedded server, in the same process (what the studio does);
  - `Predict` over gRPC on loopback, by a client in the same process and by one in a process of its own.

Rows take turns of 20 calls. Without --learner it is the `live` voice at 48 kHz, frames of 5 ms.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from amadeus.errors import AmadeusError
from benchmarks.streaming import SETTINGS

BATCHES = (1, 16)
LIMIT_MS = 0.5  # that gRPC may cost at the median
_N_IN_TURN = 20
_PERCENTILES = (50, 99)


def build_parser() -> argparse.ArgumentParser:
    """Describes the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks predict")
    parser.add_argument("--calls", type=int, default=2000, help="for each row")
    parser.add_argument("--learner", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--client", nargs=2, metavar=("PORT", "BATCH"))
    return parser


def main(argv: list[str]) -> int:
    """Runs the benchmark and prints its table."""
    options = build_parser().parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if options.client:
        return _be_client(*map(int, options.client))
    try:
        with tempfile.TemporaryDirectory() as scratch:
            asyncio.run(_run(options, Path(scratch)))
    except AmadeusError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    return 0


async def _run(options: argparse.Namespace, scratch: Path) -> None:
    from benchmarks.measures import timing, voices
    from serving.model_server import session
    from serving.model_server.config import Model
    from serving.model_server.core import ModelServer
    from serving.model_server.grpc_service import GrpcServer

    path = scratch / "voice" / "1"
    path.mkdir(parents=True)
    session.begin_threads()  # as in a server, for all rows
    voices.make(options.learner or SETTINGS, str(path))
    models = ModelServer([Model("voice", path.parent)])
    models.start()
    models.wait_until_settled()
    server = GrpcServer(models)
    await server.start()
    print(f"\n{'ms a call of `step`':34}{'median':>8}{'p99':>8}{'over direct':>13}")
    for batch in BATCHES:
        _print_rows(batch, _time_rows(options, path, models, server.port, batch))
    print(f"\n{options.calls} calls each; at most {LIMIT_MS} ms over direct is wanted")
    print(timing.describe_machine())
    await server.stop()
    models.close()


def _time_rows(options, path, models, port, batch):
    with models.lease("voice") as lease, _Client(port, batch) as client:
        inputs = _inputs(lease.model.signature("step"), batch)
        calls = {
            "direct": _direct(path, inputs),
            "lease": lambda: lease.model.call("step", inputs),
            "gRPC": _predict(port, inputs),
        }
        times = {name: [] for name in (*calls, "gRPC, from another process")}
        for turn in range(1 + options.calls // _N_IN_TURN):
            for name, call in calls.items():
                taken = [_time(call) for _ in range(_N_IN_TURN)]
                times[name] += taken if turn else []
            taken = client.take_turn()
            times["gRPC, from another process"] += taken if turn else []
    return times


def _print_rows(batch: int, times: dict[str, list[float]]) -> None:
    rows = {
        name: 1000 * np.percentile(taken, _PERCENTILES) for name, taken in times.items()
    }
    direct_ms = rows["direct"][0]
    for name, (median_ms, high_ms) in rows.items():
        over = "" if name == "direct" else f"{median_ms - direct_ms:+13.2f}"
        notes = f"{name}, {batch} note{'s' if batch > 1 else ''}"
        print(f"{notes:34}{median_ms:8.2f}{high_ms:8.2f}{over}")


def _inputs(signature, batch: int) -> dict[str, np.ndarray]:
    """A frame of sounding notes: whatever else the signature takes is zero."""
    values = {"f0_hz": 220, "loudness_db": -20}
    return {
        name: np.full(
            [batch, *(max(dim.size, 1) for dim in info.tensor_shape.dim[1:])],
            values.get(name, 0),
            np.float32,
        )
        for name, info in signature.inputs.items()
    }


def _direct(path: Path, inputs: dict[str, np.ndarray]) -> Callable[[], object]:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    step = loaded.signatures["step"]

    def call():
        output = step(**{name: tf.constant(array) for name, array in inputs.items()})
        return {name: tensor.numpy() for name, tensor in output.items()}

    call.module = loaded  # its functions hold their variables weakly
    return call


def _predict(port: int, inputs: dict[str, np.ndarray]) -> Callable[[], object]:
    import grpc
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    from serving.model_server.tensors import fill, to_array

    channel = grpc.insecure_channel(f"127.0.0.1:{port}")
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)

    def call():
        request = predict_pb2.PredictRequest()
        request.model_spec.name = "voice"
        request.model_spec.signature_name = "step"
        for name, array in inputs.items():
            fill(request.inputs[name], array)
        answer = stub.Predict(request, timeout=10)
        return {name: to_array(tensor) for name, tensor in answer.outputs.items()}

    return call


class _Client:
    """A process that calls when it is told to, and tells how long each call took."""

    def __init__(self, port: int, batch: int) -> None:
        command = [sys.executable, "-m", "benchmarks", "predict"]
        self._process = subprocess.Popen(
            [*command, "--client", str(port), str(batch)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.communicate()

    def take_turn(self) -> list[float]:
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


def _be_client(port: int, batch: int) -> int:
    import grpc
    from tensorflow_serving.apis import (
        get_model_metadata_pb2,
        prediction_service_pb2_grpc,
    )

    channel = grpc.insecure_channel(f"127.0.0.1:{port}")
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    request = get_model_metadata_pb2.GetModelMetadataRequest(
        metadata_field=["signature_def"]
    )
    request.model_spec.name = "voice"
    signatures = get_model_metadata_pb2.SignatureDefMap()
    stub.GetModelMetadata(request).metadata["signature_def"].Unpack(signatures)
    call = _predict(port, _inputs(signatures.signature_def["step"], batch))
    for _ in sys.stdin:
        print(json.dumps([_time(call) for _ in range(_N_IN_TURN)]), flush=True)
    return 0


def _time(call: Callable[[], object]) -> float:
    start_s = time.perf_counter()
    call()
    return time.perf_counter() - start_s
