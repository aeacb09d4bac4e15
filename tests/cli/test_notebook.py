"""The `%amadeus` magic of notebooks."""

import atexit

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from amadeus.errors import AmadeusError


@pytest.fixture
def shell(home, tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    shell = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    shell.run_line_magic("load_ext", "amadeus.cli.notebook")
    yield shell
    shell.atexit_operations()
    atexit.unregister(shell.atexit_operations)


def test_a_line_is_the_command_of_that_name(shell, home, capsys):
    shell.run_cell("name = 'viola'\n%amadeus deu create {name}").raise_error()
    assert [deu.name for deu in home.deus()] == ["viola"]
    assert "made deu viola" in capsys.readouterr().out


def test_words_are_split_as_in_a_shell(shell, home):
    shell.run_cell("%amadeus deu create 'cello'").raise_error()
    assert [deu.name for deu in home.deus()] == ["cello"]


def test_a_command_that_fails_ends_the_cell(shell, capsys):
    ran = shell.run_cell("%amadeus deu show nobody\nafter = 1")
    with pytest.raises(AmadeusError, match=r"deu show nobody` ended with status 2"):
        ran.raise_error()
    assert "nobody" in capsys.readouterr().err
    assert "after" not in shell.user_ns
