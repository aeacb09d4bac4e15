import signal
import subprocess
import sys

import pytest

from serving.model_server.config import read_file
from serving.model_server.listing import list_models, main, write_listing
from tests.cli.terminal import environment, wait_for


def _deu(home, name, *generations):
    deu = home.create_deu(name)
    for generation in generations:
        (deu.voices_path / str(generation)).mkdir(parents=True)
    return deu


def _listed(config):
    return {
        model.name: list(model.model_version_policy.specific.versions)
        for model in config.model_config_list.config
    }


def test_what_plays_and_the_newest_are_listed(home):
    _deu(home, "cello", *range(1, 8))
    _deu(home, "flute", 1)
    _deu(home, "silent")
    assert _listed(list_models(home)) == {"cello": [6, 7], "flute": [1]}
    home.deu("cello").point_to(3)
    assert _listed(list_models(home)) == {"cello": [3, 6, 7], "flute": [1]}


def test_a_list_is_written_when_it_differs(home, tmp_path):
    path = tmp_path / "models.config"
    home.path.mkdir()
    assert write_listing(home, path)
    assert not write_listing(home, path)
    _deu(home, "cello", 1)
    assert write_listing(home, path)
    assert _listed(read_file(path)) == {"cello": [1]}


def test_a_home_that_is_not_there_yet_lists_nothing(home, tmp_path):
    path = tmp_path / "models.config"
    assert main(["--output", str(path)]) == 0
    assert _listed(read_file(path)) == {}


def test_what_cannot_be_written_is_said_in_a_sentence(home, tmp_path, caplog):
    (tmp_path / "models.config").mkdir()
    assert main(["--output", str(tmp_path / "models.config")]) == 2
    assert f"cannot write {tmp_path / 'models.config'}" in caplog.text


@pytest.mark.parametrize("pause", ["0", "-1", "nan", "inf", "often"])
def test_a_listing_must_pause(home, tmp_path, pause, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["--output", str(tmp_path / "models.config"), "--every-s", pause])
    assert pause in capsys.readouterr().err


def test_a_listing_follows_the_home_and_stops_when_told(home, tmp_path):
    path = tmp_path / "models.config"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "serving.model_server.listing"),
            *("--output", str(path), "--every-s", "0.1"),
        ],
        env=environment(home),
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(path.exists, timeout_s=60)
        _deu(home, "cello", 1)
        wait_for(lambda: "cello" in path.read_text(), timeout_s=60)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
