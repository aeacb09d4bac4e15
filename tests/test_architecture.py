"""The arrows between the rooms, and other laws that are read from the source."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("amadeus", "components", "pipelines", "serving", "benchmarks")

# room -> rooms it may import
ARROWS = {
    "amadeus": {"amadeus"},
    "components": {"components", "amadeus"},
    "pipelines": {"pipelines", "components", "amadeus"},
    "serving": {"serving", "amadeus"},
    "benchmarks": set(ROOMS),
}
FOREIGN_TO_AMADEUS = {"tfx", "apache_beam", "grpc", "kfp"}
MADE_OF_TENSORFLOW = {"dsp", "export", "native", "voice"}


def _modules(room):
    """All modules of a room but the generated ones."""
    paths = sorted((ROOT / room).rglob("*.py"))
    return [path for path in paths if "v1" not in path.parts]


ALL_MODULES = [path for room in ROOMS for path in _modules(room)]
SILENT_MODULES = [
    path
    for path in _modules("amadeus")
    if path.relative_to(ROOT / "amadeus").parts[0] not in MADE_OF_TENSORFLOW
]


def _imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module


def _imported_at_load(tree):
    """Imports that run when the module is loaded, those inside functions left out."""
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from _imported(ast.Module([node], []))


def _tree(path):
    return ast.parse(path.read_text())


def _name(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", ALL_MODULES, ids=_name)
def test_arrows_run_one_way(path):
    room = path.relative_to(ROOT).parts[0]
    tops = {name.split(".")[0] for name in _imported(_tree(path))}
    assert (tops & set(ROOMS)) <= ARROWS[room]


@pytest.mark.parametrize("path", _modules("amadeus"), ids=_name)
def test_the_instrument_knows_nothing_of_the_platform(path):
    tops = {name.split(".")[0] for name in _imported(_tree(path))}
    assert not tops & FOREIGN_TO_AMADEUS


@pytest.mark.parametrize("path", SILENT_MODULES, ids=_name)
def test_tensorflow_is_loaded_only_by_sound_making_rooms(path):
    tops = {name.split(".")[0] for name in _imported_at_load(_tree(path))}
    assert not tops & {"tensorflow", "tf_keras", "keras"}


@pytest.mark.parametrize("path", ALL_MODULES, ids=_name)
def test_no_room_is_called_by_a_name_that_says_nothing(path):
    assert path.stem not in {"utils", "util", "helpers", "helper", "misc", "common"}


def test_proto_holds_proto_files_only():
    files = [path for path in (ROOT / "proto").rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".proto"}


def test_every_executor_names_its_keys():
    for path in (ROOT / "components").rglob("executor.py"):
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.FunctionDef) and node.name == "Do":
                docstring = ast.get_docstring(node) or ""
                for section in ("input_dict", "output_dict", "exec_properties"):
                    assert section in docstring, (
                        f"{_name(path)}: Do says nothing of {section}"
                    )


def test_help_is_fast_and_loads_nothing_heavy():
    probe = (
        "import sys, time; start = time.perf_counter(); from amadeus.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'tensorflow', 'tfx', 'numpy', 'onnxruntime', 'matplotlib'} & set(sys.modules)\n"
        "print(f'took {time.perf_counter() - start:.3f} loaded {sorted(heavy)}')"
    )
    ran = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True
    )
    last = ran.stdout.splitlines()[-1].split()
    assert last[3] == "[]"
    assert float(last[1]) < 0.5
