"""A place where Jupyter and a notebook may write; this machine's user and their deus are not there."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.notebooks.guard import guarded

FOR_JUPYTER = (
    *("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"),
    *("IPYTHONDIR", "HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"),
)


@pytest.fixture
def lodging(monkeypatch):
    """Its path, which is short, for so are the names of sockets. What was started there ends with the test."""
    path = Path(tempfile.mkdtemp(prefix="nb-"))
    for (
        name
    ) in FOR_JUPYTER:  # also of the kernel's manager, which lives in this process
        monkeypatch.setenv(name, str(path / "jupyter"))
    monkeypatch.delenv("JUPYTER_PATH", raising=False)
    (path / "scratch").mkdir()
    with guarded(str(path)):
        yield path
    shutil.rmtree(path)


def environment(lodging):
    """Of what is started: no deu of this machine's user, no address of a cluster or a store."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("AMADEUS_")}
    return kept | {
        "TMPDIR": str(lodging / "scratch"),
        "MPLCONFIGDIR": str(lodging / "jupyter"),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
