"""Every notebook runs top to bottom, in a kernel of this environment, and leaves nothing behind."""

import re

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from traitlets.config import Config

from tests.notebooks.lodging import environment, lodging  # noqa: F401
from tests.notebooks.reading import FOLDER, PATHS, read

CELL_TIMEOUT_S = 1200  # CI is a busy box
LEFT_BY_ONNX_RUNTIME = ".ses"  # wherever it runs
PNG, PLAYER = "image/png", "<audio"

pytestmark = [pytest.mark.notebooks, pytest.mark.timeout(3600)]


def _execute(path, lodging):  # noqa: F811
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
        client.execute(env=environment(lodging))
    except (CellExecutionError, DeadKernelError, TimeoutError) as error:
        pytest.fail(_tell(notebook, error), pytrace=False)
    return notebook


def _sockets(lodging):  # noqa: F811
    """Where kernel and manager meet: files, for which no two tests can race as they can for ports."""
    place = {"transport": "ipc", "ip": str(lodging / "kernel")}
    return place | {"shutdown_wait_time": 300.0}  # it tidies up as it ends


def _tell(notebook, error):
    """Shows the cell that failed, what it printed, and why."""
    executed = [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and "iopub.execute_input" in _times(cell)
    ]
    cell = executed[-1] if executed else notebook.cells[0]
    printed = "".join(o.text for o in cell.get("outputs", []) if "text" in o)
    why = re.sub(r"\x1b\[[\d;]*m", "", str(error))  # without colours
    return f"This cell failed:\n\n{cell.source}\n\nIt printed:\n\n{printed[-4000:]}\n\n{why}"


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


def _files():
    """What lies where notebooks read, but for what JupyterLab hides beside them."""
    folders = (FOLDER, FOLDER.parent / "examples")
    found = {path for folder in folders for path in folder.rglob("*")}
    return {path for path in found if not path.name.startswith((".", "__"))}


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_notebook_runs_top_to_bottom_and_leaves_nothing(path, lodging):  # noqa: F811
    before = _files()
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
    assert _files() <= before
    left = {path.name for path in (lodging / "scratch").iterdir()}
    assert left <= {LEFT_BY_ONNX_RUNTIME}


def test_a_cell_that_fails_is_shown_with_its_source_and_what_it_printed(
    tmp_path,
    lodging,  # noqa: F811
):
    sources = ["good = 1", "print('so far')\nraise ValueError('no good')", "after = 1"]
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in sources]
    )
    nbformat.write(notebook, tmp_path / "broken.ipynb")
    with pytest.raises(pytest.fail.Exception) as failure:
        _execute(tmp_path / "broken.ipynb", lodging)
    said = str(failure.value)
    assert f"This cell failed:\n\n{sources[1]}\n" in said
    assert "It printed:\n\nso far\n" in said
    assert "ValueError: no good" in said
