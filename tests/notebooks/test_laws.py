"""What holds for every notebook, read from the file: nothing here executes one."""

import ast
import importlib.util
import re

import pytest

from tests.notebooks.reading import FOLDER, PATHS, code_cells, nodes, read, trees

ROOMS = {"amadeus", "components", "pipelines", "serving", "benchmarks", "tests"}
MAY_IMPORT = {"amadeus", "components", "pipelines"}  # as the arrows of DESIGN go
TO_LOOK_AT = {"01", "02", "03", "04", "05", "06"}
TO_LISTEN_TO = TO_LOOK_AT - {"05"}  # lineage makes no sound
MAX_BYTES, MAX_COLUMNS = 40_000, 120
MAX_CELL_LINES = 120  # of the longest, which is Kubeflow in one cell
README = (FOLDER / "README.md").read_text()

every = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def _title(path):
    return read(path).cells[0].source.splitlines()[0]


def _imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def test_notebooks_are_numbered_without_a_gap():
    numbers = [path.name.split("-")[0] for path in PATHS]
    assert numbers == [f"{n:02}" for n in range(1, len(PATHS) + 1)]
    assert set(numbers) == TO_LOOK_AT
    assert all(re.fullmatch(r"\d\d(-[a-z]+)+", path.stem) for path in PATHS)


@every
def test_a_notebook_has_its_number_and_one_question(path):
    assert read(path).cells[0].cell_type == "markdown"
    assert re.fullmatch(rf"# {path.stem[:2]} [^?]+\?", _title(path))


@every
def test_outputs_are_stripped(path):
    for cell in code_cells(path):
        assert cell.outputs == []
        assert cell.execution_count is None
    notebook = read(path)
    assert all(cell.metadata == {} for cell in notebook.cells)
    assert notebook.metadata.keys() <= {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"


@every
def test_a_notebook_is_small_and_no_wider_than_a_window(path):
    assert path.stat().st_size < MAX_BYTES
    for cell in read(path).cells:
        lines = cell.source.splitlines()
        assert len(lines) <= MAX_CELL_LINES
        assert max(map(len, lines)) <= MAX_COLUMNS, max(lines, key=len)


@every
def test_the_first_cell_imports_the_package_and_all_else(path):
    first, *others = trees(path)
    assert any(name.split(".")[0] == "amadeus" for name in _all_names(first))
    assert not [name for tree in others for name in _imported(tree)]


def _all_names(tree):
    """Modules that are imported, or loaded as an extension of IPython."""
    yield from _imported(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@every
def test_a_notebook_defines_nothing_that_another_file_could_want(path):
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    assert not nodes(path, *kinds)
    assert len(nodes(path, ast.Lambda)) <= 2


@every
def test_arrows_run_one_way(path):
    for tree in trees(path):
        for name in _imported(tree):
            top = name.split(".")[0]
            assert top not in ROOMS - MAY_IMPORT, name
            assert importlib.util.find_spec(name) is not None, name


@every
def test_nothing_private_is_imported(path):
    for node in nodes(path, ast.ImportFrom):
        assert not [alias.name for alias in node.names if alias.name.startswith("_")]


@every
def test_no_shell_no_installing_and_no_place_of_one_machine(path):
    for cell in read(path).cells:
        assert not re.search(r"/(home|root|tmp|work|Users|mnt)/", cell.source)
        if cell.cell_type == "code":
            magics = re.findall(r"^\s*[%!]+\w*", cell.source, re.MULTILINE)
            assert {m.strip() for m in magics} <= {"%amadeus", "%load_ext"}


@every
def test_what_is_named_is_there(path):
    for cell in read(path).cells:
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", cell.source):
            assert (FOLDER / target).exists(), target
        for target in re.findall(r"\.\./examples[\w./-]*(?=[\" \\])", cell.source):
            assert (FOLDER / target).exists(), target


@every
def test_there_is_something_to_look_at_and_to_listen_to(path):
    called = {ast.unparse(node.func) for node in nodes(path, ast.Call)}
    assert "plt.subplots" in called
    if path.stem[:2] in TO_LISTEN_TO:
        assert "Audio" in called


@every
def test_what_is_drawn_says_what_it_shows(path):
    """Each figure has a title, and axes with numbers on them have labels with units."""
    for cell in code_cells(path):
        if "plt.subplots(" in cell.source:
            assert re.search(r"set_title\(|title=", cell.source), cell.source
            is_labelled = re.search(r"[xy]label=|plot_spectrogram\(", cell.source)
            assert is_labelled or re.search(r"set_axis_off|ticks=\[\]", cell.source)


@every
def test_the_index_has_each_notebook_with_its_question(path):
    number, question = _title(path).removeprefix("# ").split(" ", 1)
    assert f"[{number}]({path.name})" in README
    assert question in README
