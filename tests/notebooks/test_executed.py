"""Every notebook runs top to bottom, in a kernel of this environment, and leaves nothing behind."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from traitlets.config import Config

from tests.notebooks.guard import guarded
from tests.notebooks.reading import FOLDER, PATHS, read

CELL_TIMEOUT_S = 1200  # CI is a busy box
FOR_JUPYTER = (
    *("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"),
    *("IPYTHONDIR", "HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"),
)
LEFT_BY_ONNX_RUNTIME = ".ses"  # wherever it runs
PNG, PLAYER = "image/png", "<audio"

pytestmark = [pytest.mark.notebooks, pytest.mark.timeout(3600)]


@pytest.fixture
def lodging(monkeypatch):
    """A short path, for sockets have short names, where Jupyter and the notebook may write; all else is forbidden."""
    path = Path(tempfile.mkdtemp(prefix="nb-"))
    for name in FOR_JUPYTER:  # of the kernel's manager, which lives in this process
        monkeypatch.setenv(name, str(path / "jupyter"))
    monkeypatch.delenv("JUPYTER_PATH", raising=False)
    (path / "scratch").mkdir()
    with guarded(str(path)):
        yield path
    shutil.rmtree(path)


def _environment(lodging):
    """Of the kernel: no home of this machine's user, no deu of theirs, no address of a cluster or a store."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("AMADEUS_")}
    return kept | {
        "TMPDIR": str(lodging / "scratch"),
        "MPLCONFIGDIR": str(lodging / "jupyter"),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }


def _execute(path, lodging):
    notebook = read(path)
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT_S,
        startup_timeout=CELL_TIMEOUT_S,
        kernel_name="python3",
        resources={"metadata": {"path": str(FOLDER)}},
        config=Config({"KernelManager": _sockets(lodging)}),
    )
    try:
        client.execute(env=_environment(lodging))
    except (CellExecutionError, DeadKernelError, TimeoutError) as error:
        pytest.fail(_tell(notebook, error), pytrace=False)
    return notebook


def _sockets(lodging):
    """Where kernel and manager meet: files, for which no two tests can race as they can for ports."""
    return {"transport": "ipc", "ip": str(lodging / "kernel")}


def _tell(notebook, error):
    """Shows the cell that failed, what it printed, and why."""
    executed = [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and "iopub.execute_input" in _times(cell)
    ]
    cell = executed[-1] if executed else notebook.cells[0]
    printed = "".join(o.text for o in cell.get("outputs", []) if "text" in o)
    return f"This cell failed:\n\n{cell.source}\n\nIt printed:\n\n{printed[-4000:]}\n\n{error}"


def _times(cell):
    return cell.metadata.get("execution", {})


def _shown(notebook):
    """Whatever was shown: outputs with data, by cell."""
    return [
        output.data
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "data" in output
    ]


def _files(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_notebook_runs_top_to_bottom_and_leaves_nothing(path, lodging):
    before = _files(FOLDER), _files(FOLDER.parent / "examples")
    notebook = _execute(path, lodging)
    shown = _shown(notebook)
    n_figures = sum(
        "plt.subplots(" in cell.source
        for cell in notebook.cells
        if cell.cell_type == "code"
    )
    assert sum(PNG in data for data in shown) == n_figures
    players = [data for data in shown if PLAYER in data.get("text/html", "")]
    assert len(players) >= sum("Audio(" in cell.source for cell in notebook.cells)
    assert (_files(FOLDER), _files(FOLDER.parent / "examples")) == before
    left = {path.name for path in (lodging / "scratch").iterdir()}
    assert left <= {LEFT_BY_ONNX_RUNTIME}
