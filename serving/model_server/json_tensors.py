"""JSON and tensors, as TF Serving's REST API writes them.

A request is in row format (`instances`, one element for each row of the batch) or columnar (`inputs`, by name);
the answer comes back in the same format (`predictions`, `outputs`). Bytes are {"b64": "..."}; NaN, Infinity and
-Infinity are numbers.
"""

import base64
import binascii
import itertools
import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
from tensorflow.core.framework import types_pb2

from serving.model_server.status import Code, ServingError, invalid
from serving.model_server.tensors import numpy_type

Format = Literal["row", "columnar"]

_BYTES_SUFFIX = "_bytes"  # of the names of outputs that hold bytes rather than text
_MAX_QUOTED = 200  # characters of a value that an error quotes
_TYPE_NAMES = {
    type(None): "Null",
    bool: "Boolean",
    dict: "Object",
    list: "Array",
    str: "String",
    int: "Number",
    float: "Number",
}


class Request(NamedTuple):
    """A predict request without its model.

    Attributes:
      signature_name: Empty for the default.
      format: How its values come, and the answer's go.
      values: Under `instances` or `inputs`.
    """

    signature_name: str
    format: Format
    values: Any


def parse_request(body: bytes) -> Request:
    """Reads the body of a predict request.

    Raises:
      ServingError: INVALID_ARGUMENT: it is no JSON, or not of this form.
    """
    document = _parse(body)
    if not isinstance(document, dict):
        raise invalid(f"JSON Value: {_quote(document)} Is not object")
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid(
            f"JSON Value: {_quote(document)} not formatted correctly. 'signature_name' key must be a string value."
        )
    if "instances" in document and "inputs" in document:
        raise invalid(
            f"JSON Value: {_quote(document)} Not formatted correctly expecting only one of 'inputs' or 'instances' "
            "keys to exist "
        )
    if "instances" in document:
        return Request(name, "row", _check_rows(document))
    if "inputs" in document:
        return Request(name, "columnar", document["inputs"])
    raise invalid("Missing 'inputs' or 'instances' key")


def to_inputs(request: Request, infos: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Makes the inputs of a signature.

    Args:
      request: As parsed.
      infos: TensorInfo by name, of the signature's inputs.

    Raises:
      ServingError: INVALID_ARGUMENT: a value does not fit.
    """
    if not infos:
        raise invalid(
            f"Failed to get input map for signature: {request.signature_name or 'DEFAULT'}"
        )
    if request.format == "row":
        return _from_rows(request.values, infos)
    return _from_columns(request.values, infos)


def to_json(outputs: Mapping[str, np.ndarray], format: Format) -> bytes:
    """Writes the answer.

    Raises:
      ServingError: INVALID_ARGUMENT: outputs that do not share a batch cannot be written in rows.
    """
    if not outputs:
        raise invalid("Cannot convert empty tensor map to JSON")
    columns = dict(sorted(outputs.items()))
    if format == "columnar":
        values = {name: _to_values(name, array) for name, array in columns.items()}
        answer = {"outputs": _single(values)}
    else:
        answer = {"predictions": _to_rows(columns)}
    return json.dumps(answer).encode()


def to_error(text: str) -> bytes:
    """Writes what a request that failed is answered."""
    return json.dumps({"error": text}).encode()


def _parse(body: bytes) -> Any:
    if not body.strip():
        raise invalid("JSON Parse error: The document is empty")
    try:
        return json.loads(body)
    except RecursionError:
        raise invalid("JSON Parse error: The document is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise invalid(
            f"JSON Parse error: Invalid value. at offset: {error.pos}"
        ) from None
    except ValueError as error:  # not UTF-8, or a number of thousands of digits
        raise invalid(
            f"JSON Parse error: Invalid value. {str(error)[:_MAX_QUOTED]}"
        ) from None


def _check_rows(document: dict[str, Any]) -> list[Any]:
    rows = document["instances"]
    if not isinstance(rows, list):
        raise invalid(
            f"JSON Value: {_quote(document)} Excepting 'instances' to be an list/array"
        )
    if not rows:
        raise invalid(f"JSON Value: {_quote(document)} No values in 'instances' array")
    return rows


def _from_rows(rows: list[Any], infos: Mapping[str, Any]) -> dict[str, np.ndarray]:
    named = _is_named(rows[0])
    if not named and len(infos) > 1:
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map"
        )
    if not named:
        for index, row in enumerate(rows):
            if _is_named(row):
                raise invalid(
                    f"Expecting value/list but got object at item {index} of input list"
                )
        ((name, info),) = infos.items()
        return {name: _from_row_values(name, rows, info)}
    for index, row in enumerate(rows):
        _check_row(index, row, infos)
    return {
        name: _from_row_values(name, [row[name] for row in rows], info)
        for name, info in infos.items()
    }


def _check_row(index: int, row: Any, infos: Mapping[str, Any]) -> None:
    if not _is_named(row):
        raise invalid(f"Expecting object but got list at item {index} of input list")
    if row.keys() != infos.keys():
        raise invalid(
            f"Failed to process element: {index} of 'instances' list. JSON object: {_quote(row)} keys must be equal "
            f"to: {','.join(sorted(infos))}"
        )


def _from_row_values(name: str, values: list[Any], info: Any) -> np.ndarray:
    try:
        return _to_array(values, info.dtype)
    except ServingError as error:
        raise invalid(
            f"Failed to process key: {name} of 'instances' list. Error: {error}"
        ) from None


def _from_columns(values: Any, infos: Mapping[str, Any]) -> dict[str, np.ndarray]:
    if not _is_named(values):
        if len(infos) > 1:
            raise invalid(
                "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
                "tensorinfo_map"
            )
        ((name, info),) = infos.items()
        return {name: _to_array(values, info.dtype)}
    for name in infos:
        if name not in values:
            raise invalid(f"Missing named input: {name} in 'inputs' object.")
    return {name: _to_array(values[name], info.dtype) for name, info in infos.items()}


def _to_array(value: Any, number: int) -> np.ndarray:
    dtype = numpy_type(number)
    if dtype is None or dtype.kind == "c":
        raise ServingError(
            Code.UNIMPLEMENTED,
            f"Conversion of JSON Value: {_quote(value)} to type: {_type_name(number)}",
        )
    shape = _measure(value)
    leaves = _flatten(value, shape)
    return _convert(leaves, dtype, number).reshape(shape)


def _measure(value: Any) -> list[int]:
    """Follows the first element down, as TF Serving does."""
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        if not value:
            break
        value = value[0]
    return shape


def _flatten(value: Any, shape: list[int]) -> list[Any]:
    items = [value]
    for level, size in enumerate(shape):
        for item in items:
            if not isinstance(item, list):
                raise invalid(
                    f"JSON Value: {_quote(item)} found at incorrect level: {level + 1} in the JSON DOM. Expected at "
                    f"level: {len(shape)}"
                )
            if len(item) != size:
                raise invalid(
                    f"Encountered list at unexpected size: {len(item)} at level: {level} expected size: {size}"
                )
        items = list(itertools.chain.from_iterable(items))
    if any(isinstance(item, list) for item in items):
        raise invalid(
            f"Encountered list at unexpected level: {len(shape)} expected < {len(shape)}"
        )
    return items


def _convert(leaves: list[Any], dtype: np.dtype, number: int) -> np.ndarray:
    if dtype.hasobject:
        return _strings(leaves)
    is_float = dtype.kind in "fV"  # V: bfloat16
    wanted = {bool} if dtype.kind == "b" else {int, float} if is_float else {int}
    for kind in set(map(type, leaves)) - wanted:
        strange = next(leaf for leaf in leaves if type(leaf) is kind)
        raise invalid(
            f"JSON Value: {_quote(strange)} Type: {_TYPE_NAMES[kind]} is not of expected type: {_type_name(number)}"
        )
    try:
        array = np.array(leaves, np.float64 if is_float else dtype)
    except OverflowError:
        strange = max(leaves, key=abs)
        raise invalid(
            f"JSON Value: {_quote(strange)} Type: Number is not of expected type: {_type_name(number)}"
        ) from None
    if is_float:
        _check_range(array, dtype, number)
    return array.astype(dtype)


def _check_range(array: np.ndarray, dtype: np.dtype, number: int) -> None:
    limit = np.finfo(dtype).max if dtype.kind == "f" else np.finfo(np.float32).max
    too_large = np.isfinite(array) & (np.abs(array) > float(limit))
    if too_large.any():
        raise invalid(
            f"Cannot convert JSON value: {array[too_large][0]} to {_type_name(number)} without loss of precision."
        )


def _strings(leaves: list[Any]) -> np.ndarray:
    array = np.empty(len(leaves), object)
    array[:] = [_string(leaf) for leaf in leaves]
    return array


def _string(leaf: Any) -> bytes:
    if isinstance(leaf, str):
        return leaf.encode("utf-8", "surrogatepass")
    if not isinstance(leaf, dict):
        kind = _TYPE_NAMES[type(leaf)]
        raise invalid(
            f"JSON Value: {_quote(leaf)} Type: {kind} is not of expected type: string"
        )
    if not _is_base64(leaf):
        raise invalid(
            f"JSON Value: {_quote(leaf)} not formatted correctly for base64 data"
        )
    try:
        return base64.b64decode(leaf["b64"], validate=True)
    except (binascii.Error, ValueError):
        raise invalid("Unable to base64 decode") from None


def _to_rows(columns: dict[str, np.ndarray]) -> list[Any]:
    sizes = {}
    for name, array in columns.items():
        if not array.ndim:
            raise invalid(f"Tensor name: {name} has no shape information ")
        sizes[name] = len(array)
        first = next(iter(sizes.values()))
        if len(array) != first:
            raise invalid(
                f"Tensor name: {name} has inconsistent batch size: {len(array)} expecting: {first}"
            )
    values = {name: _to_values(name, array) for name, array in columns.items()}
    if len(values) == 1:
        return _single(values)
    return [
        dict(zip(values, row, strict=True))
        for row in zip(*values.values(), strict=True)
    ]


def _to_values(name: str, array: np.ndarray) -> Any:
    if array.dtype.hasobject:
        is_bytes = name.endswith(_BYTES_SUFFIX)
        write = _write_bytes if is_bytes else _write_text
        return _reshape([write(value) for value in array.flat], array.shape)
    if array.dtype.kind == "c":
        raise invalid(f"Failed to write JSON value for tensor type: {array.dtype.name}")
    if array.dtype.itemsize < 8 and array.dtype.kind in "fV":
        # the shortest number that is this one: 0.1 rather than 0.10000000149011612
        return array.astype(np.float32).astype("U").astype(np.float64).tolist()
    return array.tolist()


def _reshape(values: list[Any], shape: tuple[int, ...]) -> Any:
    boxes = np.empty(len(values), object)
    boxes[:] = values
    return boxes.reshape(shape).tolist()


def _write_bytes(value: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(value).decode()}


def _write_text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")


def _single(values: dict[str, Any]) -> Any:
    return next(iter(values.values())) if len(values) == 1 else values


def _is_named(value: Any) -> bool:
    return isinstance(value, dict) and not _is_base64(value)


def _is_base64(value: dict[str, Any]) -> bool:
    return value.keys() == {"b64"} and isinstance(value["b64"], str)


def _quote(value: Any) -> str:
    try:
        text = json.dumps(_shorten(value))
    except (TypeError, ValueError, RecursionError):
        text = f"<{_TYPE_NAMES.get(type(value), 'Value')}>"
    return text if len(text) <= _MAX_QUOTED else text[:_MAX_QUOTED] + "..."


def _shorten(value: Any) -> Any:
    """Keeps what an error may quote, so that quoting a large request costs nothing."""
    if isinstance(value, list):
        return [_peek(item) for item in value[:8]]
    if isinstance(value, dict):
        return {
            str(key)[:40]: _peek(item)
            for key, item in itertools.islice(value.items(), 8)
        }
    return value[:_MAX_QUOTED] if isinstance(value, str) else value


def _peek(value: Any) -> Any:
    return f"<{_TYPE_NAMES[type(value)]}>" if isinstance(value, Iterable) else value


def _type_name(number: int) -> str:
    return types_pb2.DataType.Name(number).removeprefix("DT_").lower()
