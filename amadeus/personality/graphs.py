"""What the graph of a voice may do: an allow-list, held against a SavedModel without running any of it.

A SavedModel is a program. It can write and read files, run Python that is at hand, open sockets and load libraries,
when it is called and already when it is loaded. A voice needs none of that: it is arithmetic over its inputs and its
weights. So `check_graph` reads the proto and refuses all that voices of ours are not made of:

- operations, attributes and devices that are not listed in `operations.py`;
- a saver that could be reached from a signature, from another function or when the model is loaded: saving and
  restoring need file operations, which stay between `saver_def` and its own two functions;
- objects with code of their own, assets, tables, initialisers, and anything else that loading would run;
- constants that are texts, or larger than any voice needs; functions that call themselves.

Reference: tensorflow/SECURITY.md, "TensorFlow models are programs".
"""

import math
from collections.abc import Iterable, Iterator, Set
from typing import Any

from amadeus.personality.objects import check_objects
from amadeus.personality.operations import (
    ARGUMENT_ATTRIBUTES,
    FUNCTION_ATTRIBUTES,
    GRADIENT_NAME,
    HOST,
    OPERATIONS,
    OUTER_OPERATIONS,
    SAVING_OPERATIONS,
    check_constant,
    check_operation,
)
from amadeus.personality.refusal import foreign
from amadeus.personality.signatures import (
    FILENAME,
    Signature,
    check_meta,
    read_signatures,
    source_of,
)

MAX_NODES = 100_000
MAX_FUNCTIONS = 2_000
MAX_CONSTANT_BYTES = 2**27  # all constants of a graph together


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
        raise foreign("two functions have one name")
    _check_size(graph)
    saving_nodes = _check_outer(graph.node, saver)
    saving = {_called(node) for node in saving_nodes.values()}
    for node in graph.node:
        if node.name not in saving_nodes:
            _check_calls(node, functions.keys() - saving)
    _check_library(graph.library, functions, saving)
    check_objects(meta_graph.object_graph_def, graph, functions.keys() - saving)
    check_meta(meta_graph)
    return read_signatures(meta_graph, saving_nodes.keys())


def _read(content: bytes) -> Any:
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    model = saved_model_pb2.SavedModel()
    try:
        model.ParseFromString(content)
        n_bytes = model.ByteSize()
        model.DiscardUnknownFields()
    except DecodeError as error:
        raise foreign("its graph cannot be read") from error
    if model.ByteSize() != n_bytes:
        raise foreign("its graph has fields that this version does not know")
    if len(model.meta_graphs) != 1 or not model.meta_graphs[0].object_graph_def.nodes:
        raise foreign("it is no SavedModel of TensorFlow 2 with one graph")
    return model.meta_graphs[0]


def _check_size(graph: Any) -> None:
    n_nodes = len(graph.node) + sum(len(f.node_def) for f in graph.library.function)
    if n_nodes > MAX_NODES or len(graph.library.function) > MAX_FUNCTIONS:
        raise foreign(
            f"its graph has {n_nodes} operations in {len(graph.library.function)} functions; a voice has at most "
            f"{MAX_NODES} in {MAX_FUNCTIONS}"
        )
    n_bytes = sum(_constant_bytes(node) for node in _nodes(graph))
    if n_bytes > MAX_CONSTANT_BYTES:
        raise foreign(
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
                raise foreign(f"the constant {node.name} has no shape")
            n_bytes += max(16 * n_elements, tensor.ByteSize())  # 16: complex128
    return n_bytes


def _check_outer(nodes: Iterable[Any], saver: Any) -> dict[str, Any]:
    """Checks the graph outside of functions; returns the calls of the saver by name."""
    by_name = {node.name: node for node in nodes}
    names = (saver.save_tensor_name.removesuffix(":0"), saver.restore_op_name)
    saving = {name: by_name[name] for name in names if name in by_name}
    if len(saving) != 2 or saver.filename_tensor_name != f"{FILENAME}:0":
        raise foreign("it has no saver")
    for node in nodes:
        check_operation(node, OUTER_OPERATIONS, devices=HOST)
        inputs = {source_of(name) for name in node.input}
        if inputs & saving.keys():
            raise foreign(f"{node.name} follows upon its saver")
        if (FILENAME in inputs) != (node.name in saving):
            raise foreign(f"{node.name} is given the name of a file")
        if node.op == "VarHandleOp" and _shared_name(node) != node.name.encode():
            raise foreign(f"the variable {node.name} is shared under another name")
    for node in saving.values():
        if node.op != "StatefulPartitionedCall" or node.input[:1] != [FILENAME]:
            raise foreign("its saver is not TensorFlow's")
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
        raise foreign("it does not hold its saver")
    _check_descent(calls)
    if library.gradient:
        raise foreign("it names gradients in the way of TensorFlow 1")
    for gradient in library.registered_gradients:
        if gradient.gradient_func not in functions.keys() - saving:
            raise foreign("it names a gradient that it does not hold")
        if not GRADIENT_NAME.fullmatch(gradient.registered_op_type):
            raise foreign(f"it defines a gradient of {gradient.registered_op_type}")


def _check_function(function: Any, *, is_saving: bool) -> None:
    allowed = SAVING_OPERATIONS if is_saving else OPERATIONS
    devices = HOST if is_saving else ("",)
    strange = set(function.attr) - set(FUNCTION_ATTRIBUTES)
    for argument in function.arg_attr.values():
        strange |= set(argument.attr) - set(ARGUMENT_ATTRIBUTES)
    if strange:
        raise foreign(f"a function has the attribute {min(strange)}")
    for node in function.node_def:
        check_operation(node, allowed, devices=devices)
        if node.op == "Const":
            check_constant(node, is_saving=is_saving)
        if node.op in ("SaveV2", "RestoreV2"):
            _check_file_of(node, function)


def _check_file_of(node: Any, function: Any) -> None:
    """The saver's files are named by whoever calls it, never by itself."""
    argument = [argument.name for argument in function.signature.input_arg[:1]]
    expected = argument if node.op == "RestoreV2" else ["ShardedFilename"]
    if [source_of(name) for name in node.input[:1]] != expected:
        raise foreign(f"its saver has {node.op} of a file that it names itself")


def _check_calls(node: Any, playing: Set[str]) -> None:
    for name in _callees(node):
        if name not in playing:
            raise foreign(f"{node.name} calls {name[:80]}, which it may not or cannot")


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
            raise foreign(f"the function {min(left)} calls itself")
        for name in leaves:
            del left[name]
