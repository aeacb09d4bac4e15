"""ONNX files: the network of a voice, one frame a call; its signature is told in `amadeus.export.step`."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2,
)

from amadeus.errors import ConfigError
from amadeus.export.onnx_nodes import Translator
from amadeus.export.place import put_file
from amadeus.export.step import SIGNATURE_KEY, ControlStep
from amadeus.export.taught import describe, take_apart

OPSET = 17  # old enough for ONNX Runtime 1.12 of 2022
_IR_VERSION = 8  # that opset's


def export(voice_path: Path, path: Path) -> None:
    """Writes the network of a voice.

    Raises:
      ConfigError: The package `onnx` is not installed.
      VoiceError: The voice is missing, damaged or foreign, or uses an operation that is not translated.
      HomeError: The file cannot be written.
    """
    onnx = import_onnx()
    taught = take_apart(voice_path)
    step = ControlStep(
        taught.model, n_recurrent_units=taught.profile.recurrent_unit_count
    )
    graph = translate(step.graph(), name=SIGNATURE_KEY)
    model = onnx.helper.make_model(
        graph,
        producer_name="amadeus",
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
    )
    metadata = {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in describe(taught).items()
    }
    onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    put_file(path, model.SerializeToString())


def import_onnx() -> ModuleType:
    """Imports the package that writes the format.

    Raises:
      ConfigError: It is not installed.
    """
    try:
        import onnx
    except ImportError:
        raise ConfigError(
            "writing ONNX needs the package onnx, which is not installed: run `pip install onnx`, or choose "
            "--format=tflite."
        ) from None
    return onnx


def translate(function: tf.types.experimental.ConcreteFunction, *, name: str) -> Any:
    """Translates a traced function whose shapes are all known.

    Args:
      function: Its inputs keep their names; its outputs are named by the keys of what it returns, and
        `next_` comes before a name that an input has.
      name: Of the graph.

    Returns:
      An `onnx.GraphProto`.

    Raises:
      VoiceError: An operation has no translation.
    """
    onnx = import_onnx()
    # structured outputs are flattened in the order of their sorted keys
    keys = sorted(function.structured_outputs)
    frozen = convert_variables_to_constants_v2(function)
    taken = {tensor.op.name for tensor in frozen.inputs}
    output_names = [f"next_{key}" if key in taken else key for key in keys]
    translator = Translator(onnx)
    for operation in frozen.graph.get_operations():
        translator.add(operation)
    for tensor, output_name in zip(frozen.outputs, output_names, strict=True):
        translator.name_output(tensor, output_name)

    def describe_value(tensor: tf.Tensor, value_name: str) -> Any:
        kind = onnx.helper.np_dtype_to_tensor_dtype(
            np.dtype(tensor.dtype.as_numpy_dtype)
        )
        return onnx.helper.make_tensor_value_info(value_name, kind, tensor.shape)

    return onnx.helper.make_graph(
        translator.nodes,
        name,
        [describe_value(tensor, tensor.op.name) for tensor in frozen.inputs],
        [
            describe_value(tensor, output_name)
            for tensor, output_name in zip(frozen.outputs, output_names, strict=True)
        ],
        initializer=translator.initializers,
    )
