"""TensorFlow Lite files: converted, looked into, and given metadata.

The whole of a file is a flatbuffer; what is appended after it is a ZIP archive, which readers find from the
end, so that one file is both.
"""

import io
import json
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow as tf

from amadeus.export.place import put_file
from amadeus.export.step import SIGNATURE_KEY, ControlStep
from amadeus.export.taught import Taught, describe, take_apart

METADATA_NAME = "metadata.json"


class Contents(NamedTuple):
    """What a TensorFlow Lite file holds.

    Attributes:
      inputs: Number of values of each float32 tensor that goes in, by name; -1 for another type.
      outputs: Likewise of what comes out.
      operators: Names of the operations used, built in or custom.
      custom_operators: Names of those that are not built in.
    """

    inputs: dict[str, int]
    outputs: dict[str, int]
    operators: set[str]
    custom_operators: set[str]


def export(voice_path: Path, path: Path) -> None:
    """Writes the network of a voice, one frame a call; its signature is told in `amadeus.export.step`.

    Raises:
      VoiceError: The voice is missing, damaged or foreign.
      HomeError: The file cannot be written.
    """
    taught = take_apart(voice_path)
    step = ControlStep(
        taught.model, n_recurrent_units=taught.profile.recurrent_unit_count
    )
    model = convert(step, {SIGNATURE_KEY: step.graph()})
    put_file(path, append_metadata(model, _describe(taught)))


def convert(
    module: tf.Module,
    signatures: Mapping[str, tf.types.experimental.ConcreteFunction],
) -> bytes:
    """Converts one graph to built-in operations only.

    Args:
      module: Holds the variables.
      signatures: One graph by its key, which becomes part of the names of the inputs.
    """
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures=dict(signatures))
        converter = tf.lite.TFLiteConverter.from_saved_model(
            folder, signature_keys=list(signatures)
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        model: bytes = converter.convert()
    return model


def append_metadata(model: bytes, metadata: Mapping[str, Any]) -> bytes:
    """Appends a ZIP archive with `metadata.json`; nothing before it changes."""
    file = io.BytesIO(model)
    with zipfile.ZipFile(file, "a") as archive:  # not compressed
        archive.writestr(METADATA_NAME, json.dumps(metadata, indent=2))
    return file.getvalue()


def look_into(model: bytes) -> Contents:
    """Reads names, sizes and operations out of the flatbuffer."""
    from tensorflow.lite.python import schema_py_generated as schema

    root = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))
    main = root.subgraphs[0]

    def sizes(indices: Any) -> dict[str, int]:
        tensors = [main.tensors[index] for index in indices]
        return {tensor.name.decode(): _n_floats(tensor, schema) for tensor in tensors}

    builtin = {
        number: name
        for name, number in vars(schema.BuiltinOperator).items()
        if isinstance(number, int)
    }
    custom = {
        (code.customCode or b"").decode()
        for code in root.operatorCodes
        if code.builtinCode == schema.BuiltinOperator.CUSTOM
    }
    # Old readers know one byte for the code; newer codes are in a field of their own.
    codes = (max(c.builtinCode, c.deprecatedBuiltinCode) for c in root.operatorCodes)
    operators = {builtin[code] for code in codes}
    return Contents(sizes(main.inputs), sizes(main.outputs), operators, custom)


def _n_floats(tensor: Any, schema: Any) -> int:
    if tensor.type != schema.TensorType.FLOAT32:
        return -1
    n_floats = 1
    for size in tensor.shape:
        n_floats *= int(size)
    return n_floats


def _describe(taught: Taught) -> dict[str, Any]:
    return {**describe(taught), "signature": SIGNATURE_KEY}
