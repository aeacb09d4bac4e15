"""What the graph of a voice may do: an allow-list, held against a SavedModel without running any of it.

A SavedModel is a program. It can write and read files, run Python that is at hand, open sockets and load libraries,
when it is called and already when it is loaded. A voice needs none of that: it is arithmetic over its inputs and its
weights. So `check_graph` reads the proto and refuses all that voices of ours are not made of:

- operations, attributes and devices that are not listed below;
- a saver that could be reached from a signature, from another function or when the model is loaded: saving and
  restoring need file operations, which stay between `saver_def` and its own two functions;
- objects with code of their own, assets, tables, initialisers, and anything else that loading would run;
- constants that are texts, or larger than any voice needs; functions that call themselves.

`tests/personality/test_operations.py` exports voices of every preset and names what is missing here.

Reference: tensorflow/SECURITY.md, "TensorFlow models are programs".
"""

import math
import re
from collections.abc import Iterable, Iterator, Set
from typing import Any, NamedTuple

from amadeus.errors import BundleError
from amadeus.personality.quoting import tame

# In functions that play.
OPERATIONS = (
    *("Abs", "AddN", "AddV2", "BatchMatMulV2", "Bitcast", "BitwiseXor", "Cast"),
    *("Complex", "ConcatV2", "Conj", "Const", "Cos", "Cumsum", "DivNoNan", "Einsum"),
    *("EnsureShape", "Equal", "Exp", "Fill", "Floor", "FloorDiv", "FloorMod"),
    *("GatherV2", "Greater", "GreaterEqual", "IRFFT", "Identity", "IdentityN"),
    *("IsFinite", "LeakyRelu", "Less", "Log", "LogicalAnd", "MatMul", "Maximum"),
    *("Mean", "Minimum", "Mul", "Neg", "NoOp", "OnesLike", "Pack", "Pad", "PadV2"),
    *("PartitionedCall", "Pow", "RFFT", "Range", "ReadVariableOp", "RealDiv"),
    *("Reshape", "ResourceGather", "RightShift", "Round", "Rsqrt", "SelectV2"),
    *(
        "Shape",
        "Sigmoid",
        "Sin",
        "Split",
        "SplitV",
        "Square",
        "StatefulPartitionedCall",
    ),
    *("StatelessWhile", "StopGradient", "StridedSlice", "Sub", "Sum", "Tanh"),
    *("TensorListFromTensor", "TensorListGetItem", "TensorListReserve"),
    *("TensorListSetItem", "TensorListStack", "Tile", "Transpose", "Unpack"),
    *("UnsortedSegmentSum", "While", "ZerosLike"),
)

# In the two functions of the saver, and nowhere else.
SAVING_OPERATIONS = (
    *("AssignVariableOp", "Const", "DisableCopyOnRead", "Identity"),
    *("MergeV2Checkpoints", "NoOp", "Pack", "ReadVariableOp", "RestoreV2", "SaveV2"),
    *("Select", "ShardedFilename", "StaticRegexFullMatch", "StringJoin"),
)

# In the graph that ties signatures to functions.
OUTER_OPERATIONS = (
    *("Const", "NoOp", "PartitionedCall", "Placeholder", "ReadVariableOp"),
    *("StatefulPartitionedCall", "VarHandleOp"),
)

ATTRIBUTES = (
    *("DstT", "Index", "N", "SrcT", "T", "Taxis", "Tidx", "Tin", "Tindices", "Tlen"),
    *("Tout", "Tparams", "_collective_manager_ids", "_gradient_op_type"),
    *("_has_manual_control_dependencies", "_lower_using_switch_merge"),
    *("_num_original_outputs", "_output_shapes", "_read_only_resource_inputs"),
    *("axis", "begin_mask", "body", "cond", "config_proto", "debug_name", "dtype"),
    *("dtypes", "element_dtype", "ellipsis_mask", "end_mask", "equation", "f"),
    *("incompatible_shape_error", "keep_dims", "new_axis_mask", "num", "num_split"),
    *("output_shapes", "pattern", "shape", "shape_type", "shared_name"),
    *("shrink_axis_mask", "type", "value"),
)
FUNCTION_ATTRIBUTES = ("_construction_context", "_input_shapes")
ARGUMENT_ATTRIBUTES = ("_output_shapes", "_user_specified_name")

MAX_NODES = 100_000
MAX_FUNCTIONS = 2_000
MAX_CONSTANT_BYTES = 2**27  # all constants of a graph together

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
_GRADIENT_NAME = re.compile(r"CustomGradient-[0-9]+")
_EQUATION = re.compile(r"[A-Za-z.,]*->[A-Za-z.]*")
_HOST = ("", "/device:CPU:*", "/device:CPU:0")
_SAVING_PATTERN = b"^s3://.*"
_SETTINGS = (  # of a call; those are written by every TensorFlow
    *("allow_soft_placement", "device_count", "experimental", "gpu_options"),
    "pluggable_device_options",
)
_INIT_SIGNATURE = "__saved_model_init_op"
_MAIN_OP_COLLECTION = "saved_model_main_op"
_PREDICT = "tensorflow/serving/predict"
_FILENAME = "saver_filename"


class Tensor(NamedTuple):
    """An input or output of a signature; an open dimension is -1."""

    dtype: int
    shape: tuple[int, ...]


class Signature(NamedTuple):
    """What a signature takes and gives, by name."""

    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]


def check_graph(content: bytes) -> dict[str, Signature]:
    """Makes sure that a SavedModel does nothing but play.

    Args:
      content: Of `saved_model.pb`.

    Returns:
      Its signatures by name.

    Raises:
      BundleError: It holds something that no voice is made of.
    """
    meta_graph = _read(content)
    graph, saver = meta_graph.graph_def, meta_graph.saver_def
    functions = {f.signature.name: f for f in graph.library.function}
    if len(functions) != len(graph.library.function):
        raise _foreign("two functions have one name")
    _check_size(graph)
    saving_nodes = _check_outer(graph.node, saver)
    saving = {_called(node) for node in saving_nodes.values()}
    for node in graph.node:
        if node.name not in saving_nodes:
            _check_calls(node, functions.keys() - saving)
    _check_library(graph.library, functions, saving)
    _check_objects(meta_graph.object_graph_def, graph, functions.keys() - saving)
    _check_meta(meta_graph)
    return _signatures(meta_graph, saving_nodes.keys())


def _read(content: bytes) -> Any:
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    model = saved_model_pb2.SavedModel()
    try:
        model.ParseFromString(content)
        n_bytes = model.ByteSize()
        model.DiscardUnknownFields()
    except DecodeError as error:
        raise _foreign("its graph cannot be read") from error
    if model.ByteSize() != n_bytes:
        raise _foreign("its graph has fields that this version does not know")
    if len(model.meta_graphs) != 1 or not model.meta_graphs[0].object_graph_def.nodes:
        raise _foreign("it is no SavedModel of TensorFlow 2 with one graph")
    return model.meta_graphs[0]


def _check_size(graph: Any) -> None:
    n_nodes = len(graph.node) + sum(len(f.node_def) for f in graph.library.function)
    if n_nodes > MAX_NODES or len(graph.library.function) > MAX_FUNCTIONS:
        raise _foreign(
            f"its graph has {n_nodes} operations in {len(graph.library.function)} functions; a voice has at most "
            f"{MAX_NODES} in {MAX_FUNCTIONS}"
        )
    n_bytes = sum(_constant_bytes(node) for node in _nodes(graph))
    if n_bytes > MAX_CONSTANT_BYTES:
        raise _foreign(
            f"its constants take {n_bytes / 1e6:.0f} MB; those of a voice at most {MAX_CONSTANT_BYTES / 1e6:.0f} MB"
        )


def _nodes(graph: Any) -> Iterator[Any]:
    yield from graph.node
    for function in graph.library.function:
        yield from function.node_def


def _constant_bytes(node: Any) -> int:
    """Bytes that a constant takes once it is made: a few in the file can stand for many."""
    n_bytes = 0
    for attribute in node.attr.values():
        if attribute.WhichOneof("value") == "tensor":
            tensor = attribute.tensor
            n_elements = math.prod(dim.size for dim in tensor.tensor_shape.dim)
            if tensor.tensor_shape.unknown_rank or any(
                dim.size < 0 for dim in tensor.tensor_shape.dim
            ):
                raise _foreign(f"the constant {node.name} has no shape")
            n_bytes += max(16 * n_elements, tensor.ByteSize())  # 16: complex128
    return n_bytes


def _check_outer(nodes: Iterable[Any], saver: Any) -> dict[str, Any]:
    """Checks the graph outside of functions; returns the calls of the saver by name."""
    by_name = {node.name: node for node in nodes}
    names = (saver.save_tensor_name.removesuffix(":0"), saver.restore_op_name)
    saving = {name: by_name[name] for name in names if name in by_name}
    if len(saving) != 2 or saver.filename_tensor_name != f"{_FILENAME}:0":
        raise _foreign("it has no saver")
    for node in nodes:
        _check_operation(node, OUTER_OPERATIONS, devices=_HOST)
        inputs = {_source(name) for name in node.input}
        if inputs & saving.keys():
            raise _foreign(f"{node.name} follows upon its saver")
        if (_FILENAME in inputs) != (node.name in saving):
            raise _foreign(f"{node.name} is given the name of a file")
        if node.op == "VarHandleOp" and _shared_name(node) != node.name.encode():
            raise _foreign(f"the variable {node.name} is shared under another name")
    for node in saving.values():
        if node.op != "StatefulPartitionedCall" or node.input[:1] != [_FILENAME]:
            raise _foreign("its saver is not TensorFlow's")
    return saving


def _check_library(library: Any, functions: dict[str, Any], saving: set[str]) -> None:
    calls = {}
    for name, function in functions.items():
        _check_function(function, is_saving=name in saving)
        for node in function.node_def:
            _check_calls(node, functions.keys() - saving)
        calls[name] = {
            called for node in function.node_def for called in _callees(node)
        }
    if saving - functions.keys():
        raise _foreign("it does not hold its saver")
    _check_descent(calls)
    if library.gradient:
        raise _foreign("it names gradients in the way of TensorFlow 1")
    for gradient in library.registered_gradients:
        if gradient.gradient_func not in functions.keys() - saving:
            raise _foreign("it names a gradient that it does not hold")
        if not _GRADIENT_NAME.fullmatch(gradient.registered_op_type):
            raise _foreign(f"it defines a gradient of {gradient.registered_op_type}")


def _check_function(function: Any, *, is_saving: bool) -> None:
    allowed = SAVING_OPERATIONS if is_saving else OPERATIONS
    devices = _HOST if is_saving else ("",)
    strange = set(function.attr) - set(FUNCTION_ATTRIBUTES)
    for argument in function.arg_attr.values():
        strange |= set(argument.attr) - set(ARGUMENT_ATTRIBUTES)
    if strange:
        raise _foreign(f"a function has the attribute {min(strange)}")
    for node in function.node_def:
        _check_operation(node, allowed, devices=devices)
        if node.op == "Const":
            _check_constant(node, is_saving=is_saving)
        if node.op in ("SaveV2", "RestoreV2"):
            _check_file_of(node, function)


def _check_file_of(node: Any, function: Any) -> None:
    """The saver's files are named by whoever calls it, never by itself."""
    argument = [argument.name for argument in function.signature.input_arg[:1]]
    expected = argument if node.op == "RestoreV2" else ["ShardedFilename"]
    if [_source(name) for name in node.input[:1]] != expected:
        raise _foreign(f"its saver has {node.op} of a file that it names itself")


def _check_operation(
    node: Any, allowed: Iterable[str], *, devices: Iterable[str]
) -> None:
    if node.op not in allowed:
        raise _foreign(f"it has the operation {node.op} ({node.name})")
    strange = set(node.attr) - set(ATTRIBUTES)
    if strange:
        raise _foreign(f"{node.op} ({node.name}) has the attribute {min(strange)}")
    if node.device not in devices:
        raise _foreign(f"{node.op} ({node.name}) asks for the device {node.device}")
    for name, attribute in node.attr.items():
        _check_attribute(node, name, attribute)


def _check_attribute(node: Any, name: str, attribute: Any) -> None:
    kind = attribute.WhichOneof("value")
    if kind == "placeholder" or (kind == "tensor" and node.op != "Const"):
        raise _foreign(f"{node.op} ({node.name}) has a strange {name}")
    if kind == "func" and name not in ("f", "body", "cond"):
        raise _foreign(f"{node.op} ({node.name}) calls a function by {name}")
    if kind == "list" and (attribute.list.func or attribute.list.tensor):
        raise _foreign(f"{node.op} ({node.name}) has a strange {name}")
    if kind == "s" and not _is_harmless(node, name, attribute.s):
        raise _foreign(f"{node.op} ({node.name}) has {name}={attribute.s[:40]!r}")


def _is_harmless(node: Any, name: str, text: bytes) -> bool:
    if name == "config_proto":
        return _are_usual_settings(text)
    if name == "pattern":
        return text == _SAVING_PATTERN
    try:
        word = text.decode()
    except UnicodeDecodeError:
        return False
    if name == "_gradient_op_type":
        return bool(_GRADIENT_NAME.fullmatch(word))
    if name == "equation":
        return bool(_EQUATION.fullmatch(word))
    return name in ("shared_name", "debug_name") and node.op == "VarHandleOp"


def _are_usual_settings(text: bytes) -> bool:
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import config_pb2

    settings = config_pb2.ConfigProto()
    try:
        settings.ParseFromString(text)
    except DecodeError:
        return False
    if settings.experimental.ListFields():
        return False
    return {field.name for field, _ in settings.ListFields()} <= set(_SETTINGS)


def _check_constant(node: Any, *, is_saving: bool) -> None:
    from tensorflow.core.framework import types_pb2

    tensor = node.attr["value"].tensor
    if tensor.dtype in (types_pb2.DT_RESOURCE, types_pb2.DT_VARIANT):
        raise _foreign(f"the constant {node.name} is no number")
    if tensor.dtype != types_pb2.DT_STRING:
        return
    if not is_saving:
        raise _foreign(f"the constant {node.name} is a text, and could name a file")
    for text in tensor.string_val:
        leads_out = text.startswith((b"/", b"~")) or b".." in text or b":" in text
        if leads_out and text != _SAVING_PATTERN:
            raise _foreign(f"its saver names the file {text[:80]!r}")


def _check_calls(node: Any, playing: Set[str]) -> None:
    for name in _callees(node):
        if name not in playing:
            raise _foreign(f"{node.name} calls {name[:80]}, which it may not or cannot")


def _callees(node: Any) -> Iterator[str]:
    for attribute in node.attr.values():
        if attribute.WhichOneof("value") == "func":
            yield attribute.func.name


def _called(node: Any) -> str:
    return node.attr["f"].func.name


def _shared_name(node: Any) -> bytes:
    return node.attr["shared_name"].s


def _check_descent(calls: dict[str, set[str]]) -> None:
    """Refuses functions that call themselves, by way of others too."""
    left = dict(calls)
    while left:
        leaves = [name for name, called in left.items() if not called & left.keys()]
        if not leaves:
            raise _foreign(f"the function {min(left)} calls itself")
        for name in leaves:
            del left[name]


def _check_objects(objects: Any, graph: Any, playing: Set[str]) -> None:
    """Checks what loading makes objects of."""
    constants = {node.name: node for node in graph.node if node.op == "Const"}
    for node in objects.nodes:
        _check_object(node, playing)
        if node.WhichOneof("kind") == "constant":
            constant = constants.get(node.constant.operation)
            if constant is None:
                raise _foreign("a constant of it is none")
            _check_constant(constant, is_saving=False)
    for name, function in objects.concrete_functions.items():
        if name not in playing:
            raise _foreign(f"it offers {name}, which is no function of its own")
        _check_value(function.canonicalized_input_signature)
        _check_value(function.output_signature)
        if any(not 0 <= i < len(objects.nodes) for i in function.bound_inputs):
            raise _foreign(f"{name} is bound to what is not there")


def _check_object(node: Any, playing: Set[str]) -> None:
    kind = node.WhichOneof("kind")
    if kind not in _KINDS:
        raise _foreign(f"it holds an object of kind {kind}")
    registered = "tf.TrackableConstant" if kind == "constant" else ""
    if (
        node.registered_name != registered
        or node.registered_saver
        or node.saveable_objects
        or node.slot_variables
        or node.HasField("serialized_user_proto")
    ):
        raise _foreign("an object in it brings code of its own")
    for child in (*node.children, *node.dependencies):
        if not _is_own_name(child.local_name):
            raise _foreign(f"an object in it is called {child.local_name!r}")
    user = node.user_object
    if kind == "user_object" and (user.identifier not in _OBJECTS or user.metadata):
        raise _foreign(f"it holds an object {user.identifier!r}")
    if kind == "variable":
        _check_variable(node.variable)
    if kind == "bare_concrete_function":
        function = node.bare_concrete_function
        if function.concrete_function_name not in playing:
            raise _foreign("it offers a function that is not its own")
        _check_specification(function.function_spec)
    if (
        kind == "captured_tensor"
        and node.captured_tensor.concrete_function not in playing
    ):
        raise _foreign("it captures from a function that is not its own")


def _is_own_name(name: str) -> bool:
    """Whether loading may set it as an attribute: what TensorFlow's objects have by themselves is theirs."""
    import tensorflow as tf

    return bool(_CHILD_NAME.fullmatch(name)) and not hasattr(tf.Module, name)


def _check_variable(variable: Any) -> None:
    sizes = [dim.size for dim in variable.shape.dim]
    if variable.device or variable.experimental_distributed_variable_components:
        raise _foreign(f"the variable {variable.name} lies on a device")
    if min(sizes, default=0) < 0 or variable.shape.unknown_rank:
        raise _foreign(f"the variable {variable.name} has no shape")


def _check_specification(specification: Any) -> None:
    if specification.jit_compile:
        raise _foreign("a function of it wants to be compiled")
    _check_value(specification.input_signature)
    arguments = specification.fullargspec
    if arguments.WhichOneof("kind") != "named_tuple_value":
        raise _foreign("a function of it takes strange arguments")
    if arguments.named_tuple_value.name != "FullArgSpec":
        raise _foreign("a function of it takes strange arguments")
    for pair in arguments.named_tuple_value.values:
        _check_value(pair.value)


def _check_value(value: Any) -> None:
    """Lets plain values pass, and none that make objects by the name of a class."""
    kind = value.WhichOneof("kind")
    if kind is not None and kind not in _VALUES:
        raise _foreign(f"a function of it takes or gives a {kind}")
    if kind in ("list_value", "tuple_value"):
        inner = list(getattr(value, kind).values)
    elif kind == "dict_value":
        inner = list(value.dict_value.fields.values())
    else:
        return
    for one in inner:
        _check_value(one)


def _check_meta(meta_graph: Any) -> None:
    if meta_graph.asset_file_def:
        raise _foreign("it has assets, files that are read when it is loaded")
    if list(meta_graph.meta_info_def.tags) != ["serve"]:
        raise _foreign(f"its tags are {', '.join(meta_graph.meta_info_def.tags)}")
    if meta_graph.meta_info_def.HasField("any_info"):
        raise _foreign("it brings information of unknown kind")
    main_op = {node.name for node in meta_graph.graph_def.node if _is_nothing(node)}
    for name, collection in meta_graph.collection_def.items():
        operations = set(collection.node_list.value)
        if name != _MAIN_OP_COLLECTION or not operations <= main_op:
            raise _foreign(f"it has the collection {name}, which loading could run")


def _is_nothing(node: Any) -> bool:
    return node.op == "NoOp" and not node.input


def _signatures(meta_graph: Any, saving: Iterable[str]) -> dict[str, Signature]:
    by_name = {node.name: node for node in meta_graph.graph_def.node}
    signatures = {}
    for name, definition in meta_graph.signature_def.items():
        if definition.defaults or definition.method_name not in ("", _PREDICT):
            raise _foreign(f"its signature {name} is of an unknown kind")
        if name == _INIT_SIGNATURE:
            outputs = [by_name.get(t.name) for t in definition.outputs.values()]
            if definition.inputs or not all(o and _is_nothing(o) for o in outputs):
                raise _foreign("it does something when it is loaded")
            continue
        for tensor in definition.inputs.values():
            node = by_name.get(_source(tensor.name))
            if node is None or node.op != "Placeholder" or node.name == _FILENAME:
                raise _foreign(f"its signature {name} takes what is no input")
        for tensor in definition.outputs.values():
            node = by_name.get(_source(tensor.name))
            if node is None or node.name in saving:
                raise _foreign(f"its signature {name} gives what is no sound")
        signatures[name] = Signature(
            _tensors(definition.inputs), _tensors(definition.outputs)
        )
    return signatures


def _tensors(infos: Any) -> dict[str, Tensor]:
    tensors = {}
    for name, info in infos.items():
        if info.WhichOneof("encoding") != "name" or info.tensor_shape.unknown_rank:
            raise _foreign(f"{name} of a signature is no plain tensor")
        shape = tuple(dim.size for dim in info.tensor_shape.dim)
        tensors[name] = Tensor(info.dtype, shape)
    return tensors


def _source(name: str) -> str:
    """The node that an input comes from, as data or as control."""
    return name.removeprefix("^").partition(":")[0]


def _foreign(what: str) -> BundleError:
    return BundleError(
        f"the graph in the bundle is not that of a voice and is not played: {tame(what)}; take bundles that "
        "`amadeus deu export` wrote."
    )
