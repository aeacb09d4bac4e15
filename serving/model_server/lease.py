"""A hold on a loaded model."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from serving.model_server.pool import Key
from serving.model_server.servable import Servable


class Lease:
    """Holds a model: until it is released, the model stays as it is, whatever is swapped meanwhile.

    Attributes:
      name: Of the model.
      version: Of the model.
      model: To be called.
    """

    def __init__(self, key: Key, model: Servable, release: Callable[[], None]) -> None:
        self.name = key.name
        self.version = key.version
        self.model = model
        self._release = release
        self._lock = threading.Lock()

    def release(self) -> None:
        """Lets go. More than once is as good as once."""
        with self._lock:
            release, self._release = self._release, _nothing
        release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def _nothing() -> None:
    """What a lease does when it is released again."""
