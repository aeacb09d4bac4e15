"""The allow-list of operations: voices of ours pass it, and programs in disguise do not."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry

from amadeus.errors import BundleError
from amadeus.personality import operations
from amadeus.personality.operations import Tensor, check_graph
from amadeus.v1 import profiles_pb2
from tests.export.voices import SMALL, write_voice
from tests.personality.test_bundle import MUTATIONS, mutate

FLOAT = 1  # DT_FLOAT
PRESETS = [number for number in profiles_pb2.Preset.values() if number]
LISTS = (
    *(operations.OPERATIONS, operations.SAVING_OPERATIONS),
    *(operations.OUTER_OPERATIONS, operations.ATTRIBUTES),
)


def graph_of(voice_path):
    return (voice_path / "saved_model.pb").read_bytes()


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


def save(path, function, **members):
    """Saves a function of f0_hz [n_batch, n_frames] as `perform`, and reads the graph back."""
    module = tf.Module()
    module.gain = tf.Variable([1.0], name="gain")
    for name, member in members.items():
        setattr(module, name, member)
    spec = tf.TensorSpec([None, None], tf.float32, "f0_hz")

    @tf.function(input_signature=[spec], autograph=False)
    def perform(f0_hz):
        return {"audio": function(f0_hz) * module.gain}

    tf.saved_model.save(module, str(path), signatures={"perform": perform})
    return graph_of(path)


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


# What TensorFlow would not save, but loads: the proto changed by hand.


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    return save(tmp_path_factory.mktemp("honest"), tf.sin)


@pytest.fixture
def model(honest):
    return saved_model_pb2.SavedModel.FromString(honest)


def outer(graph):
    return {node.op: node for node in graph.node}


def restore_of(meta):
    return next(
        node
        for node in meta.graph_def.node
        if node.name == meta.saver_def.restore_op_name
    )


def saver_behind_a_signature(meta):
    meta.signature_def["perform"].outputs[
        "audio"
    ].name = meta.saver_def.save_tensor_name


def file_name_from_a_signature(meta):
    meta.signature_def["perform"].inputs["f0_hz"].name = "saver_filename:0"


def saver_as_init_op(meta):
    meta.signature_def["__saved_model_init_op"].outputs[
        "__saved_model_init_op"
    ].name = meta.saver_def.restore_op_name


def saver_as_main_op(meta):
    meta.collection_def["saved_model_main_op"].node_list.value[:] = [
        meta.saver_def.restore_op_name
    ]


def init_op_of_old(meta):
    meta.collection_def["legacy_init_op"].node_list.value.append("NoOp")


def saver_before_playing(meta):
    node = next(
        n
        for n in meta.graph_def.node
        if "f0_hz" in "".join(n.input) and n.op.endswith("Call")
    )
    node.input.append(f"^{meta.saver_def.restore_op_name}")


def saver_called_beside(meta):
    """By the name of its function, with a file of one's own."""
    node = next(n for n in meta.graph_def.node if n.op.endswith("Call"))
    node.attr["f"].func.name = restore_of(meta).attr["f"].func.name


def saver_called_by_playing(meta):
    name = restore_of(meta).attr["f"].func.name
    for function in meta.graph_def.library.function:
        for node in function.node_def:
            if node.op == "StatefulPartitionedCall":
                node.attr["f"].func.name = name


def saver_offered_as_an_object(meta):
    name = restore_of(meta).attr["f"].func.name
    for node in meta.object_graph_def.nodes:
        if node.WhichOneof("kind") == "bare_concrete_function":
            node.bare_concrete_function.concrete_function_name = name


def own_file_in_the_saver(meta):
    for function in meta.graph_def.library.function:
        for node in function.node_def:
            if node.op == "RestoreV2":
                node.input[0] = "RestoreV2/tensor_names:output:0"


def name_of_a_file_in_the_saver(meta):
    for function in meta.graph_def.library.function:
        for node in function.node_def:
            if node.op == "Const" and node.attr["value"].tensor.string_val:
                node.attr["value"].tensor.string_val[0] = b"/etc/cron.d/evil"


def asset(meta):
    meta.asset_file_def.add(filename="../../etc/passwd").tensor_info.name = "f0_hz:0"


def variable_of_another(meta):
    outer(meta.graph_def)["VarHandleOp"].attr["shared_name"].s = b"gain_of_another"


def device_elsewhere(meta):
    outer(meta.graph_def)["VarHandleOp"].device = "/job:worker/task:1"


def custom_operation(meta):
    outer(meta.graph_def)["NoOp"].op = "EvilOp"


def compiled(meta):
    outer(meta.graph_def)["NoOp"].attr["_XlaMustCompile"].b = True


def service_in_settings(meta):
    for node in meta.graph_def.node:
        if "config_proto" in node.attr:
            node.attr["config_proto"].s = b"\x82\x01\x0b\x1a\x09evil:9999"


def constant_that_grows(meta):
    node = meta.graph_def.library.function[0].node_def.add(name="huge", op="Const")
    tensor = node.attr["value"].tensor
    tensor.dtype = FLOAT
    tensor.float_val.append(0.0)
    for size in (2**20, 2**20):
        tensor.tensor_shape.dim.add(size=size)


def many_nodes(meta):
    for i in range(operations.MAX_NODES + 1):
        meta.graph_def.node.add(name=f"n{i}", op="NoOp")


def calls_itself(meta):
    for function in meta.graph_def.library.function:
        for node in function.node_def:
            if node.op == "StatefulPartitionedCall":
                node.attr["f"].func.name = function.signature.name


def calls_nothing(meta):
    for node in meta.graph_def.node:
        if node.op == "StatefulPartitionedCall" and node.input[0] != "saver_filename":
            node.attr["f"].func.name = "elsewhere"


def twins(meta):
    meta.graph_def.library.function.append(meta.graph_def.library.function[0])


def foreign_gradient(meta):
    meta.graph_def.library.registered_gradients.add(
        gradient_func=meta.graph_def.library.function[0].signature.name,
        registered_op_type="MatMul",
    )


def gradient_of_old(meta):
    name = meta.graph_def.library.function[0].signature.name
    meta.graph_def.library.gradient.add(function_name=name, gradient_func=name)


def object_with_code(meta):
    meta.object_graph_def.nodes[0].registered_name = "Custom.Evil"


def object_with_a_saver(meta):
    meta.object_graph_def.nodes[0].registered_saver = "Custom.evil"


def object_with_own_restoring(meta):
    meta.object_graph_def.nodes[0].saveable_objects["x"].restore_function = 1


def object_with_a_proto(meta):
    meta.object_graph_def.nodes[0].serialized_user_proto.type_url = "evil"


def resource(meta):
    meta.object_graph_def.nodes.add().resource.device = ""


def child_with_two_underscores(meta):
    meta.object_graph_def.nodes[0].children[0].local_name = "__class__"


def child_that_restores(meta):
    meta.object_graph_def.nodes[0].children[0].local_name = "_restore_from_tensors"


def compiled_by_specification(meta):
    for node in meta.object_graph_def.nodes:
        if node.WhichOneof("kind") == "bare_concrete_function":
            node.bare_concrete_function.function_spec.jit_compile = 1


def class_by_name(meta):
    for function in meta.object_graph_def.concrete_functions.values():
        function.output_signature.type_spec_value.type_spec_class_name = "Evil"


def tag(meta):
    meta.meta_info_def.tags[:] = ["train"]


def no_objects(meta):
    meta.ClearField("object_graph_def")


def default_value(meta):
    meta.signature_def["perform"].defaults["f0_hz"].dtype = FLOAT


CHANGES = {
    saver_behind_a_signature: "gives what is no sound",
    file_name_from_a_signature: "takes what is no input",
    saver_as_init_op: "does something when it is loaded",
    saver_as_main_op: "which loading could run",
    init_op_of_old: "legacy_init_op, which loading could run",
    saver_before_playing: "follows upon its saver",
    saver_called_beside: "which it may not or cannot",
    saver_called_by_playing: "which it may not or cannot",
    saver_offered_as_an_object: "not its own",
    own_file_in_the_saver: "RestoreV2 of a file that it names itself",
    name_of_a_file_in_the_saver: "names the file b'/etc/cron.d/evil'",
    asset: "has assets",
    variable_of_another: "shared under another name",
    device_elsewhere: "asks for the device /job:worker/task:1",
    custom_operation: "the operation EvilOp",
    compiled: "the attribute _XlaMustCompile",
    service_in_settings: "config_proto=",
    constant_that_grows: "its constants take 17592",
    many_nodes: "operations in",
    calls_itself: "calls itself",
    calls_nothing: "calls elsewhere, which",
    twins: "two functions have one name",
    foreign_gradient: "defines a gradient of MatMul",
    gradient_of_old: "in the way of TensorFlow 1",
    object_with_code: "brings code of its own",
    object_with_a_saver: "brings code of its own",
    object_with_own_restoring: "brings code of its own",
    object_with_a_proto: "brings code of its own",
    resource: "an object of kind resource",
    child_with_two_underscores: "is called '__class__'",
    child_that_restores: "is called '_restore_from_tensors'",
    compiled_by_specification: "wants to be compiled",
    class_by_name: "takes or gives a type_spec_value",
    tag: "its tags are train",
    no_objects: "no SavedModel of TensorFlow 2",
    default_value: "is of an unknown kind",
}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_protos_that_were_changed_by_hand_are_refused(model, change):
    change(model.meta_graphs[0])
    with pytest.raises(BundleError, match=CHANGES[change]):
        check_graph(model.SerializeToString())


def test_names_from_a_bundle_do_not_reach_the_terminal(model):
    model.meta_graphs[0].graph_def.node.add(name="\x1b[31m\n" * 100, op="Evil\x1b[2J")
    with pytest.raises(BundleError, match=r"the operation Evil\?\[2J") as caught:
        check_graph(model.SerializeToString())
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


def test_a_second_graph_is_refused(model):
    model.meta_graphs.append(model.meta_graphs[0])
    with pytest.raises(BundleError, match="with one graph"):
        check_graph(model.SerializeToString())


def test_fields_that_are_not_known_are_refused(honest):
    with pytest.raises(BundleError, match="fields that this version does not know"):
        check_graph(honest + b"\xf8\x3f\x01")  # field 1023


@settings(max_examples=1_500, deadline=None, database=None, derandomize=True)
@given(mutations=MUTATIONS)
def test_a_damaged_graph_is_refused_or_still_a_voice(honest, mutations):
    damaged = mutate(honest, mutations)
    try:
        signatures = check_graph(damaged)
    except BundleError:
        return
    model = saved_model_pb2.SavedModel.FromString(damaged)
    assert len(signatures) <= len(model.meta_graphs[0].signature_def)


@settings(max_examples=300, deadline=None, database=None, derandomize=True)
@given(text=st.binary(max_size=300))
def test_noise_is_no_graph(text):
    with pytest.raises(BundleError):
        check_graph(text)


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
