"""The objects that loading a voice makes: plain ones, with nothing of their own to run."""

import re
from collections.abc import Set
from typing import Any

from amadeus.personality.operations import check_constant
from amadeus.personality.refusal import foreign

_OBJECTS = ("_generic_user_object", "signature_map", "trackable_list_wrapper")
_KINDS = (
    *("bare_concrete_function", "captured_tensor", "constant", "user_object"),
    "variable",
)
_VALUES = (
    *("bool_value", "dict_value", "float64_value", "int64_value", "list_value"),
    *("none_value", "string_value", "tensor_dtype_value", "tensor_shape_value"),
    *("tensor_spec_value", "tuple_value"),
)
_CHILD_NAME = re.compile(r"_?[A-Za-z0-9][A-Za-z0-9_]*")


def check_objects(objects: Any, graph: Any, playing: Set[str]) -> None:
    """Checks what loading makes objects of."""
    constants = {node.name: node for node in graph.node if node.op == "Const"}
    for node in objects.nodes:
        _check_object(node, playing)
        if node.WhichOneof("kind") == "constant":
            constant = constants.get(node.constant.operation)
            if constant is None:
                raise foreign("a constant of it is none")
            check_constant(constant, is_saving=False)
    for name, function in objects.concrete_functions.items():
        if name not in playing:
            raise foreign(f"it offers {name}, which is no function of its own")
        _check_value(function.canonicalized_input_signature)
        _check_value(function.output_signature)
        if any(not 0 <= i < len(objects.nodes) for i in function.bound_inputs):
            raise foreign(f"{name} is bound to what is not there")


def _check_object(node: Any, playing: Set[str]) -> None:
    kind = node.WhichOneof("kind")
    if kind not in _KINDS:
        raise foreign(f"it holds an object of kind {kind}")
    registered = "tf.TrackableConstant" if kind == "constant" else ""
    if (
        node.registered_name != registered
        or node.registered_saver
        or node.saveable_objects
        or node.slot_variables
        or node.HasField("serialized_user_proto")
    ):
        raise foreign("an object in it brings code of its own")
    for child in (*node.children, *node.dependencies):
        if not _is_own_name(child.local_name):
            raise foreign(f"an object in it is called {child.local_name!r}")
    user = node.user_object
    if kind == "user_object" and (user.identifier not in _OBJECTS or user.metadata):
        raise foreign(f"it holds an object {user.identifier!r}")
    if kind == "variable":
        _check_variable(node.variable)
    if kind == "bare_concrete_function":
        function = node.bare_concrete_function
        if function.concrete_function_name not in playing:
            raise foreign("it offers a function that is not its own")
        _check_specification(function.function_spec)
    if (
        kind == "captured_tensor"
        and node.captured_tensor.concrete_function not in playing
    ):
        raise foreign("it captures from a function that is not its own")


def _is_own_name(name: str) -> bool:
    """Whether loading may set it as an attribute: what TensorFlow's objects have by themselves is theirs."""
    import tensorflow as tf

    return bool(_CHILD_NAME.fullmatch(name)) and not hasattr(tf.Module, name)


def _check_variable(variable: Any) -> None:
    sizes = [dim.size for dim in variable.shape.dim]
    if variable.device or variable.experimental_distributed_variable_components:
        raise foreign(f"the variable {variable.name} lies on a device")
    if min(sizes, default=0) < 0 or variable.shape.unknown_rank:
        raise foreign(f"the variable {variable.name} has no shape")


def _check_specification(specification: Any) -> None:
    if specification.jit_compile:
        raise foreign("a function of it wants to be compiled")
    _check_value(specification.input_signature)
    arguments = specification.fullargspec
    if arguments.WhichOneof("kind") != "named_tuple_value":
        raise foreign("a function of it takes strange arguments")
    if arguments.named_tuple_value.name != "FullArgSpec":
        raise foreign("a function of it takes strange arguments")
    for pair in arguments.named_tuple_value.values:
        _check_value(pair.value)


def _check_value(value: Any) -> None:
    """Lets plain values pass, and none that make objects by the name of a class."""
    kind = value.WhichOneof("kind")
    if kind is not None and kind not in _VALUES:
        raise foreign(f"a function of it takes or gives a {kind}")
    if kind in ("list_value", "tuple_value"):
        inner = list(getattr(value, kind).values)
    elif kind == "dict_value":
        inner = list(value.dict_value.fields.values())
    else:
        return
    for one in inner:
        _check_value(one)
