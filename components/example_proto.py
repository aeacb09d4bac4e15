"""tf.train.Example as its wire format is, without TensorFlow.

Whoever reads and writes records on many workers needs no more of TensorFlow than these six messages, and TensorFlow
takes 500 MB and four seconds in each. They live in a descriptor pool of their own: TensorFlow may be loaded too.

Reference: tensorflow/core/example/feature.proto and example.proto.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "amadeus.records"
_Field = descriptor_pb2.FieldDescriptorProto
_LISTS = {
    "BytesList": ("bytes_list", _Field.TYPE_BYTES),
    "FloatList": ("float_list", _Field.TYPE_FLOAT),
    "Int64List": ("int64_list", _Field.TYPE_INT64),
}


def _describe() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name="amadeus_records.proto", package=_PACKAGE, syntax="proto3"
    )
    feature = descriptor_pb2.DescriptorProto(name="Feature")
    feature.oneof_decl.add(name="kind")
    for number, (name, (field, kind)) in enumerate(_LISTS.items(), start=1):
        values = file.message_type.add(name=name)
        values.field.add(name="value", number=1, label=_Field.LABEL_REPEATED, type=kind)
        feature.field.add(
            name=field, number=number, oneof_index=0, **_message_type(name)
        )
    file.message_type.append(feature)
    features = file.message_type.add(name="Features")
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    entry.field.add(
        name="key", number=1, label=_Field.LABEL_OPTIONAL, type=_Field.TYPE_STRING
    )
    entry.field.add(name="value", number=2, **_message_type("Feature"))
    repeated = _message_type("Features.FeatureEntry") | {"label": _Field.LABEL_REPEATED}
    features.field.add(name="feature", number=1, **repeated)
    example = file.message_type.add(name="Example")
    example.field.add(name="features", number=1, **_message_type("Features"))
    return file


def _message_type(name: str) -> dict[str, Any]:
    return {
        "type": _Field.TYPE_MESSAGE,
        "type_name": f".{_PACKAGE}.{name}",
        "label": _Field.LABEL_OPTIONAL,
    }


def _make(name: str) -> Any:
    return message_factory.GetMessageClass(
        _POOL.FindMessageTypeByName(f"{_PACKAGE}.{name}")
    )


_POOL = descriptor_pool.DescriptorPool()
_POOL.Add(_describe())

Example: Any = _make("Example")
Features: Any = _make("Features")
Feature: Any = _make("Feature")
FloatList: Any = _make("FloatList")
BytesList: Any = _make("BytesList")
Int64List: Any = _make("Int64List")
