"""Finds the compiled kernels and hands arrays to them.

The library is built once for each level of vector instructions; the best that this machine supports is loaded.
Arrays are C-contiguous NumPy arrays, float32 where nothing else is said.
"""

import contextlib
import ctypes
import functools
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Union

from amadeus.native import sources
from amadeus.threads import own_threads

if TYPE_CHECKING:  # `amadeus doctor` asks for the library and needs no arrays
    import numpy as np

LEVELS = ("x86_64_v4", "x86_64_v3", "baseline")  # best first
_POINTER = ctypes.c_void_p

_log = logging.getLogger(__name__)

Argument = Union["np.ndarray", int, float, None]


@functools.cache
def load() -> ctypes.CDLL | None:
    """Loads the library; None where there is none that this machine can run, or AMADEUS_NATIVE=0 says so.

    One that was left behind by another Amadeus is not loaded, and that is said.
    """
    if os.environ.get("AMADEUS_NATIVE") == "0":
        return None
    here = Path(__file__).parent
    left_out: Path | None = None
    for level in LEVELS:
        for path in sorted(here.glob(f"_kernels_{level}*.so")):
            try:
                library = ctypes.CDLL(str(path))
            except OSError:  # built for another kind of machine
                continue
            if not library.amadeus_is_supported():
                continue
            if _is_of(library, sources.digest(here)):
                return library
            left_out = left_out or path
    if left_out is not None:
        _tell(left_out)
    return None


def _tell(left_out: Path) -> None:
    """Says it once, in the log and to who follows a practice: a log is read when something has failed."""
    text = (
        f"{left_out} was built for another Amadeus, so it is left out and practice is several times slower: run make "
        "setup."
    )
    _log.warning("%s", text)
    with contextlib.suppress(ImportError):  # `amadeus doctor` asks without stubs, too
        from amadeus.journal import emit
        from amadeus.v1 import practice_pb2

        emit(warning=practice_pb2.Warning(text=text))


def _is_of(library: ctypes.CDLL, wanted: str) -> bool:
    """Whether a library was built from the sources beside it: one of others may take other arguments."""
    try:
        told = library.amadeus_sources
    except AttributeError:  # of the time before it told
        return False
    told.restype = ctypes.c_char_p
    # Where the sources were not installed, the library came with the rest.
    return not wanted or told() == wanted.encode()


def is_available() -> bool:
    """Whether there are kernels."""
    return load() is not None


@functools.cache
def n_threads() -> int:
    """Threads a kernel works on: the processors this process may use, or its share of them."""
    return own_threads(len(os.sched_getaffinity(0)))


def keep_heap() -> None:
    """Lets this process keep up to 512 MiB that it frees, for the next step; nothing without glibc or kernels."""
    kernels = load()
    if kernels is not None:
        kernels.amadeus_keep_heap()


def call(name: str, *arguments: Argument) -> None:
    """Calls a kernel; the last argument, the number of threads, is added.

    Args:
      name: Of the C function, without its prefix.
      *arguments: As it takes them; None is a null pointer.

    Raises:
      MemoryError: It could not get memory.
    """
    function = getattr(load(), f"amadeus_{name}")
    if function(*map(_to_c, arguments), n_threads()) == 1:
        raise MemoryError(
            f"the kernel {name} got no memory: choose a smaller batch_size or crop_duration_s."
        )


def _to_c(
    argument: Argument,
) -> ctypes.c_void_p | ctypes.c_float | ctypes.c_int:
    if argument is None:
        return _POINTER(None)
    if isinstance(argument, float):
        return ctypes.c_float(argument)
    if isinstance(argument, int):
        return ctypes.c_int(argument)
    return argument.ctypes.data_as(_POINTER)
