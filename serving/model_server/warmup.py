"""Calls made before the first caller, so that nobody waits for graphs being prepared.

TF Serving's own way is honoured: `assets.extra/tf_serving_warmup_requests`, a TFRecord of PredictionLog.
Without that file the signatures by which a voice is played are called once each on the smallest shapes.
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import message
from tensorflow_serving.apis import prediction_log_pb2

from serving.model_server.servable import DEFAULT_SIGNATURE, Servable
from serving.model_server.status import Code, ServingError
from serving.model_server.tensors import numpy_type, to_array

WARMUP_FILE = Path("assets.extra", "tf_serving_warmup_requests")
MAX_REQUESTS = 1000  # TF Serving's own limit
PLAYED_SIGNATURES = ("step", "bend", "perform", "reverberate")

_log = logging.getLogger(__name__)


def warm_up(servable: Servable) -> None:
    """Calls a servable.

    Raises:
      ServingError: A request of the model's own file fails. What is called without a file may fail: the
        smallest shapes are a guess.
    """
    path = servable.path / WARMUP_FILE
    if path.is_file():
        _replay(servable, path)
        return
    for name in PLAYED_SIGNATURES:
        if name in servable.signature_defs:
            _call_smallest(servable, name)


def _replay(servable: Servable, path: Path) -> None:
    try:
        for log in _read_logs(path):
            request = log.predict_log.request
            inputs = {name: to_array(tensor) for name, tensor in request.inputs.items()}
            name = request.model_spec.signature_name or DEFAULT_SIGNATURE
            servable.call(name, inputs, tuple(request.output_filter))
    except (tf.errors.OpError, message.DecodeError) as error:
        raise ServingError(
            Code.DATA_LOSS, f"Failed to read warmup requests from {path}: {error}"
        ) from None


def _read_logs(path: Path) -> Iterator[Any]:
    records = tf.compat.v1.io.tf_record_iterator(str(path))
    for n_read, record in enumerate(records):
        if n_read == MAX_REQUESTS:
            raise ServingError(
                Code.INVALID_ARGUMENT,
                f"Number of warmup records exceeds the maximum ({MAX_REQUESTS}) at {path}",
            )
        log = prediction_log_pb2.PredictionLog.FromString(record)
        if log.WhichOneof("log_type") != "predict_log":
            raise ServingError(
                Code.UNIMPLEMENTED,
                f"Unsupported log_type for warmup: {log.WhichOneof('log_type')}",
            )
        yield log


def _call_smallest(servable: Servable, name: str) -> None:
    inputs = {
        alias: _smallest(info, _hop_size(servable) if alias == "audio" else 1)
        for alias, info in servable.signature(name).inputs.items()
    }
    try:
        servable.call(name, inputs)
    except ServingError as error:
        _log.info(
            "signature %s of %s was not warmed up: %s", name, servable.path, error
        )


def _hop_size(servable: Servable) -> int:
    """Samples of a frame: what `step` makes of one."""
    step = servable.signature_defs.get("step")
    sizes = [dim.size for dim in step.outputs["audio"].tensor_shape.dim] if step else []
    return max([1, *sizes[1:]])


def _smallest(info: Any, n_samples: int) -> np.ndarray:
    # [batch, ...]: one row, and of each further axis as little as there may be
    sizes = [dim.size for dim in info.tensor_shape.dim]
    least = [1] + [n_samples] * (len(sizes) - 1)
    shape = [few if size < 0 else size for size, few in zip(sizes, least, strict=False)]
    dtype = numpy_type(info.dtype) or np.dtype(np.float32)
    return np.full(shape, b"" if dtype.hasobject else 0, dtype)
