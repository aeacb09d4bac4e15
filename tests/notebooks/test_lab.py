"""`jupyter lab notebooks/` opens: the notebooks are listed, the page is there, and a kernel."""

import json
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.cli.terminal import wait_for
from tests.notebooks.lodging import environment, lodging  # noqa: F401
from tests.notebooks.reading import FOLDER, PATHS

pytestmark = [pytest.mark.notebooks, pytest.mark.timeout(1200)]


@pytest.fixture
def server(lodging):  # noqa: F811
    """Says how to ask the server."""
    command = [str(Path(sys.executable).parent / "jupyter"), "lab", "--no-browser"]
    options = ["--ip=127.0.0.1", f"--port={_free_port()}", "--allow-root", str(FOLDER)]
    log_path = lodging / "log.txt"
    with (
        log_path.open("w") as log,
        subprocess.Popen(
            [*command, *options],
            env=environment(lodging),
            cwd=lodging,
            stdout=log,
            stderr=log,
        ) as process,
    ):
        try:
            found = wait_for(
                lambda: (
                    list((lodging / "jupyter").glob("jpserver-*.json"))
                    or _refuse_dead(process, log_path)
                ),
                timeout_s=600,
            )
            yield json.loads(found[0].read_text())
        finally:
            process.terminate()


def _free_port():
    """Where to look first: of a port that was taken meanwhile Jupyter goes on to others, and says to which."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _refuse_dead(process, log_path):
    assert process.poll() is None, log_path.read_text()


def _get(server, path):
    address = f"{server['url']}{path}?token={server['token']}"
    with urllib.request.urlopen(address, timeout=600) as answer:
        return answer.read()


def test_jupyter_lab_opens_the_notebooks(server):
    listed = json.loads(_get(server, "api/contents"))["content"]
    names = {one["name"] for one in listed if one["type"] == "notebook"}
    assert names == {path.name for path in PATHS}
    assert b"JupyterLab" in _get(server, "lab")
    kernels = json.loads(_get(server, "api/kernelspecs"))
    assert kernels["default"] == "python3"
    assert kernels["kernelspecs"]["python3"]["spec"]["language"] == "python"
