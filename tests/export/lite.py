"""A TensorFlow Lite interpreter that knows built-in operations only, as a plugin's does."""

import warnings

import numpy as np
import tensorflow as tf


def open_model(model):
    """Loads a model from its bytes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "(?s).*tf.lite.Interpreter is deprecated")
        interpreter = tf.lite.Interpreter(
            model_content=model,
            experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_REF,
        )
    interpreter.allocate_tensors()
    return interpreter


def call(interpreter, **inputs):
    """Runs a model once; tensors go by their names in the file."""
    for detail in interpreter.get_input_details():
        value = inputs[detail["name"].removesuffix(":0")]
        interpreter.set_tensor(detail["index"], np.asarray(value, np.float32))
    interpreter.invoke()
    return {
        detail["name"]: interpreter.get_tensor(detail["index"])
        for detail in interpreter.get_output_details()
    }
