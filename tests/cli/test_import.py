"""The commands that let a voice travel; what they refuse is told in tests/personality."""

import subprocess
import sys

import pytest

from amadeus.cli.main import main
from amadeus.home import Home
from amadeus.personality.content import read_personality
from tests.cli.terminal import environment
from tests.export.voices import SMALL, write_voice


@pytest.fixture(scope="module")
def voice_path(tmp_path_factory):
    return write_voice(tmp_path_factory.mktemp("voice") / "1", **SMALL)


@pytest.fixture
def taught(home, voice_path, tmp_path, monkeypatch):
    """A deu with a voice, and a folder to write in."""
    deu = home.create_deu("cello")
    deu.voices_path.mkdir()
    (deu.voices_path / "1").symlink_to(voice_path)
    (tmp_path / "stage").mkdir()
    monkeypatch.chdir(tmp_path / "stage")
    return deu


@pytest.fixture
def abroad(tmp_path):
    """Another home."""
    return Home(tmp_path / "abroad")


def run(home, *arguments):
    return main(["--home", str(home.path), "deu", *map(str, arguments)])


def test_a_voice_travels_from_home_to_home(home, taught, abroad, capsys):
    digest = read_personality(taught.voice_path()).digest
    short = digest.removeprefix("sha256:")[:12]
    assert run(home, "export", "cello", "cello.deu") == 0
    assert "cello.deu: deu cello, generation 1, " in capsys.readouterr().out
    assert run(abroad, "import", "cello.deu") == 0
    said = capsys.readouterr().out
    assert said == f"cello.deu: {short} is generation 1 of deu cello now\n"
    assert read_personality(abroad.deu("cello").voice_path()).digest == digest
    assert run(abroad, "import", "cello.deu") == 0
    said = capsys.readouterr().out
    assert said.endswith("generation 1 of deu cello already; nothing was changed\n")
    assert run(abroad, "import", "cello.deu", "--name", "viola") == 0
    assert "generation 1 of deu viola now" in capsys.readouterr().out
    assert run(abroad, "export", "viola", "-o", "viola.deu") == 0
    assert run(abroad, "export", "viola", "viola.deu") == 2
    assert "with --force" in capsys.readouterr().err


def test_places_to_write_to_are_one(home, taught, capsys):
    assert run(home, "export", "cello") == 2
    assert "`amadeus deu export cello cello.deu`" in capsys.readouterr().err
    assert run(home, "export", "cello", "a.deu", "-o", "b.deu") == 2
    assert "a.deu and -o b.deu are two places" in capsys.readouterr().err
    assert run(home, "export", "cello", "cello.zip") == 2
    assert "must end in .deu" in capsys.readouterr().err


def test_what_cannot_be_imported_is_a_sentence(abroad, tmp_path, capsys):
    (tmp_path / "x.deu").write_text("no zip at all, but long enough to be one")
    for arguments, sentence in (
        ([tmp_path / "x.deu"], "no bundle of a voice"),
        ([tmp_path / "none.deu"], "No such file"),
        ([tmp_path / "x.deu", "--name", "Über"], "cannot name a deu"),
    ):
        assert run(abroad, "import", *arguments) == 2
        assert sentence in capsys.readouterr().err
    assert abroad.deus() == []


def test_import_does_not_load_tfx(home, taught, abroad):
    assert run(home, "export", "cello", "cello.deu") == 0
    probe = (
        "import sys; from amadeus.cli.main import main\n"
        "status = main(['deu', 'import', 'cello.deu'])\n"
        "sys.exit(status or bool({'tfx', 'apache_beam'} & set(sys.modules)))"
    )
    subprocess.run(
        [sys.executable, "-c", probe], check=True, env=environment(abroad), stdout=-3
    )
    assert abroad.deu("cello").generations() == [1]


def test_help_loads_nothing_heavy(home):
    probe = (
        "import sys; from amadeus.cli.main import main\n"
        "try: main(['deu', 'import', '--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit(bool({'tensorflow', 'numpy', 'ml_metadata'} & set(sys.modules)))"
    )
    subprocess.run(
        [sys.executable, "-c", probe], check=True, env=environment(home), stdout=-3
    )
