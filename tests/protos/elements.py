"""What .proto files declare, element by element, as protoc reads them."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from google.protobuf import descriptor_pb2

PROTO_ROOT = Path(__file__).parents[2] / "proto"

_FIELD = descriptor_pb2.FieldDescriptorProto
# Numbers of fields in descriptor.proto: how source info names the place of an element.
_FILE_MESSAGES, _FILE_ENUMS, _FILE_SERVICES = 4, 5, 6
_MESSAGE_FIELDS, _MESSAGE_MESSAGES, _MESSAGE_ENUMS = 2, 3, 4
_VALUES, _METHODS = 2, 2


class Element(NamedTuple):
    """Something that is declared.

    Attributes:
      kind: `message`, `field`, `enum`, `value`, `service`, `method` or `reserved`.
      name: Full name, such as `amadeus.v1.AudioBlock.samples`.
      shape: What clients rely on beside the name: number and type, or what goes in and out.
      comment: What stands above it.
      place: File and line.
    """

    kind: str
    name: str
    shape: str
    comment: str = ""
    place: str = ""

    def __str__(self) -> str:
        """Writes it as a line of the lock."""
        return " ".join(filter(None, (self.kind, self.name, self.shape)))


def read_elements(root: Path = PROTO_ROOT) -> list[Element]:
    """Reads all .proto files below `root`.

    Raises:
      ValueError: protoc refuses a file; its words are on stderr.
    """
    paths = sorted(root.rglob("*.proto"))
    with tempfile.NamedTemporaryFile() as out:
        # In a process of its own: in one with TensorFlow, which brings a protobuf along, protoc crashes.
        command = [
            *(sys.executable, "-m", "grpc_tools.protoc", f"-I{root}"),
            *(f"--descriptor_set_out={out.name}", "--include_source_info"),
            *map(str, paths),
        ]
        if subprocess.run(command, check=False).returncode:
            raise ValueError(
                f"protoc refuses what lies in {root}; see its words above."
            )
        files = descriptor_pb2.FileDescriptorSet.FromString(out.read())
    return [element for file in files.file for element in _File(file).elements()]


class _File:
    def __init__(self, file: Any) -> None:
        self._file = file
        self._locations = {
            tuple(location.path): location
            for location in file.source_code_info.location
        }

    def elements(self) -> Iterator[Element]:
        prefix = self._file.package
        for index, message in enumerate(self._file.message_type):
            yield from self._message(message, prefix, (_FILE_MESSAGES, index))
        for index, enum in enumerate(self._file.enum_type):
            yield from self._enum(enum, prefix, (_FILE_ENUMS, index))
        for index, service in enumerate(self._file.service):
            yield from self._service(service, prefix, (_FILE_SERVICES, index))

    def _message(
        self, message: Any, prefix: str, path: tuple[int, ...]
    ) -> Iterator[Element]:
        if message.options.map_entry:
            return  # made by protoc; the map itself is a field
        name = f"{prefix}.{message.name}"
        yield self._element("message", name, "", path)
        for index, field in enumerate(message.field):
            place = (*path, _MESSAGE_FIELDS, index)
            shape = f"= {field.number} {_type(field, message)}"
            yield self._element("field", f"{name}.{field.name}", shape, place)
        for index, nested in enumerate(message.nested_type):
            yield from self._message(nested, name, (*path, _MESSAGE_MESSAGES, index))
        for index, enum in enumerate(message.enum_type):
            yield from self._enum(enum, name, (*path, _MESSAGE_ENUMS, index))
        yield from _reserved(message, name, end_is_exclusive=True)

    def _enum(self, enum: Any, prefix: str, path: tuple[int, ...]) -> Iterator[Element]:
        name = f"{prefix}.{enum.name}"
        yield self._element("enum", name, "", path)
        for index, value in enumerate(enum.value):
            place = (*path, _VALUES, index)
            shape = f"= {value.number}"
            yield self._element("value", f"{name}.{value.name}", shape, place)
        yield from _reserved(enum, name, end_is_exclusive=False)

    def _service(
        self, service: Any, prefix: str, path: tuple[int, ...]
    ) -> Iterator[Element]:
        name = f"{prefix}.{service.name}"
        yield self._element("service", name, "", path)
        for index, method in enumerate(service.method):
            shape = (
                f"({_stream(method.client_streaming)}{method.input_type[1:]}) returns "
                f"({_stream(method.server_streaming)}{method.output_type[1:]})"
            )
            place = (*path, _METHODS, index)
            yield self._element("method", f"{name}.{method.name}", shape, place)

    def _element(
        self, kind: str, name: str, shape: str, path: tuple[int, ...]
    ) -> Element:
        location = self._locations[path]
        place = f"{self._file.name}:{location.span[0] + 1}"
        return Element(kind, name, shape, location.leading_comments.strip(), place)


def _reserved(declared: Any, name: str, *, end_is_exclusive: bool) -> Iterator[Element]:
    for span in declared.reserved_range:
        last = span.end - 1 if end_is_exclusive else span.end
        yield Element("reserved", name, f"= {span.start} to {last}")
    for reserved in declared.reserved_name:
        yield Element("reserved", f"{name}.{reserved}", "")


def _type(field: Any, message: Any) -> str:
    """Writes the type of a field and everything about it that code or JSON relies on."""
    entry = {
        f"{nested.name}": nested
        for nested in message.nested_type
        if nested.options.map_entry
    }.get(field.type_name.rpartition(".")[2])
    if entry is not None:
        key, value = entry.field
        return f"map<{_scalar(key)}, {_scalar(value)}>"
    words = [_scalar(field)]
    if field.label == _FIELD.LABEL_REPEATED:
        words.insert(0, "repeated")
    if field.proto3_optional:
        words.insert(0, "optional")
    elif field.HasField("oneof_index"):
        words.append(f"in {message.oneof_decl[field.oneof_index].name}")
    return " ".join(words)


def _scalar(field: Any) -> str:
    if field.type_name:
        return field.type_name[1:]
    return _FIELD.Type.Name(field.type).removeprefix("TYPE_").lower()


def _stream(streams: bool) -> str:
    return "stream " if streams else ""
