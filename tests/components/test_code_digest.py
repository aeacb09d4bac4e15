import sys

import pytest

from components.code_digest import code_digest


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "violin" / "bow"
    folder.mkdir(parents=True)
    for path in (tmp_path / "violin" / "__init__.py", folder / "__init__.py"):
        path.write_text("")
    (folder / "stroke.py").write_text("raise RuntimeError('digested, never run')\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / "violin"
    for name in [name for name in sys.modules if name.startswith("violin")]:
        del sys.modules[name]


def test_any_change_to_any_source_below_changes_the_digest(package):
    seen = {code_digest("violin")}
    (package / "bow" / "stroke.py").write_text("SPEED = 2\n")
    seen.add(code_digest("violin"))
    (package / "bow" / "hair.py").write_text("")
    seen.add(code_digest("violin"))
    (package / "bow" / "hair.py").rename(package / "bow" / "frog.py")
    seen.add(code_digest("violin"))
    assert len(seen) == 4


def test_what_is_no_source_does_not_count(package):
    before = code_digest("violin", "violin.bow.stroke")
    (package / "bow" / "__pycache__").mkdir()
    (package / "bow" / "__pycache__" / "stroke.cpython-311.pyc").write_bytes(b"\0")
    (package / "bow" / "notes.txt").write_text("louder")
    assert code_digest("violin.bow.stroke", "violin") == before


def test_a_module_that_does_not_exist_is_named():
    with pytest.raises(ModuleNotFoundError, match="violin_of_nobody"):
        code_digest("violin_of_nobody")
