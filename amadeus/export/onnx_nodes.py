"""TensorFlow operations as ONNX nodes: those that a voice's network is made of.

Written for frozen graphs whose shapes are all known, and which have no loops. What can be computed from
constants alone becomes a constant.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import tensorflow as tf

from amadeus.errors import VoiceError

_SAME = {  # one node for one operation, with no attributes
    "Abs": "Abs",
    "AddV2": "Add",
    "BatchMatMulV2": "MatMul",
    "Equal": "Equal",
    "Exp": "Exp",
    "Greater": "Greater",
    "Less": "Less",
    "Log": "Log",
    "MatMul": "MatMul",
    "Maximum": "Max",
    "Minimum": "Min",
    "Mul": "Mul",
    "Neg": "Neg",
    "Pow": "Pow",
    "RealDiv": "Div",
    "Relu": "Relu",
    "SelectV2": "Where",
    "Sigmoid": "Sigmoid",
    "Sqrt": "Sqrt",
    "Sub": "Sub",
    "Tanh": "Tanh",
}
_RESHAPING = ("Reshape", "ExpandDims", "Squeeze")  # the shape of the result says it all
_MASKS = (
    "begin_mask",
    "end_mask",
    "ellipsis_mask",
    "new_axis_mask",
    "shrink_axis_mask",
)
_TRANSPOSING = ("transpose_a", "transpose_b", "adj_x", "adj_y")


class Translator:
    """Gathers the nodes and constants of a graph, operation by operation, in the order they are computed."""

    def __init__(self, onnx: ModuleType) -> None:
        """Takes the package `onnx`, which only this format needs."""
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self._onnx = onnx
        self._names: dict[str, str] = {}  # of tensors, in the graph that is made
        self._known: dict[str, np.ndarray] = {}  # constants nobody has asked for yet
        self._special: dict[str, Callable[[tf.Operation], None]] = {
            "Cast": self._add_cast,
            "ConcatV2": self._add_concat,
            "GatherV2": self._add_gather,
            "LeakyRelu": self._add_leaky_relu,
            "Mean": self._add_mean,
            "Pack": self._add_pack,
            "Rsqrt": self._add_rsqrt,
            "Split": self._add_split,
            "SplitV": self._add_split,
            "Square": self._add_square,
            "StridedSlice": self._add_slice,
            "Sum": self._add_sum,
        }

    def add(self, operation: tf.Operation) -> None:
        """Translates an operation whose inputs have been added.

        Raises:
          VoiceError: It has no translation.
        """
        if operation.type == "NoOp":
            return
        values = [tf.get_static_value(tensor) for tensor in operation.outputs]
        if operation.type == "Placeholder":
            self._names[operation.outputs[0].name] = operation.name
        elif all(value is not None for value in values):
            for tensor, value in zip(operation.outputs, values, strict=True):
                self._known[tensor.name] = np.asarray(value)
        elif operation.type == "Identity":
            self._names[operation.outputs[0].name] = self._input(operation, 0)
        elif operation.type in _RESHAPING:
            self._reshape(operation, self._input(operation, 0))
        elif operation.type in self._special:
            self._special[operation.type](operation)
        else:
            self._add_same(operation)

    def name_output(self, tensor: tf.Tensor, name: str) -> None:
        """Gives a result of the graph its name."""
        self._node("Identity", [self._name(tensor)], [name])

    def _add_same(self, operation: tf.Operation) -> None:
        flags = [name for name in _TRANSPOSING if name in operation.node_def.attr]
        transposes = any(operation.get_attr(name) for name in flags)
        if operation.type not in _SAME or transposes:
            raise _untranslated(operation)
        names = [self._name(tensor) for tensor in operation.inputs]
        self._node(_SAME[operation.type], names, self._outputs(operation))

    def _add_cast(self, operation: tf.Operation) -> None:
        numpy_type = operation.outputs[0].dtype.as_numpy_dtype
        kind = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(numpy_type))
        self._node(
            "Cast", [self._input(operation, 0)], self._outputs(operation), to=kind
        )

    def _add_concat(self, operation: tf.Operation) -> None:
        *tensors, axis = operation.inputs
        names = [self._name(tensor) for tensor in tensors]
        self._node("Concat", names, self._outputs(operation), axis=_number(axis))

    def _add_gather(self, operation: tf.Operation) -> None:
        names = [self._input(operation, 0), self._input(operation, 1)]
        axis = _number(operation.inputs[2])
        self._node("Gather", names, self._outputs(operation), axis=axis)

    def _add_leaky_relu(self, operation: tf.Operation) -> None:
        slope = operation.get_attr("alpha")
        names = [self._input(operation, 0)]
        self._node("LeakyRelu", names, self._outputs(operation), alpha=slope)

    def _add_mean(self, operation: tf.Operation) -> None:
        axes = np.atleast_1d(_value(operation.inputs[1])).tolist()
        self._node(
            "ReduceMean",
            [self._input(operation, 0)],
            self._outputs(operation),
            axes=axes,
            keepdims=int(operation.get_attr("keep_dims")),
        )

    def _add_sum(self, operation: tf.Operation) -> None:
        axes = np.atleast_1d(_value(operation.inputs[1])).astype(np.int64)
        self._node(
            "ReduceSum",
            [self._input(operation, 0), self._constant(axes, f"{operation.name}/axes")],
            self._outputs(operation),
            keepdims=int(operation.get_attr("keep_dims")),
        )

    def _add_pack(self, operation: tf.Operation) -> None:
        axis = operation.get_attr("axis")
        axes = self._constant(np.array([axis], np.int64), f"{operation.name}/axes")
        parts = []
        for index, tensor in enumerate(operation.inputs):
            parts.append(f"{operation.name}/part{index}")
            self._node("Unsqueeze", [self._name(tensor), axes], [parts[-1]])
        self._node("Concat", parts, self._outputs(operation), axis=axis)

    def _add_rsqrt(self, operation: tf.Operation) -> None:
        root = f"{operation.name}/root"
        self._node("Sqrt", [self._input(operation, 0)], [root])
        self._node("Reciprocal", [root], self._outputs(operation))

    def _add_square(self, operation: tf.Operation) -> None:
        self._node("Mul", [self._input(operation, 0)] * 2, self._outputs(operation))

    def _add_split(self, operation: tf.Operation) -> None:
        by_sizes = operation.type == "SplitV"
        whole, axis = (0, 2) if by_sizes else (1, 0)
        axis = _number(operation.inputs[axis])
        sizes = np.array([t.shape[axis] for t in operation.outputs], np.int64)
        names = [
            self._input(operation, whole),
            self._constant(sizes, f"{operation.name}/sizes"),
        ]
        self._node("Split", names, self._outputs(operation), axis=axis)

    def _add_slice(self, operation: tf.Operation) -> None:
        if (_value(operation.inputs[3]) < 0).any():
            raise _untranslated(operation)
        source, target = operation.inputs[0], operation.outputs[0]
        name = self._input(operation, 0)
        if source.shape.num_elements() != target.shape.num_elements():
            name = self._slice(operation, name)
        self._reshape(operation, name)

    def _slice(self, operation: tf.Operation, name: str) -> str:
        """Cuts along the axes of the source; axes that come or go are left to a reshape."""
        whole = np.arange(operation.inputs[0].shape.num_elements(), dtype=np.int64)
        numbers = tf.raw_ops.StridedSlice(
            input=whole.reshape(operation.inputs[0].shape),
            begin=_value(operation.inputs[1]),
            end=_value(operation.inputs[2]),
            strides=_value(operation.inputs[3]),
            **{mask: operation.get_attr(mask) for mask in _MASKS},
        ).numpy()
        # The numbers of the elements kept; along each axis they name the places kept.
        kept = np.unravel_index(numbers.ravel(), operation.inputs[0].shape)
        for axis, places in enumerate(kept):
            if len(set(places.tolist())) == operation.inputs[0].shape[axis]:
                continue
            indices = self._constant(np.unique(places), f"{operation.name}/{axis}")
            part = f"{operation.name}/cut{axis}"
            self._node("Gather", [name, indices], [part], axis=axis)
            name = part
        return name

    def _reshape(self, operation: tf.Operation, name: str) -> None:
        shape = np.array(operation.outputs[0].shape.as_list(), np.int64)
        names = [name, self._constant(shape, f"{operation.name}/shape")]
        self._node("Reshape", names, self._outputs(operation))

    def _constant(self, value: Any, name: str) -> str:
        tensor = self._onnx.numpy_helper.from_array(np.asarray(value), name)
        self.initializers.append(tensor)
        return name

    def _node(
        self, kind: str, inputs: list[str], outputs: list[str], **attributes: Any
    ) -> None:
        node = self._onnx.helper.make_node(kind, inputs, outputs, **attributes)
        self.nodes.append(node)

    def _input(self, operation: tf.Operation, index: int) -> str:
        return self._name(operation.inputs[index])

    def _name(self, tensor: tf.Tensor) -> str:
        """Names a tensor in the graph that is made, where a constant appears once it is asked for."""
        if tensor.name not in self._names:
            value = self._known.pop(tensor.name)
            self._names[tensor.name] = self._constant(value, tensor.name)
        return self._names[tensor.name]

    def _outputs(self, operation: tf.Operation) -> list[str]:
        names = [tensor.name for tensor in operation.outputs]
        self._names |= dict(zip(names, names, strict=True))
        return names


def _value(tensor: tf.Tensor) -> np.ndarray:
    return np.asarray(tf.get_static_value(tensor))


def _number(tensor: tf.Tensor) -> int:
    return int(_value(tensor))


def _untranslated(operation: tf.Operation) -> VoiceError:
    return VoiceError(
        f"the voice uses the operation {operation.type} in a way that this version of Amadeus cannot write as ONNX: "
        "choose --format=tflite."
    )
