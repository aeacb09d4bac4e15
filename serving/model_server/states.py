"""What ModelService tells of each version, kept also when a version is gone."""

import enum
import threading
from typing import NamedTuple

from serving.model_server.status import Code, ServingError

_MAX_ENDED = 1000  # versions remembered after their end, of each model


class State(enum.IntEnum):
    """Life of a version, with the numbers of ModelVersionStatus.State."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


class Status(NamedTuple):
    """Where a version stands.

    Attributes:
      state: Of its life.
      error: Why it could not be loaded.
    """

    state: State
    error: ServingError | None = None

    @property
    def code(self) -> Code:
        """OK unless loading failed."""
        return self.error.code if self.error else Code.OK


class StateMonitor:
    """States of all versions there ever were; safe to use from any thread."""

    def __init__(self) -> None:
        self._models: dict[str, dict[int, Status]] = {}
        self._changed = threading.Condition()

    def set(
        self,
        name: str,
        version: int,
        state: State,
        error: ServingError | None = None,
    ) -> None:
        """Notes a state."""
        with self._changed:
            versions = self._models.setdefault(name, {})
            versions.pop(version, None)  # so that the order is that of change
            versions[version] = Status(state, error)
            _forget_oldest(versions)
            self._changed.notify_all()

    def get(self, name: str, version: int) -> Status | None:
        """Tells of one version, None if it was never heard of."""
        with self._changed:
            return self._models.get(name, {}).get(version)

    def versions(self, name: str) -> dict[int, Status]:
        """Tells of all versions of a model, the highest first."""
        with self._changed:
            return dict(sorted(self._models.get(name, {}).items(), reverse=True))


def _forget_oldest(versions: dict[int, Status]) -> None:
    ended = [number for number, status in versions.items() if status.state == State.END]
    for number in ended[:-_MAX_ENDED]:
        del versions[number]
