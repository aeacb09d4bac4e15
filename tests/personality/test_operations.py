"""The allow-list of operations: voices of ours pass it, and programs in disguise do not."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry

from amadeus.errors import BundleError
from amadeus.personality import operations
from amadeus.personality.graphs import check_graph
from amadeus.personality.signatures import Tensor
from amadeus.v1 import profiles_pb2
from tests.export.voices import SMALL, write_voice
from tests.personality.saving import FLOAT, graph_of, save

PRESETS = [number for number in profiles_pb2.Preset.values() if number]
LISTS = (
    *(operations.OPERATIONS, operations.SAVING_OPERATIONS),
    *(operations.OUTER_OPERATIONS, operations.ATTRIBUTES),
)


# Voices of every make. If this fails, the error names what has to be listed in operations.py, after a look at what it
# can do: an operation there must neither leave the graph nor keep anything.


@pytest.mark.parametrize("preset", PRESETS)
def test_voices_of_every_preset_pass(preset, tmp_path):
    signatures = check_graph(graph_of(write_voice(tmp_path, preset=preset)))
    assert {"perform", "render", "controls", "step", "reverberate"} <= set(signatures)


@pytest.mark.parametrize(
    "settings",
    [
        {"reverb_duration_s": 0.0},
        {"dense_layer_count": 0},
        {"sample_rate": 48_000, "frame_rate": 200},
    ],
)
def test_voices_of_other_shapes_pass(settings, tmp_path):
    check_graph(graph_of(write_voice(tmp_path, **{**SMALL, **settings})))


def test_signatures_are_read_from_the_graph(voice_path):
    perform = check_graph(graph_of(voice_path))["perform"]
    assert perform.inputs["f0_hz"] == Tensor(FLOAT, (-1, -1))
    assert perform.outputs["audio"] == Tensor(FLOAT, (-1, -1))
    assert perform.inputs["state"] == perform.outputs["state"]
    step = check_graph(graph_of(voice_path))["step"]
    hop_size = SMALL["sample_rate"] // SMALL["frame_rate"]
    assert step.outputs["audio"] == Tensor(FLOAT, (-1, hop_size))


@pytest.mark.parametrize("names", LISTS)
def test_lists_are_in_order_and_name_nothing_twice(names):
    assert list(names) == sorted(set(names))


def test_what_may_play_keeps_nothing_and_reaches_nothing():
    """TensorFlow marks operations that have effects; these read variables or call other functions."""
    stateful = {
        name for name in operations.OPERATIONS if op_def_registry.get(name).is_stateful
    }
    assert stateful == {
        *("ReadVariableOp", "ResourceGather", "StatefulPartitionedCall", "While"),
    }


# Programs in disguise. Each is saved by TensorFlow itself; `name` is what the refusal must name.


def with_effect(effect):
    def play(f0_hz):
        with tf.control_dependencies([effect(f0_hz)]):
            return tf.identity(f0_hz)

    return play


def write_file(_):
    return tf.io.write_file("evil.txt", "evil")


def write_when_high(f0_hz):
    return tf.cond(
        f0_hz[0, 0] > 9_000,
        lambda: [write_file(f0_hz), tf.constant(1)][1],
        lambda: tf.constant(0),
    )


def write_in_a_loop(f0_hz):
    def body(i):
        with tf.control_dependencies([write_file(f0_hz)]):
            return i + 1

    return tf.while_loop(lambda i: i < 1, body, [tf.constant(0)])[0]


def read_file(_):
    return tf.io.read_file("/etc/passwd")


EFFECTS = {
    "WriteFile": write_file,
    "ReadFile": read_file,
    "EagerPyFunc": lambda x: tf.py_function(lambda y: y, [x], tf.float32),
    "PyFunc": lambda x: tf.numpy_function(lambda y: y, [x], tf.float32),
    "PrintV2|StringFormat": lambda x: tf.print(x, output_stream="file:///tmp/evil.txt"),
    "MatchingFiles": lambda _: tf.io.matching_files("/*"),
    "SaveV2": lambda x: tf.raw_ops.SaveV2(
        prefix="evil", tensor_names=["a"], shape_and_slices=[""], tensors=[x]
    ),
    "RestoreV2": lambda _: tf.raw_ops.RestoreV2(
        prefix="/tmp/x", tensor_names=["a"], shape_and_slices=[""], dtypes=[tf.float32]
    )[0],
    "MergeV2Checkpoints": lambda _: tf.raw_ops.MergeV2Checkpoints(
        checkpoint_prefixes=["/tmp/a"], destination_prefix="/tmp/b"
    ),
    "DebugIdentityV3|DebugIdentityV2": lambda x: tf.raw_ops.DebugIdentityV2(
        input=x, debug_urls=["file:///tmp/evil"]
    ),
    "FIFOQueueV2": lambda _: tf.raw_ops.QueueSizeV2(
        handle=tf.raw_ops.FIFOQueueV2(component_types=[tf.float32])
    ),
    # TensorFlow guards an assertion, and either operation may be found first
    "Assert|If": lambda x: tf.debugging.Assert(x[0, 0] > 0, [x]),
    "RandomUniform": lambda x: tf.random.uniform(tf.shape(x)),
    "TensorArrayV3|TensorDataset|RangeDataset": lambda _: (
        tf.data.Dataset.range(3)._variant_tensor
    ),
    "StringJoin": lambda _: tf.strings.join(["a", "b"]),
    "DecodeWav": lambda _: tf.audio.decode_wav(tf.constant(b"RIFF")).audio,
    "LookupTable|HashTableV2|MutableHashTableV2": lambda _: (
        tf.lookup.experimental.MutableHashTable(tf.int64, tf.int64, 0).size()
    ),
}


@pytest.mark.parametrize("name", EFFECTS)
def test_operations_that_do_more_than_play_are_refused(name, tmp_path):
    assert not set(name.split("|")) & set(operations.OPERATIONS)
    graph = save(tmp_path, with_effect(EFFECTS[name]))
    with pytest.raises(BundleError, match=rf"the operation \w*({name})|is a text"):
        check_graph(graph)


@pytest.mark.parametrize("hide", [write_when_high, write_in_a_loop])
def test_they_are_found_in_branches_and_loops(hide, tmp_path):
    graph = save(tmp_path, with_effect(hide))
    with pytest.raises(BundleError, match=r"the operation (WriteFile|If)|is a text"):
        check_graph(graph)


def test_a_variable_that_is_written_while_playing_is_refused(tmp_path):
    """It would carry sound from one listener to another."""
    kept = tf.Variable([0.0], name="kept")
    graph = save(tmp_path, with_effect(lambda x: kept.assign(x[0, :1])), kept=kept)
    with pytest.raises(BundleError, match="the operation AssignVariableOp"):
        check_graph(graph)


def test_a_harmless_model_passes(tmp_path):
    """Or the refusals above would show nothing."""
    assert set(check_graph(save(tmp_path, tf.sin))) == {"perform"}


def test_assets_and_tables_that_read_files_when_loaded_are_refused(tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("do 1\nre 2\n")
    asset = tf.saved_model.Asset(str(words))
    table = tf.lookup.StaticHashTable(
        tf.lookup.TextFileInitializer(
            str(words), tf.string, 0, tf.int64, 1, delimiter=" "
        ),
        -1,
    )
    for i, member in enumerate((asset, table)):
        graph = save(tmp_path / str(i), tf.sin, member=member)
        with pytest.raises(BundleError, match=r"operation|asset|object|text|attribute"):
            check_graph(graph)


def test_keras_objects_are_refused(tmp_path):
    """Their Lambda layers are Python in base64, and their configurations name classes to make."""
    layer = tf.keras.Sequential([tf.keras.layers.Lambda(lambda x: x * 2)])
    layer(tf.ones([1, 1]))
    graph = save(tmp_path, layer, layer=layer)
    with pytest.raises(BundleError, match=r"object|function|attribute|operation"):
        check_graph(graph)
    model = saved_model_pb2.SavedModel.FromString(save(tmp_path / "2", tf.sin))
    node = model.meta_graphs[0].object_graph_def.nodes[0]
    for identifier in ("_tf_keras_layer", "_tf_keras_model", "tf.anything"):
        node.user_object.identifier = identifier
        with pytest.raises(BundleError, match=f"holds an object '{identifier}'"):
            check_graph(model.SerializeToString())


def test_a_voice_that_writes_a_file_when_it_plays_is_never_unpacked(
    voice_path, tmp_path, monkeypatch
):
    """A whole voice with true weights and a true digest, whose network has one operation too many."""

    from amadeus.personality.bundle import read_bundle, write_bundle
    from amadeus.voice.model import VoiceModel

    evil = tmp_path / "evil.txt"

    class Trojan(VoiceModel):
        def perform(self, *args, **kwargs):
            with tf.control_dependencies([tf.io.write_file(str(evil), "evil")]):
                return super().perform(*args, **kwargs)

    monkeypatch.setattr("amadeus.voice.model.VoiceModel", Trojan)
    trojan = write_voice(tmp_path / "trojan", **SMALL)
    write_bundle(trojan, tmp_path / "trojan.deu")
    evil.unlink(missing_ok=True)
    with pytest.raises(BundleError, match=r"WriteFile|is a text, and"):
        read_bundle(tmp_path / "trojan.deu", tmp_path / "voice")
    assert not evil.exists()
    assert not (tmp_path / "voice").exists()
    loaded = tf.saved_model.load(str(trojan))  # the proof that it is a trojan
    assert not evil.exists()
    zeros = np.zeros([1, 1], np.float32)
    size = check_graph(graph_of(voice_path))["perform"].inputs["state"].shape[-1]
    loaded.signatures["perform"](
        f0_hz=tf.constant(zeros),
        loudness_db=tf.constant(zeros),
        state=tf.zeros([1, size]),
    )
    assert evil.read_text() == "evil"
