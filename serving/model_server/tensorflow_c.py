"""TensorFlow's C interface, as far as a model server needs it: the library that the `tensorflow` package brings.

What takes time (`slow`) is called without Python's lock, so that others play on meanwhile. What takes a microsecond
(`quick`) keeps it: to give it back and to wait for it again would take longer.

Reference: tensorflow/c/c_api.h, tf_tensor.h and tf_tstring.h, which the package brings too.
"""

import ctypes
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import types_pb2

from serving.model_server.status import Code, NotFoundError, ServingError
from serving.model_server.tensors import as_bytes, numpy_type, type_number

Address = ctypes.c_void_p
_Text, _Int, _Long, _Size = (
    ctypes.c_char_p,
    ctypes.c_int,
    ctypes.c_int64,
    ctypes.c_size_t,
)
_STRING_BYTES = 24  # of a TF_TString

_QUICK = {
    "TF_NewStatus": (Address,),
    "TF_DeleteStatus": (None, Address),
    "TF_GetCode": (_Int, Address),
    "TF_Message": (_Text, Address),
    "TF_NewGraph": (Address,),
    "TF_GraphOperationByName": (Address, Address, _Text),
    "TF_OperationNumOutputs": (_Int, Address),
    "TF_NewSessionOptions": (Address,),
    "TF_DeleteSessionOptions": (None, Address),
    "TF_SetConfig": (None, Address, _Text, _Size, Address),
    "TF_AllocateTensor": (Address, _Int, ctypes.POINTER(_Long), _Int, _Size),
    "TF_DeleteTensor": (None, Address),
    "TF_TensorMaybeMove": (Address, Address),
    "TF_TensorType": (_Int, Address),
    "TF_TensorData": (Address, Address),
    "TF_TensorByteSize": (_Size, Address),
    "TF_NumDims": (_Int, Address),
    "TF_Dim": (_Long, Address, _Int),
    "TF_StringInit": (None, Address),
    "TF_StringCopy": (None, Address, _Text, _Size),
    "TF_StringGetDataPointer": (Address, Address),
    "TF_StringGetSize": (_Size, Address),
    "TF_StringDealloc": (None, Address),
}


class Output(ctypes.Structure):
    """A tensor of a graph: an operation, and which of its outputs."""

    _fields_ = (("operation", Address), ("index", _Int))


class Buffer(ctypes.Structure):
    """Bytes: where they lie, and how many."""

    _fields_ = (("content", _Text), ("n_bytes", _Size), ("deallocate", Address))


_SLOW = {
    "TF_LoadSessionFromSavedModel": (
        *(Address, Address, Address, _Text, ctypes.POINTER(_Text), _Int),
        *(Address, Address, Address),
    ),
    "TF_NewSession": (Address, Address, Address, Address),
    "TF_SessionRun": (
        *(None, Address, ctypes.POINTER(Buffer)),
        *(ctypes.POINTER(Output), ctypes.POINTER(Address), _Int),
        *(ctypes.POINTER(Output), ctypes.POINTER(Address), _Int),
        *(Address, _Int, Address, Address),
    ),
    "TF_CloseSession": (None, Address, Address),
    "TF_DeleteSession": (None, Address, Address),
    "TF_DeleteGraph": (None, Address),
}


class Library(NamedTuple):
    """The functions by name, without the prefix TF_."""

    quick: Any
    slow: Any


@functools.cache
def library() -> Library:
    """Finds the library."""
    folder = Path(tf.__file__).parent
    path = str(next(folder.glob("libtensorflow_cc.*")))
    return Library(_bind(ctypes.PyDLL(path), _QUICK), _bind(ctypes.CDLL(path), _SLOW))


def _bind(found: ctypes.CDLL, signatures: dict[str, tuple[Any, ...]]) -> Any:
    functions: dict[str, Callable[..., Any]] = {}
    for name, (result, *arguments) in signatures.items():
        function = getattr(found, name)
        function.restype, function.argtypes = result, arguments
        functions[name.removeprefix("TF_")] = function
    return type("Functions", (), {k: staticmethod(f) for k, f in functions.items()})


@contextmanager
def status() -> Iterator[int]:
    """Lends a place for a function to tell how it went.

    Raises:
      ServingError: It did not go well.
    """
    quick = library().quick
    told = quick.NewStatus()
    try:
        yield told
        if quick.GetCode(told):
            raise _error(quick.GetCode(told), quick.Message(told))
    finally:
        quick.DeleteStatus(told)


def _error(code: int, message: bytes) -> ServingError:
    text = message.decode(errors="replace")
    if code == Code.NOT_FOUND:
        return NotFoundError(text)
    return ServingError(Code(code) if code in set(Code) else Code.UNKNOWN, text)


def find(graph: int, name: str) -> Output:
    """Finds a tensor of a graph by its name, such as `x:0`.

    Raises:
      LookupError: There is none.
    """
    operation_name, _, index = name.partition(":")
    quick = library().quick
    operation = quick.GraphOperationByName(graph, operation_name.encode())
    found = Output(operation, int(index or 0))
    if not operation or found.index >= quick.OperationNumOutputs(operation):
        raise LookupError(f"the graph has no tensor {name[:200]}")
    return found


def to_tensor(array: np.ndarray) -> int:
    """Copies an array into a tensor; `free` frees it."""
    quick = library().quick
    number = type_number(array.dtype)
    sizes = (_Long * array.ndim)(*array.shape)
    if number == types_pb2.DT_STRING:
        texts = [as_bytes(value) for value in array.flat]
        n_bytes = len(texts) * _STRING_BYTES
        tensor: int = quick.AllocateTensor(number, sizes, array.ndim, n_bytes)
        _write_strings(quick.TensorData(tensor), texts)
        return tensor
    tensor = quick.AllocateTensor(number, sizes, array.ndim, array.nbytes)
    if array.nbytes:
        array = np.ascontiguousarray(array)
        ctypes.memmove(quick.TensorData(tensor), array.ctypes.data, array.nbytes)
    return tensor


def free(tensor: int) -> None:
    """Frees a tensor that `to_tensor` made."""
    quick = library().quick
    # Strings that a graph has kept, in a variable say, stay its own: it shares them, and does not count them.
    is_ours = quick.TensorMaybeMove(tensor) is not None
    if is_ours and quick.TensorType(tensor) == types_pb2.DT_STRING:
        for place in _strings(tensor):
            quick.StringDealloc(place)
    quick.DeleteTensor(tensor)


def free_fetched(tensor: int) -> None:
    """Frees a tensor that TensorFlow made, its strings included."""
    library().quick.DeleteTensor(tensor)


def to_array(tensor: int) -> np.ndarray:
    """Copies a tensor that TensorFlow made into an array; `free_fetched` frees it.

    Raises:
      ServingError: UNIMPLEMENTED for a type that arrays do not have.
    """
    quick = library().quick
    shape = tuple([quick.Dim(tensor, i) for i in range(quick.NumDims(tensor))])
    number = quick.TensorType(tensor)
    dtype = numpy_type(number)
    if dtype is None:
        raise ServingError(
            Code.UNIMPLEMENTED,
            f"a tensor of type {types_pb2.DataType.Name(number)} has no values",
        )
    if dtype.hasobject:
        return _read_strings(tensor, shape)
    array = np.empty(shape, dtype)
    if array.nbytes:
        ctypes.memmove(array.ctypes.data, quick.TensorData(tensor), array.nbytes)
    return array


def _write_strings(begin: int, texts: Sequence[bytes]) -> None:
    quick = library().quick
    for number, text in enumerate(texts):
        place = begin + number * _STRING_BYTES
        quick.StringInit(place)
        quick.StringCopy(place, text, len(text))


def _read_strings(tensor: int, shape: Sequence[int]) -> np.ndarray:
    quick = library().quick
    array = np.empty(math.prod(shape), object)
    for number, place in enumerate(_strings(tensor)):
        n_bytes = quick.StringGetSize(place)
        array[number] = ctypes.string_at(quick.StringGetDataPointer(place), n_bytes)
    return array.reshape(shape)


def _strings(tensor: int) -> range:
    """Places of the strings of a tensor."""
    quick = library().quick
    begin, n_bytes = quick.TensorData(tensor) or 0, quick.TensorByteSize(tensor)
    return range(begin, begin + n_bytes, _STRING_BYTES)
