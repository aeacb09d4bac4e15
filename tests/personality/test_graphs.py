"""Graphs that TensorFlow would not save, but loads: protos changed by hand are refused."""

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.core.protobuf import saved_model_pb2

from amadeus.errors import BundleError
from amadeus.personality.graphs import MAX_NODES, check_graph
from tests.personality.saving import FLOAT, save
from tests.personality.test_bundle import MUTATIONS, mutate

SAVERS = ("__inference__traced_save", "__inference__traced_restore")


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
    for i in range(MAX_NODES + 1):
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
    library = meta.graph_def.library
    names = [function.signature.name for function in library.function]
    library.registered_gradients.add(
        # Functions come in any order; those of the saver are nobody's gradient.
        gradient_func=next(n for n in names if not n.startswith(SAVERS)),
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
