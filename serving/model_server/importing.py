"""Reads a SavedModel into a session, a piece at a time.

TensorFlow holds Python's lock while it imports a graph, and looks into every function a node calls: for a
voice that is 50 to 140 ms in which no other thread can play. Imported function by function and call by call it
is the same graph, but the lock is given back every 10 ms or so.
"""

from collections.abc import Iterator
from typing import Any

import tensorflow as tf

# what `tf.compat.v1.saved_model.load` calls, without its advice to load otherwise
from tensorflow.python.saved_model.loader_impl import SavedModelLoader

_INIT_SIGNATURE = "__saved_model_init_op"  # every SavedModel of TensorFlow 2 has it
_TAGS = ["serve"]


def load(session: tf.compat.v1.Session, path: str) -> Any:
    """Loads a SavedModel into a session and its empty graph.

    Args:
      session: Of a graph of its own.
      path: Folder of the SavedModel.

    Returns:
      The MetaGraphDef.

    Raises:
      OSError, ValueError, LookupError, TypeError, RuntimeError, tf.errors.OpError: As TensorFlow finds it damaged.
    """
    return _Loader(path).load(session, _TAGS)


class _Loader(SavedModelLoader):
    def load_graph(
        self, graph: tf.Graph, tags: list[str], *arguments: Any, **options: Any
    ) -> tuple[Any, Any]:
        """Imports the graph and makes what restores its variables."""
        meta_graph = self.get_meta_graph_def_from_tags(tags)
        pieces = list(_cut(meta_graph.graph_def))
        n_nodes = sum(len(piece.node) for piece in pieces)
        # graphs of TensorFlow 1 may have collections, and loops among their nodes
        if (
            _INIT_SIGNATURE not in meta_graph.signature_def
            or n_nodes < len(meta_graph.graph_def.node)
            or not meta_graph.saver_def.restore_op_name
        ):
            return super().load_graph(graph, tags, *arguments, **options)
        with graph.as_default():
            for piece in pieces:
                known = _inputs(graph, piece)
                tf.graph_util.import_graph_def(piece, name="", input_map=known)
        return tf.compat.v1.train.Saver(saver_def=meta_graph.saver_def), None


def _cut(graph_def: Any) -> Iterator[Any]:
    """Cuts a graph so that each piece needs only pieces before it; nodes in a circle are left out."""
    for function in graph_def.library.function:
        yield _piece(graph_def, functions=[function])
    waiting = list(graph_def.node)
    done: set[str] = set()
    while waiting:
        ready = [node for node in waiting if _sources(node) <= done]
        if not ready:
            return
        calls = [node for node in ready if node.op.endswith("PartitionedCall")]
        others = [node for node in ready if not node.op.endswith("PartitionedCall")]
        for nodes in (others, *([call] for call in calls)):
            if nodes:
                yield _piece(graph_def, nodes=nodes)
        done |= {node.name for node in ready}
        waiting = [node for node in waiting if node.name not in done]


def _piece(graph_def: Any, nodes: Any = (), functions: Any = ()) -> Any:
    piece = tf.compat.v1.GraphDef(versions=graph_def.versions)
    piece.node.extend(nodes)
    piece.library.function.extend(functions)
    return piece


def _sources(node: Any) -> set[str]:
    return {name.lstrip("^").partition(":")[0] for name in node.input}


def _inputs(graph: tf.Graph, piece: Any) -> dict[str, Any]:
    """Finds what the nodes of a piece take from pieces before."""
    names = {name for node in piece.node for name in node.input}
    return {name: _find(graph, name) for name in names}


def _find(graph: tf.Graph, name: str) -> Any:
    if name.startswith("^"):
        return graph.get_operation_by_name(name[1:])
    return graph.get_tensor_by_name(name if ":" in name else f"{name}:0")
