"""A process that publishes a voice and is killed by its own hand at a chosen point.

python -m tests.stores.interrupted SOURCE URL (bytes N | steps N)

`bytes`: after N bytes have gone into sockets. `steps`: before the N-th time a file is opened, linked or renamed below
the store.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

_STEPS = {"open", "os.rename", "os.link", "os.remove"}


def interrupt(source, url, unit, limit, environment):
    """Runs such a process; hands out whether it came to its end by that."""
    with tempfile.TemporaryDirectory() as scratch:  # who is killed cleans nothing up
        ran = subprocess.run(
            [sys.executable, "-m", __name__, str(source), url, unit, str(limit)],
            env=environment | {"TMPDIR": scratch},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            timeout=240,
        )
    assert ran.returncode in (0, -signal.SIGKILL), ran.stderr
    return ran.returncode == -signal.SIGKILL


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def kill_after_bytes(limit):
    sent = 0
    plain = socket.socket.sendall

    def sendall(self, data, *arguments):
        nonlocal sent
        room = limit - sent
        if len(data) >= room:
            plain(self, memoryview(data)[:room])
            kill()
        sent += len(data)
        return plain(self, data, *arguments)

    socket.socket.sendall = sendall


def kill_before_step(limit, url):
    taken = 0

    def look(event, arguments):
        nonlocal taken
        if event in _STEPS and url in map(_root(url), map(str, arguments[:2])):
            taken += 1
            if taken == limit:
                kill()

    sys.addaudithook(look)


def _root(url):
    return lambda path: url if path.startswith(url) else ""


def main(source, url, unit, limit):
    from amadeus.stores import publish_voice

    if unit == "bytes":
        kill_after_bytes(int(limit))
    else:
        kill_before_step(int(limit), url)
    publish_voice(url, "cello", Path(source))


if __name__ == "__main__":
    main(*sys.argv[1:])
