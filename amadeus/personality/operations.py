"""What the nodes of a voice's graph may be: an allow-list of operations, attributes and constants.

`tests/personality/test_operations.py` exports voices of every preset and names what is missing here.
"""

import re
from collections.abc import Iterable
from typing import Any

from amadeus.personality.refusal import foreign

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
GRADIENT_NAME = re.compile(r"CustomGradient-[0-9]+")
_EQUATION = re.compile(r"[A-Za-z.,]*->[A-Za-z.]*")
HOST = ("", "/device:CPU:*", "/device:CPU:0")
_SAVING_PATTERN = b"^s3://.*"
_SETTINGS = (  # of a call; those are written by every TensorFlow
    *("allow_soft_placement", "device_count", "experimental", "gpu_options"),
    "pluggable_device_options",
)


def check_operation(
    node: Any, allowed: Iterable[str], *, devices: Iterable[str]
) -> None:
    """Makes sure that a node is an operation that is allowed, with attributes and on a device that are.

    Raises:
      BundleError: It is not.
    """
    if node.op not in allowed:
        raise foreign(f"it has the operation {node.op} ({node.name})")
    strange = set(node.attr) - set(ATTRIBUTES)
    if strange:
        raise foreign(f"{node.op} ({node.name}) has the attribute {min(strange)}")
    if node.device not in devices:
        raise foreign(f"{node.op} ({node.name}) asks for the device {node.device}")
    for name, attribute in node.attr.items():
        _check_attribute(node, name, attribute)


def _check_attribute(node: Any, name: str, attribute: Any) -> None:
    kind = attribute.WhichOneof("value")
    if kind == "placeholder" or (kind == "tensor" and node.op != "Const"):
        raise foreign(f"{node.op} ({node.name}) has a strange {name}")
    if kind == "func" and name not in ("f", "body", "cond"):
        raise foreign(f"{node.op} ({node.name}) calls a function by {name}")
    if kind == "list" and (attribute.list.func or attribute.list.tensor):
        raise foreign(f"{node.op} ({node.name}) has a strange {name}")
    if kind == "s" and not _is_harmless(node, name, attribute.s):
        raise foreign(f"{node.op} ({node.name}) has {name}={attribute.s[:40]!r}")


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
        return bool(GRADIENT_NAME.fullmatch(word))
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


def check_constant(node: Any, *, is_saving: bool) -> None:
    """Makes sure that a constant holds numbers; texts only where a saver needs them.

    Raises:
      BundleError: It does not.
    """
    from tensorflow.core.framework import types_pb2

    tensor = node.attr["value"].tensor
    if tensor.dtype in (types_pb2.DT_RESOURCE, types_pb2.DT_VARIANT):
        raise foreign(f"the constant {node.name} is no number")
    if tensor.dtype != types_pb2.DT_STRING:
        return
    if not is_saving:
        raise foreign(f"the constant {node.name} is a text, and could name a file")
    for text in tensor.string_val:
        leads_out = text.startswith((b"/", b"~")) or b".." in text or b":" in text
        if leads_out and text != _SAVING_PATTERN:
            raise foreign(f"its saver names the file {text[:80]!r}")
