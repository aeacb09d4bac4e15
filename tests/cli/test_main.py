import subprocess
import sys

import pytest

from amadeus import __version__
from amadeus.cli.main import COMMANDS, main
from tests.cli.terminal import COMMAND, amadeus, busy_s, environment

HEAVY = {
    *("numpy", "scipy", "matplotlib", "soundfile", "soxr", "onnxruntime", "rich"),
    *("tensorflow", "tfx", "apache_beam", "ml_metadata", "grpc", "aiohttp"),
}
HELPS = [
    [],
    *([name] for name in COMMANDS),
    ["deu", "create"],
    ["deu", "list"],
    ["deu", "show"],
    ["deu", "remove"],
    ["practice", "imitate"],
]


@pytest.mark.parametrize("command", HELPS, ids=" ".join)
def test_help_imports_nothing_heavy(command):
    probe = (
        "import sys; from amadeus.cli.main import main\n"
        f"status = main({[*command, '--help']!r})\n"
        f"loaded = sorted({HEAVY!r} & set(sys.modules))\n"
        "sys.exit(f'loaded: {loaded}' if loaded else status)"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Usage: amadeus" in done.stdout


def test_help_comes_within_half_a_second(home):
    assert min(busy_s(lambda: amadeus("--help", home=home)) for _ in range(3)) < 0.5


def test_help_lists_every_command_with_the_summary_it_is_known_by(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for name in COMMANDS:
        assert f"\n  {name} " in text


def test_version_is_the_package_s_own(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"amadeus {__version__}\n"


def test_an_unknown_command_is_a_usage_error(capsys):
    assert main(["sing"]) == 2
    assert "No such command 'sing'" in capsys.readouterr().err


def test_a_mendable_error_is_one_sentence_and_status_2(home):
    done = amadeus("deu", "show", "cello", home=home)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "amadeus: there is no deu 'cello': make one with `amadeus deu create cello`.\n"
    )


def test_a_fault_of_ours_is_a_traceback_and_status_1(home):
    home.create_deu("cello")
    (home.path / "deus" / "cello" / "deu.json").write_text("{}")
    done = amadeus("deu", "show", "cello", home=home)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "KeyError" in done.stderr


def test_a_home_without_rights_is_a_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    done = amadeus("--home", tmp_path / "file", "deu", "create", "cello")
    assert done.returncode == 2
    assert done.stderr.startswith("amadeus: cannot write")
    assert "Traceback" not in done.stderr


def test_a_full_disk_is_a_sentence(capsys, monkeypatch):
    import errno

    from amadeus.cli import main as door

    def refuse(**_arguments):
        raise OSError(errno.ENOSPC, "No space left on device", "/music/voice")

    monkeypatch.setattr(door.cli, "main", refuse)
    assert main([]) == 2
    assert capsys.readouterr().err == (
        "amadeus: /music/voice: No space left on device; free some space there, then try again.\n"
    )


def test_home_option_wins_over_the_environment(home, tmp_path):
    amadeus("--home", tmp_path / "other", "deu", "create", "cello", home=home)
    assert (tmp_path / "other" / "deus" / "cello" / "deu.json").exists()
    assert home.deus() == []


def test_a_reader_that_leaves_is_no_error(home):
    for number in range(200):
        home.create_deu(f"deu-{number}")
    done = subprocess.run(
        ["bash", "-c", f"{' '.join(COMMAND)} deu list | head -1"],
        env=environment(home),
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith("deu-0 ")
    assert done.stderr == ""


def test_a_closed_pipe_is_quiet(home):
    home.create_deu("cello")
    done = subprocess.run(
        ["bash", "-c", f"{' '.join(COMMAND)} deu list > /dev/full"],
        env=environment(home),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
