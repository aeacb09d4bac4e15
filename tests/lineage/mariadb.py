"""A MariaDB of the tests' own, in a folder that goes away."""

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import time

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
def running(folder):
    """Starts a server; hands out its port."""
    user = f"--user={getpass.getuser()}"
    where = [f"--datadir={folder / 'data'}"]
    subprocess.run(
        [_find("mariadb-install-db"), "--no-defaults", user, *where, "--skip-test-db",
         "--auth-root-authentication-method=normal"],
        check=True, capture_output=True,
    )  # fmt: skip
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # a path of a socket may have 107 bytes, and folders of tests are deep
    sock = f"/tmp/amadeus-{os.getpid()}.sock"
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [_find("mariadbd"), "--no-defaults", user, *where, f"--socket={sock}",
             f"--port={port}", "--bind-address=127.0.0.1", "--skip-name-resolve"],
            stdout=log, stderr=log,
        )  # fmt: skip
        try:
            _grant(server, sock, folder)
            yield port
        finally:
            server.terminate()
            server.wait(30)


def _grant(server, sock, folder):
    words = "".join(
        f"create user '{name}'@'127.0.0.1' identified by '{PASSWORD}';"
        f"grant {rights} on *.* to '{name}'@'127.0.0.1';"
        for name, rights in ((USER, "all"), ("reader", "select"))
    )
    deadline_s = time.monotonic() + 60
    while time.monotonic() < deadline_s:
        assert server.poll() is None, (folder / "log").read_text()
        command = [_find("mariadb"), "--no-defaults", "-uroot", "-S", sock, "-e", words]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode == 0:
            return
        time.sleep(0.2)
    raise AssertionError(f"MariaDB does not answer: {ran.stderr}")
