"""Outlines of SavedModels: TensorFlow's own parser is the oracle."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from serving.model_server import saved_model
from tests.contract import fixture_models


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    model = fixture_models.Several()
    path = tmp_path_factory.mktemp("several") / "1"
    signatures = {"serving_default": model.both, "negative": model.negative}
    return fixture_models.save(model, path, **signatures)


def parse(path):
    content = (path / "saved_model.pb").read_bytes()
    return saved_model_pb2.SavedModel.FromString(content)


def write(path, proto):
    (path / "saved_model.pb").write_bytes(proto.SerializeToString())
    return path


def test_signatures_are_those_of_the_file_and_the_graph_is_left_out(several):
    outline = saved_model.read_outline(several)
    wanted = parse(several).meta_graphs[0]
    assert outline.signature_def == wanted.signature_def
    assert outline.meta_info_def == wanted.meta_info_def
    assert wanted.graph_def.node
    assert not outline.graph_def.node


def test_the_graph_of_the_tag_serve_is_the_one(several, tmp_path):
    proto = parse(several)
    other = proto.meta_graphs.add()
    other.CopyFrom(proto.meta_graphs[0])
    proto.meta_graphs[0].meta_info_def.tags[:] = ["train"]
    del proto.meta_graphs[0].signature_def["negative"]
    proto.meta_graphs[0].saver_def.Clear()
    proto.meta_graphs[1].saver_def.Clear()
    outline = saved_model.read_outline(write(tmp_path, proto))
    assert set(outline.signature_def) >= {"serving_default", "negative"}
    proto.meta_graphs[1].meta_info_def.tags[:] = ["train"]
    with pytest.raises(LookupError, match="tag serve"):
        saved_model.read_outline(write(tmp_path, proto))


@pytest.mark.parametrize("op", ["Switch", "Merge", "LoopCond"])
def test_control_flow_of_tensorflow_1_is_seen(several, tmp_path, op):
    proto = parse(several)
    proto.meta_graphs[0].saver_def.Clear()
    proto.meta_graphs[0].graph_def.node.add(name=f"{op}V2Checkpoints", op=f"{op}V2")
    assert not saved_model.needs_threads(write(tmp_path, proto))
    proto.meta_graphs[0].graph_def.node.add(name="x", op=op)
    assert saved_model.needs_threads(write(tmp_path, proto))


def test_bytes_that_are_no_message_end_in_an_error(several, tmp_path):
    content = (several / "saved_model.pb").read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(content[: rng.integers(1, 4000)])
        damaged[rng.integers(len(damaged))] = rng.integers(256)
        (tmp_path / "saved_model.pb").write_bytes(damaged)
        with pytest.raises((ValueError, LookupError)):
            saved_model.read_outline(tmp_path)


def test_a_model_without_variables_needs_none(tmp_path):
    v1 = tf.compat.v1
    with v1.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [], "x")
        v1.saved_model.simple_save(session, str(tmp_path / "1"), {"x": x}, {"y": 2 * x})
    assert saved_model.read_outline(tmp_path / "1").signature_def
