"""A SavedModel's graph in a session that can be asked: loaded and run by TensorFlow itself, without Python.

Python's lock is held for microseconds only, while arrays change hands. TensorFlow's own Python would hold it for 10 to
200 ms at a time when it builds a graph, and spends 0.3 ms on each call (a `live` voice).

The session runs a graph in the thread of its caller, operation after operation, large products included: a voice has
hundreds of operations of a microsecond each, and handing them from thread to thread costs more than they do (`step` for
a note 0.3 ms against 0.9, for 32 notes 0.9 against 1.6, 400 frames at once 16 against 30, on 2 cores). Callers from
several threads run beside each other.
"""

import ctypes
import functools
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import numpy as np
from tensorflow.core.protobuf import config_pb2

from serving.model_server import tensorflow_c
from serving.model_server.tensorflow_c import Address, Buffer, Output, library, status

_TAGS = (b"serve",)
_LONGEST_MS = 86_400_000


class Feeds:
    """What to feed and what to fetch, looked up once."""

    def __init__(
        self, graph: int, inputs: Sequence[str], outputs: Sequence[str]
    ) -> None:
        """Looks it up.

        Args:
          graph: Where.
          inputs: Names of tensors to feed.
          outputs: Names of tensors to fetch.

        Raises:
          LookupError: The graph has no such tensor.
        """
        self.n_inputs, self.n_outputs = len(inputs), len(outputs)
        self.inputs = (Output * len(inputs))(
            *(tensorflow_c.find(graph, name) for name in inputs)
        )
        self.outputs = (Output * len(outputs))(
            *(tensorflow_c.find(graph, name) for name in outputs)
        )


class Session:
    """A loaded graph. It may be run from several threads at once."""

    def __init__(self, session: int, graph: int) -> None:
        """Takes what `load` has made."""
        self._session, self._graph = session, graph
        self._closing = threading.Lock()

    @classmethod
    def load(cls, path: Path, *, is_threaded: bool = False) -> Self:
        """Loads the graph of the tag `serve` and its variables.

        Args:
          path: Folder of the SavedModel.
          is_threaded: Whether operations may run beside each other: control flow of TensorFlow 1 must.

        Raises:
          ServingError: TensorFlow finds it missing or damaged.
        """
        begin_threads()
        quick, slow = library()
        tags = (ctypes.c_char_p * len(_TAGS))(*_TAGS)
        graph, options = quick.NewGraph(), _make_options(is_threaded=is_threaded)
        try:
            with status() as told:
                session = slow.LoadSessionFromSavedModel(
                    *(options, None, str(path).encode(), tags, len(_TAGS)),
                    *(graph, None, told),
                )
        except BaseException:
            slow.DeleteGraph(graph)
            raise
        finally:
            quick.DeleteSessionOptions(options)
        return cls(session, graph)

    def find(self, inputs: Sequence[str], outputs: Sequence[str]) -> Feeds:
        """Looks up tensors; see `Feeds`."""
        return Feeds(self._graph, inputs, outputs)

    def run(
        self,
        feeds: Feeds,
        arrays: Sequence[np.ndarray],
        *,
        timeout_s: float | None = None,
    ) -> list[np.ndarray]:
        """Runs the graph.

        Args:
          feeds: What to feed and to fetch.
          arrays: For the inputs, of their types.
          timeout_s: After it a graph is stopped between two operations or rounds of a loop. To be watched costs an
            own thread.

        Raises:
          ServingError: What TensorFlow has to say.
        """
        tensors = (Address * feeds.n_inputs)()
        fetched = (Address * feeds.n_outputs)()
        try:
            for place, array in enumerate(arrays):
                tensors[place] = tensorflow_c.to_tensor(array)
            self._run(feeds, tensors, fetched, timeout_s)
            return [tensorflow_c.to_array(tensor or 0) for tensor in fetched]
        finally:
            # before what was fed: an output may be an input
            for tensor in filter(None, fetched):
                tensorflow_c.free_fetched(tensor)
            for tensor in filter(None, tensors):
                tensorflow_c.free(tensor)

    def _run(
        self,
        feeds: Feeds,
        tensors: "ctypes.Array[Address]",
        fetched: "ctypes.Array[Address]",
        timeout_s: float | None,
    ) -> None:
        options = None if timeout_s is None else _make_run_options(timeout_s)
        with status() as told:
            library().slow.SessionRun(
                *(self._session, options),
                *(feeds.inputs, tensors, feeds.n_inputs),
                *(feeds.outputs, fetched, feeds.n_outputs),
                *(None, 0, None, told),
            )

    def close(self) -> None:
        """Frees its memory. Nobody may be running it; a second call does nothing."""
        with self._closing:
            session, self._session = self._session, 0
        if not session:
            return
        slow = library().slow
        with status() as told:
            slow.CloseSession(session, told)
        with status() as told:
            slow.DeleteSession(session, told)
        slow.DeleteGraph(self._graph)

    def __del__(
        self, is_process_ending: Callable[[], bool] = sys.is_finalizing
    ) -> None:
        """Frees what was never closed; where the process ends, modules are gone and all is freed anyway."""
        if not is_process_ending():
            self.close()


@functools.cache
def begin_threads() -> None:
    """Settles once how TensorFlow works in this process: whoever comes first to it decides.

    Its threads take the priority of the thread that begins them, so call it before a loader lowers its own.
    """
    quick, slow = library()
    options = _make_options(is_threaded=False)
    graph = quick.NewGraph()
    with status() as told:
        session = slow.NewSession(graph, options, told)
    Session(session, graph).close()
    quick.DeleteSessionOptions(options)


def _make_options(*, is_threaded: bool) -> int:
    config = config_pb2.ConfigProto(intra_op_parallelism_threads=1)
    if not is_threaded:
        config.experimental.executor_type = "SINGLE_THREADED_EXECUTOR"
    content = config.SerializeToString()
    quick = library().quick
    options: int = quick.NewSessionOptions()
    with status() as told:
        quick.SetConfig(options, content, len(content), told)
    return options


def _make_run_options(timeout_s: float) -> Buffer:
    timeout_ms = min(max(int(1000 * timeout_s), 1), _LONGEST_MS)
    content = config_pb2.RunOptions(timeout_in_ms=timeout_ms).SerializeToString()
    return Buffer(content, len(content), None)
