"""What the graph of a voice offers: its signatures, read and checked without running any of it."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from amadeus.personality.refusal import foreign

_INIT_SIGNATURE = "__saved_model_init_op"
_MAIN_OP_COLLECTION = "saved_model_main_op"
_PREDICT = "tensorflow/serving/predict"
FILENAME = "saver_filename"


class Tensor(NamedTuple):
    """An input or output of a signature; an open dimension is -1."""

    dtype: int
    shape: tuple[int, ...]


class Signature(NamedTuple):
    """What a signature takes and gives, by name."""

    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]


def check_meta(meta_graph: Any) -> None:
    """Makes sure that nothing but the graph is there: no assets, no collections that loading could run.

    Raises:
      BundleError: There is more.
    """
    if meta_graph.asset_file_def:
        raise foreign("it has assets, files that are read when it is loaded")
    if list(meta_graph.meta_info_def.tags) != ["serve"]:
        raise foreign(f"its tags are {', '.join(meta_graph.meta_info_def.tags)}")
    if meta_graph.meta_info_def.HasField("any_info"):
        raise foreign("it brings information of unknown kind")
    main_op = {node.name for node in meta_graph.graph_def.node if _is_nothing(node)}
    for name, collection in meta_graph.collection_def.items():
        operations = set(collection.node_list.value)
        if name != _MAIN_OP_COLLECTION or not operations <= main_op:
            raise foreign(f"it has the collection {name}, which loading could run")


def read_signatures(meta_graph: Any, saving: Iterable[str]) -> dict[str, Signature]:
    """Reads the signatures of a graph by name.

    Args:
      meta_graph: The graph and what it declares.
      saving: Names of the nodes that save and restore.

    Raises:
      BundleError: One takes what is no input, or gives what is no sound.
    """
    by_name = {node.name: node for node in meta_graph.graph_def.node}
    signatures = {}
    for name, definition in meta_graph.signature_def.items():
        if definition.defaults or definition.method_name not in ("", _PREDICT):
            raise foreign(f"its signature {name} is of an unknown kind")
        if name == _INIT_SIGNATURE:
            outputs = [by_name.get(t.name) for t in definition.outputs.values()]
            if definition.inputs or not all(o and _is_nothing(o) for o in outputs):
                raise foreign("it does something when it is loaded")
            continue
        for tensor in definition.inputs.values():
            node = by_name.get(source_of(tensor.name))
            if node is None or node.op != "Placeholder" or node.name == FILENAME:
                raise foreign(f"its signature {name} takes what is no input")
        for tensor in definition.outputs.values():
            node = by_name.get(source_of(tensor.name))
            if node is None or node.name in saving:
                raise foreign(f"its signature {name} gives what is no sound")
        signatures[name] = Signature(
            _tensors(definition.inputs), _tensors(definition.outputs)
        )
    return signatures


def _tensors(infos: Any) -> dict[str, Tensor]:
    tensors = {}
    for name, info in infos.items():
        if info.WhichOneof("encoding") != "name" or info.tensor_shape.unknown_rank:
            raise foreign(f"{name} of a signature is no plain tensor")
        shape = tuple(dim.size for dim in info.tensor_shape.dim)
        tensors[name] = Tensor(info.dtype, shape)
    return tensors


def _is_nothing(node: Any) -> bool:
    return node.op == "NoOp" and not node.input


def source_of(name: str) -> str:
    """The node that an input comes from, as data or as control."""
    return name.removeprefix("^").partition(":")[0]
