"""Beam's own portable job service and a pool of workers: processes that end with whoever started them."""

import contextlib
import os
import socket
import subprocess
import sys
import time

DEADLINE_S = 180

_SERVICE = """
import os, sys
from components import beam_worker
beam_worker.die_with(int(sys.argv[1]))
from apache_beam.runners.portability import local_job_service_main
local_job_service_main.run(["-p", sys.argv[2]])
"""
# The pool starts each worker as `python -c ...`, with whatever python is found first.
_POOL = """
import sys
from components import beam_worker
beam_worker.die_with(int(sys.argv[1]))
from apache_beam.runners.worker import worker_pool_main
worker_pool_main.main(["worker_pool_main", "--service_port", sys.argv[2]])
"""


@contextlib.contextmanager
def service(environment):
    """Runs both; hands out the options that lead there.

    Args:
      environment: Of the workers and of the job service.
    """
    with started(_SERVICE, environment) as jobs, started(_POOL, environment) as pool:
        yield [
            "--runner=PortableRunner",
            f"--job_endpoint=localhost:{jobs}",
            "--environment_type=EXTERNAL",
            f"--environment_config=localhost:{pool}",
        ]


@contextlib.contextmanager
def started(program, environment):
    """Runs a program in a process group of its own until somebody answers at its port; none of it stays."""
    port = _free_port()
    folder = os.path.dirname(sys.executable)
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(os.getpid()), str(port)],
        env=environment | {"PATH": f"{folder}{os.pathsep}{environment['PATH']}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait(process, port)
        yield port
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()


def _free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _wait(process, port):
    deadline_s = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline_s:
        assert process.poll() is None, "it ended by itself"
        with contextlib.suppress(OSError):
            socket.create_connection(("localhost", port), timeout=5).close()
            return
        time.sleep(0.1)
    raise AssertionError("nobody answers")
