"""Which studios of a home are alive: each holds the lock on a file of its own, and the kernel lets go when it ends."""

import contextlib
import fcntl
import secrets
from pathlib import Path


class Presence:
    """A studio among those that share a home."""

    def __init__(self, folder: Path) -> None:
        self.name = secrets.token_hex(8)
        self._folder = folder
        self._held = contextlib.ExitStack()

    def open(self) -> None:
        """Makes this studio known."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / self.name
        lock = self._held.enter_context(path.open("w"))
        self._held.callback(path.unlink, missing_ok=True)
        fcntl.flock(lock, fcntl.LOCK_EX)

    def close(self) -> None:
        """Takes leave."""
        self._held.close()

    def is_alive(self, name: str) -> bool:
        """Whether a studio of this name lives."""
        if not name:
            return False
        path = self._folder / name
        try:
            with path.open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        path.unlink(missing_ok=True)
        return False
