"""Which studios of a home are alive.

Each holds the lock on a file of its own, and the kernel, or the file server, lets go when it ends. Each beats in it
too: a machine that is gone without a word may leave its locks behind for a while, and where locks do not reach from
machine to machine the beat tells that somebody lives, and that the home must not be shared this way.
"""

import contextlib
import fcntl
import logging
import secrets
import time
from pathlib import Path
from typing import IO

from serving.studio.machines import (
    BEAT_S,
    LEASE_S,
    OVER,
    Leases,
    beat_text,
    machine_of,
    read_beat,
    this_machine,
)

UNSHARED = (
    "%s is shared with another machine, and locks of one do not reach the other: a session may be practised twice: "
    "share it by a file system with locks, such as NFS 4.1 (without nolock and local_lock) or CephFS."
)

_log = logging.getLogger(__name__)


class Presence:
    """A studio among those that share a home.

    Args:
      folder: Where they show themselves.
      lease_s: Without a beat for so long, what lived on another machine is gone, in seconds.

    Attributes:
      name: Of this studio.
      leases: Beats of others, as this studio saw them.
    """

    def __init__(self, folder: Path, *, lease_s: float = LEASE_S) -> None:
        self.name = secrets.token_hex(8)
        self.leases = Leases(lease_s)
        self._folder = folder
        self._held = contextlib.ExitStack()
        self._file: IO[str] | None = None
        self._n_beats, self._beaten_at = 0, -BEAT_S
        self._is_told = False

    def open(self) -> None:
        """Makes this studio known."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / self.name
        self._file = self._held.enter_context(path.open("w"))
        self._held.callback(path.unlink, missing_ok=True)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self.beat()

    def beat(self) -> None:
        """Shows that this studio lives, where it is time to, and looks for those that do not."""
        if self._file is None or time.monotonic() - self._beaten_at < BEAT_S:
            return
        self._n_beats, self._beaten_at = self._n_beats + 1, time.monotonic()
        self._write(beat_text(self._n_beats))
        for path in self._folder.iterdir():
            if path.name != self.name:
                self.is_alive(path.name)

    def close(self) -> None:
        """Takes leave."""
        if self._file is not None:
            self._write(f"{this_machine()}\n{OVER}\n")
        self._file = None
        self._held.close()

    def is_alive(self, name: str) -> bool:
        """Whether a studio of this name lives."""
        if not name:
            return False
        if name == self.name:
            return self._file is not None
        path = self._folder / name
        is_elsewhere = machine_of(read_beat(path)) not in ("", this_machine())
        try:
            with path.open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                is_unlocked_and_beats = is_elsewhere and self.leases.has_moved(path)
        except FileNotFoundError:
            return False
        except OSError:
            return not is_elsewhere or self.leases.is_fresh(path)
        if is_unlocked_and_beats and not self._is_told:
            self._is_told = True
            _log.error(UNSHARED, self._folder.parents[1])
        if is_elsewhere and self.leases.is_fresh(path):
            return True
        path.unlink(missing_ok=True)
        return False

    def _write(self, text: str) -> None:
        assert self._file is not None
        with contextlib.suppress(OSError):  # such as a full disk
            self._file.seek(0)
            self._file.write(text)
            self._file.truncate()  # at last: who looks meanwhile sees a beat
            self._file.flush()
