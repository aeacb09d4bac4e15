"""Which machine this is, and who on another one still lives.

Two containers are two machines: process ids of one mean nothing in the other. What lives on a machine beats: it writes
a small file again and again, with the machine's name and a number that grows. Clocks are not compared: who looks on
waits on its own clock for the file to change.
"""

import os
import socket
import time
from pathlib import Path

MACHINE_VARIABLE = "AMADEUS_MACHINE"  # names the machine where /proc does not
LEASE_S = 20.0  # without a beat, what lived elsewhere is gone
BEAT_S = 1.0
OVER = "over"  # the last beat of what ended in good order


def this_machine() -> str:
    """Names where process ids mean what they say: a boot of a machine, and a namespace in it."""
    named = os.environ.get(MACHINE_VARIABLE)
    if named:
        return named
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()


def beat_text(n_beats: int) -> str:
    """Writes a beat: the machine, and which beat it is."""
    return f"{this_machine()}\n{n_beats}\n"


def machine_of(beat: str) -> str:
    """Reads the machine out of a beat."""
    return beat.partition("\n")[0]


class Leases:
    """Beats that one process looks at.

    Args:
      lease_s: Without a beat for so long, what beat is gone, in seconds.
    """

    def __init__(self, lease_s: float = LEASE_S) -> None:
        self._lease_s = lease_s
        self._seen: dict[Path, tuple[str, float]] = {}

    def is_fresh(self, path: Path) -> bool:
        """Whether what beats in a file may live; where it was never looked at, from now on for as long as a lease."""
        beat = read_beat(path)
        if not beat or beat.rstrip().endswith(OVER):
            self._seen.pop(path, None)
            return False
        now = time.monotonic()
        known, since = self._seen.get(path, ("", now))
        if known != beat:
            since = now
        self._seen[path] = beat, since
        return now - since < self._lease_s

    def has_moved(self, path: Path) -> bool:
        """Whether it beat since it was looked at last."""
        known = self._seen.get(path)
        return known is not None and read_beat(path) not in ("", known[0])


def read_beat(path: Path) -> str:
    """Reads a beat; empty without one. Opened each time: a share of NFS is read anew then, and only then."""
    try:
        with path.open() as file:
            return file.read(1000)
    except OSError:
        return ""
