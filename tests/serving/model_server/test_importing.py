"""Graphs in pieces: the same graph, with the lock given back in between."""

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from serving.model_server import importing
from tests.contract import fixture_models


def read_graph(path):
    content = (path / "saved_model.pb").read_bytes()
    return saved_model_pb2.SavedModel.FromString(content).meta_graphs[0].graph_def


def test_pieces_are_small_and_make_up_the_graph(tmp_path):
    several = fixture_models.Several()
    path = fixture_models.save(
        several,
        tmp_path / "1",
        serving_default=several.both,
        negative=several.negative,
    )
    graph_def = read_graph(path)
    pieces = list(importing._cut(graph_def))
    nodes = [node for piece in pieces for node in piece.node]
    assert sorted(n.name for n in nodes) == sorted(n.name for n in graph_def.node)
    assert sum(len(piece.library.function) for piece in pieces) == len(
        graph_def.library.function
    )
    for piece in pieces:
        calls = [node for node in piece.node if node.op.endswith("PartitionedCall")]
        assert len(calls) + len(piece.library.function) <= 1


def test_the_graph_is_the_one_tensorflow_would_load(tmp_path):
    path = str(fixture_models.save_line(tmp_path / "1"))
    graphs = []
    for load in (importing.load, load_at_once):
        with tf.compat.v1.Session(graph=tf.Graph()) as session:
            with session.graph.as_default():
                load(session, path)
            graphs.append(
                {
                    node.name: (node.op, *node.input)
                    for node in session.graph.as_graph_def().node
                }
            )
    in_pieces, at_once = graphs
    assert in_pieces == at_once


def load_at_once(session, path):
    return tf.compat.v1.saved_model.load(session, ["serve"], path)


def test_nodes_in_a_circle_are_left_to_tensorflow():
    graph_def = tf.compat.v1.GraphDef()
    graph_def.node.add(name="a", op="NoOp", input=["^b"])
    graph_def.node.add(name="b", op="NoOp", input=["^a"])
    graph_def.node.add(name="c", op="NoOp")
    assert [n.name for piece in importing._cut(graph_def) for n in piece.node] == ["c"]
