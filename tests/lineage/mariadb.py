"""A MariaDB of the tests' own, in a folder that goes away."""

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import time

from tests import processes

USER, PASSWORD = "ama", "a secret / with @ signs"
PROGRAMS = ("mariadbd", "mariadb-install-db", "mariadb")


def missing():
    """Says which of the programs are not here; empty: none."""
    paths = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin"
    return [name for name in PROGRAMS if shutil.which(name, path=paths) is None]


def _find(name):
    return shutil.which(
        name, path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin"
    )


@contextlib.contextmanager
def running(folder, *options):
    """Starts a server; hands out its port."""
    with serving(folder, *options) as server:
        yield server.port


@contextlib.contextmanager
def serving(folder, *options):
    """Starts a server; hands it out, to be stopped and started again."""
    server = Server(folder, options)
    server.install()
    server.start()
    try:
        server.grant()
        yield server
    finally:
        server.stop()


class Server:
    """A server in a folder.

    Attributes:
      port: Where it listens, also after it was started anew.
    """

    def __init__(self, folder, options=()):
        self.folder, self.options = folder, options
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        # a path of a socket may have 107 bytes, and folders of tests are deep
        self.socket = f"/tmp/amadeus-{os.getpid()}-{self.port}.sock"
        self._where = [
            f"--user={getpass.getuser()}",
            f"--datadir={folder / 'data'}",
        ]
        self.process = None

    def install(self):
        subprocess.run(
            [_find("mariadb-install-db"), "--no-defaults", *self._where, "--skip-test-db",
             "--auth-root-authentication-method=normal"],
            check=True, capture_output=True,
        )  # fmt: skip

    def start(self):
        with (self.folder / "log").open("a") as log:
            self.process = processes.start(
                [_find("mariadbd"), "--no-defaults", *self._where, f"--socket={self.socket}",
                 f"--port={self.port}", "--bind-address=127.0.0.1", "--skip-name-resolve", *self.options],
                stdout=log, stderr=log,
            )  # fmt: skip

    def stop(self):
        """Stops it in good order; all connections break."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(60)
            self.process = None

    def say(self, words):
        """Runs SQL as root; hands out what was answered."""
        command = [_find("mariadb"), "--no-defaults", "-N", "-uroot", "-S", self.socket]
        return subprocess.run(
            [*command, "-e", words], capture_output=True, text=True, check=False
        )

    def wait(self):
        """Waits until it answers."""
        deadline_s = time.monotonic() + 60
        while (ran := self.say("select 1")).returncode:
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline_s, f"MariaDB is silent: {ran.stderr}"
            time.sleep(0.2)

    def grant(self):
        self.wait()
        words = "".join(
            f"create user '{name}'@'127.0.0.1' identified by '{PASSWORD}';"
            f"grant {rights} on *.* to '{name}'@'127.0.0.1';"
            for name, rights in ((USER, "all"), ("reader", "select"))
        )
        ran = self.say(words)
        assert not ran.returncode, ran.stderr
