"""Loaded models, shared and counted: each is loaded once, however many use it.

A model stays while somebody holds it. The few that were let go last stay as well, so that whoever comes
back to an old version finds it loaded.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from serving.model_server.servable import Servable


class Key(NamedTuple):
    """A model as it lies on disk. A folder that was removed and made again is another one."""

    name: str
    version: int
    inode: int

    @classmethod
    def of(cls, name: str, version: int, path: Path) -> "Key":
        """Looks at the disk."""
        try:
            return cls(name, version, path.stat().st_ino)
        except OSError:
            return cls(name, version, 0)


@dataclass
class _Entry:
    servable: Servable | None = None
    n_holders: int = 0
    loading: threading.Lock = field(default_factory=threading.Lock)


class Pool:
    """All models in memory; safe to use from any thread."""

    def __init__(
        self, load: Callable[[str, int, Path], Servable], *, max_idle: int
    ) -> None:
        """Starts empty.

        Args:
          load: Makes a servable of name, version and path.
          max_idle: How many models stay that nobody holds.
        """
        self._load = load
        self._max_idle = max_idle
        self._entries: dict[Key, _Entry] = {}
        self._idle: OrderedDict[Key, None] = OrderedDict()
        self._gone: list[_Entry] = []
        self._lock = threading.Lock()

    def take(self, key: Key, path: Path) -> Servable:
        """Gets hold of a model, and loads it if it is not there.

        Raises:
          ServingError: It cannot be loaded.
        """
        with self._lock:
            entry = self._entries.get(key) or self._entries.setdefault(key, _Entry())
            entry.n_holders += 1
            self._idle.pop(key, None)
        try:
            with entry.loading:
                if entry.servable is None:
                    entry.servable = self._load(key.name, key.version, path)
                return entry.servable
        except BaseException:
            self.release(key)
            raise

    def share(self, key: Key) -> None:
        """Counts one more holder of a model that is held already."""
        with self._lock:
            self._entries[key].n_holders += 1

    def release(self, key: Key, *, keep: bool = False) -> bool:
        """Lets go of a model. Never blocks: what is to be freed waits for `bury`.

        Args:
          key: Of the model.
          keep: Whether it may stay for a while if nobody else holds it.

        Returns:
          Whether something waits for `bury`.
        """
        with self._lock:
            entry = self._entries[key]
            entry.n_holders -= 1
            if not entry.n_holders:
                self._gone.extend(self._retire(key, keep))
            return bool(self._gone)

    def bury(self) -> None:
        """Frees the memory of models that are gone, which takes some tens of milliseconds each."""
        with self._lock:
            gone, self._gone = self._gone, []
        for entry in gone:
            if entry.servable is not None:
                entry.servable.close()

    def n_holders(self, key: Key) -> int:
        """Counts who holds a model."""
        with self._lock:
            entry = self._entries.get(key)
            return entry.n_holders if entry else 0

    def n_loaded(self) -> int:
        """Counts models in memory, held or not."""
        with self._lock:
            return len(self._entries)

    def close(self) -> None:
        """Frees what nobody holds; the rest goes when it is released and buried."""
        with self._lock:
            self._max_idle = 0
            self._gone.extend(self._evict())
        self.bury()

    def _retire(self, key: Key, keep: bool) -> list[_Entry]:
        if keep and self._max_idle and self._entries[key].servable is not None:
            self._idle[key] = None
            return self._evict()
        return [self._entries.pop(key)]

    def _evict(self) -> list[_Entry]:
        gone = []
        while len(self._idle) > self._max_idle:
            key, _ = self._idle.popitem(last=False)
            gone.append(self._entries.pop(key))
        return gone
