"""What tests start ends with them, also when they are killed and tidy nothing up."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests import processes

REPOSITORY = Path(__file__).parents[1]
STARTERS = {
    "a process of a thread": "import threading; from tests import processes\n"
    "start = lambda: processes.start(['sleep', '600'])\n"
    "thread = threading.Thread(target=start)\n"
    "thread.start()\n"
    "thread.join()\n",
    "buckets": "from tests.stores import emulators\n"
    "stack = contextlib.ExitStack()\n"
    "for start in (emulators.amazon, emulators.google):\n"
    "    stack.enter_context(start())\n",
    "a metadata server": "from tests.serving.metadata_server.process import metadata_server\n"
    "context = metadata_server('sqlite:///' + folder + '/metadata.sqlite')\n"
    "context.__enter__()\n",
    "a container": "import threading; from tests.pipelines.kubeflow import cluster, small_package\n"
    "package = small_package.small_package()\n"
    "container = package.pipeline['deploymentSpec']['executors']['exec-prepare']['container']\n"
    "container |= {'command': ['sleep'], 'args': ['600']}\n"
    "began = threading.Event()\n"
    "own = cluster.Cluster(pathlib.Path(folder), 'minio://b/root', {}, publish_logs=False)\n"
    "run = lambda: own.run(package.to_yaml(), watch=lambda *_: began.set())\n"
    "threading.Thread(target=run).start()\n"
    "began.wait(60)\n",
}
N_CHILDREN = {"buckets": 2}


def children(pid):
    """Processes that a process has started, from any of its threads."""
    found = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for path in found for child in path.read_text().split()]


def is_alive(pid):
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        )
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("name", STARTERS)
def test_what_was_started_dies_with_a_starter_that_is_killed(name, tmp_path):
    program = (
        "import contextlib, os, pathlib, sys, time\n"
        f"folder = {str(tmp_path)!r}\n{STARTERS[name]}"
        "print('started', flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    ) as starter:
        try:
            assert starter.stdout.readline() == b"started\n"
            started = children(starter.pid)
        finally:
            starter.kill()
    assert len(started) == N_CHILDREN.get(name, 1)
    deadline = time.monotonic() + 60
    while any(map(is_alive, started)):
        assert time.monotonic() < deadline, f"{name} outlived its starter"
        time.sleep(0.02)


def test_a_process_outlives_the_thread_that_asked_for_it():
    made = []
    asking = threading.Thread(
        target=lambda: made.append(processes.start(["cat"], stdin=-1, stdout=-1))
    )
    asking.start()
    asking.join()
    (process,) = made
    assert process.communicate(b"still here", timeout=60)[0] == b"still here"
    assert process.returncode == 0
