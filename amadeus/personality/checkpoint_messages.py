"""The few messages a checkpoint is read with, declared here, so that reading one does not load TensorFlow.

They lie in a pool of their own and hold the fields that are looked at, under TensorFlow's names and numbers; what else
is written passes as unknown.

Reference: tensorflow/core/protobuf/tensor_bundle.proto, trackable_object_graph.proto;
tensorflow/core/framework/tensor_shape.proto, types.proto.
"""

import functools
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

DT_FLOAT, DT_STRING = 1, 7
LITTLE_ENDIAN = 0

_PACKAGE = "amadeus.checkpoint"
_Field = descriptor_pb2.FieldDescriptorProto
_ONE, _MANY = _Field.LABEL_OPTIONAL, _Field.LABEL_REPEATED

# name, number, label, type; a type that is a word is a message
_MESSAGES: dict[str, tuple[tuple[str, int, Any, Any], ...]] = {
    "Unread": (),
    "BundleHeaderProto": (
        ("num_shards", 1, _ONE, _Field.TYPE_INT32),
        ("endianness", 2, _ONE, _Field.TYPE_INT32),
    ),
    "Dim": (("size", 1, _ONE, _Field.TYPE_INT64),),
    "TensorShapeProto": (
        ("dim", 2, _MANY, "Dim"),
        ("unknown_rank", 3, _ONE, _Field.TYPE_BOOL),
    ),
    "BundleEntryProto": (
        ("dtype", 1, _ONE, _Field.TYPE_INT32),
        ("shape", 2, _ONE, "TensorShapeProto"),
        ("shard_id", 3, _ONE, _Field.TYPE_INT32),
        ("offset", 4, _ONE, _Field.TYPE_INT64),
        ("size", 5, _ONE, _Field.TYPE_INT64),
        ("slices", 7, _MANY, "Unread"),
    ),
    "SerializedTensor": (("checkpoint_key", 3, _ONE, _Field.TYPE_STRING),),
    "TrackableObject": (
        ("attributes", 2, _MANY, "SerializedTensor"),
        ("slot_variables", 3, _MANY, "Unread"),
        ("registered_saver", 4, _ONE, "Unread"),
    ),
    "TrackableObjectGraph": (("nodes", 1, _MANY, "TrackableObject"),),
    "SavedModel": (("meta_graphs", 2, _MANY, _Field.TYPE_BYTES),),
}


@functools.cache
def message_class(name: str) -> Any:
    """Finds a message by TensorFlow's name for it."""
    return message_factory.GetMessageClass(
        _pool().FindMessageTypeByName(f"{_PACKAGE}.{name}")
    )


@functools.cache
def _pool() -> descriptor_pool.DescriptorPool:
    file = descriptor_pb2.FileDescriptorProto(
        name="amadeus/checkpoint.proto", package=_PACKAGE, syntax="proto3"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, label, kind in fields:
            declared = message.field.add(name=field, number=number, label=label)
            if isinstance(kind, str):
                declared.type = _Field.TYPE_MESSAGE
                declared.type_name = f".{_PACKAGE}.{kind}"
            else:
                declared.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool
