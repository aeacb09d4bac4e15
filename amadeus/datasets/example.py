"""tf.train.Example by its wire format: finds the features of a record without parsing it, and writes records.

A note holds 64,000 samples beside a dozen words. Parsing the whole message for a word costs half a millisecond;
walking over its fields by their lengths costs hundredths of it and copies nothing.

What protobuf says of fields that come twice holds here too: entries of a map replace each other, messages merge.

Reference: the encoding guide of Protocol Buffers; tensorflow/core/example/feature.proto.
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5
_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = 1, 2, 3  # of Feature
_MAX_FIELDS = 1 << 20  # of a message; as many of two bytes each fill 200 MB
_MAX_FEATURES = 10_000  # NSynth has two dozen


class WireError(ValueError):
    """Bytes that are no tf.train.Example."""


class Span(NamedTuple):
    """A part of a record: from `start` up to `end`."""

    start: int
    end: int


Value = bytes | int | float | np.ndarray | Sequence[int] | Sequence[bytes]


def find_features(record: bytes) -> dict[str, Span]:
    """Finds where the features of an Example lie; none is read.

    Raises:
      WireError: It is no Example.
    """
    found: dict[str, Span] = {}
    try:
        for number, start, end in _fields(record, 0, len(record)):
            if number != 1:
                continue
            for entry_number, entry_start, entry_end in _fields(record, start, end):
                if entry_number == 1:
                    key, span = _entry(record, entry_start, entry_end)
                    found[key] = span
                    if len(found) > _MAX_FEATURES:
                        raise WireError(f"more than {_MAX_FEATURES:,} features")
    except (IndexError, UnicodeDecodeError) as error:
        raise WireError(f"no tf.train.Example ({error})") from error
    return found


def ints(record: bytes, span: Span) -> list[int]:
    """Reads a feature of whole numbers.

    Raises:
      WireError: It is of another kind.
    """
    values: list[int] = []
    try:
        for _, position, end in _list(record, span, _INT64_LIST):
            while position < end:
                number, position = _varint(record, position)
                values.append(number - (1 << 64) if number >> 63 else number)
            if position != end:
                raise WireError("a number goes beyond its field")
    except IndexError as error:
        raise WireError("a number is cut off") from error
    return values


def texts(record: bytes, span: Span) -> list[bytes]:
    """Reads a feature of bytes.

    Raises:
      WireError: It is of another kind.
    """
    return [record[start:end] for _, start, end in _list(record, span, _BYTES_LIST)]


def floats(record: bytes, span: Span) -> np.ndarray:
    """Reads a feature of floats, packed or not, to float32 [n].

    Raises:
      WireError: It is of another kind.
    """
    parts = [
        np.frombuffer(record, "<f4", (end - start) // 4, start)
        for _, start, end in _float_parts(record, span)
    ]
    return parts[0] if len(parts) == 1 else np.concatenate([np.zeros(0, "<f4"), *parts])


def n_floats(record: bytes, span: Span) -> int:
    """Counts the floats of a feature without reading them.

    Raises:
      WireError: It is of another kind.
    """
    return sum((end - start) // 4 for _, start, end in _float_parts(record, span))


def encode(features: dict[str, Value]) -> bytes:
    """Writes an Example with its features in the order given.

    Args:
      features: Arrays become floats; whole numbers and sequences of them, numbers; the rest, bytes.
    """
    entries = [
        _field(1, _field(1, key.encode()) + _field(2, _feature(value)))
        for key, value in features.items()
    ]
    return _field(1, b"".join(entries))


def _entry(record: bytes, start: int, end: int) -> tuple[str, Span]:
    key, span = "", Span(end, end)
    for number, field_start, field_end in _fields(record, start, end):
        if number == 1:
            key = record[field_start:field_end].decode()
        elif number == 2:
            if span.end > span.start:
                raise WireError("a feature in two pieces")
            span = Span(field_start, field_end)
    return key, span


def _float_parts(record: bytes, span: Span) -> list[tuple[int, int, int]]:
    parts = list(_list(record, span, _FLOAT_LIST))
    if any((end - start) % 4 for _, start, end in parts):
        raise WireError("floats that end within a float")
    return parts


def _list(record: bytes, span: Span, kind: int) -> list[tuple[int, int, int]]:
    """Finds the values of a feature: wire type and place of each, or of each pack of them."""
    found: list[tuple[int, int, int]] = []
    try:
        for number, start, end in _fields(record, *span):
            if number != kind:
                raise WireError("a feature of another kind")
            found += [
                (wire, value_start, value_end)
                for number, wire, value_start, value_end in _walk(record, start, end)
                if number == 1
            ]
    except IndexError as error:
        raise WireError("a feature is cut off") from error
    return found


def _fields(record: bytes, start: int, end: int) -> list[tuple[int, int, int]]:
    """Lists the length-delimited fields of a message: number and place."""
    return [
        (number, field_start, field_end)
        for number, wire, field_start, field_end in _walk(record, start, end)
        if wire == _BYTES
    ]


def _walk(record: bytes, start: int, end: int) -> list[tuple[int, int, int, int]]:
    """Lists the fields of a message: number, wire type and place."""
    fields = []
    position = start
    while position < end:
        tag = record[position]
        position += 1
        if tag > 0x7F:
            tag, position = _varint(record, position - 1)
        wire = tag & 7
        if wire == _BYTES:
            size = record[position]
            position += 1
            if size > 0x7F:
                size, position = _varint(record, position - 1)
        elif wire == _FIXED_32:
            size = 4
        elif wire == _VARINT:
            size = _varint(record, position)[1] - position
        elif wire == _FIXED_64:
            size = 8
        else:
            raise WireError(f"wire type {wire}, which no Example has")
        if position + size > end:
            raise WireError("a field goes beyond its message")
        fields.append((tag >> 3, wire, position, position + size))
        if len(fields) > _MAX_FIELDS:
            raise WireError(f"more than {_MAX_FIELDS:,} fields")
        position += size
    return fields


def _varint(record: bytes, position: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = record[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, position
        shift += 7
        if shift > 63:
            raise WireError("a number of more than 64 bits")


def _feature(value: Value) -> bytes:
    if isinstance(value, np.ndarray):
        packed = np.ascontiguousarray(value, dtype="<f4").tobytes()
        return _field(_FLOAT_LIST, _field(1, packed))
    if isinstance(value, bytes):
        return _field(_BYTES_LIST, _field(1, value))
    if isinstance(value, float):
        return _field(_FLOAT_LIST, _field(1, struct.pack("<f", value)))
    values = [value] if isinstance(value, int) else list(value)
    if not values:
        return b""  # a feature of no kind, which all readers take for an empty list
    words = [one for one in values if isinstance(one, bytes)]
    if words:
        return _field(_BYTES_LIST, b"".join(_field(1, word) for word in words))
    numbers = [one for one in values if isinstance(one, int)]
    packed = b"".join(_number(number & (1 << 64) - 1) for number in numbers)
    return _field(_INT64_LIST, _field(1, packed))


def _field(number: int, content: bytes) -> bytes:
    return _number(number << 3 | _BYTES) + _number(len(content)) + content


def _number(value: int) -> bytes:
    groups = []
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*groups, value])
