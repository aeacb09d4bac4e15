import os
import signal
import subprocess
import sys
import time

import pytest

from serving.model_server import wishes as wishes_module
from serving.model_server.config import read_file
from serving.model_server.listing import list_models, main, write_listing
from serving.model_server.wishes import KEPT_S, Wishes
from tests import processes
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
    process = processes.start(
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


def test_what_a_studio_asks_for_is_listed_while_it_does(home, tmp_path):
    deu = _deu(home, "cello", *range(1, 13))
    wishes = Wishes(home)
    for generation in (2, 99):
        wishes.ask("cello", generation)
    assert _listed(list_models(home)) == {"cello": [2, 11, 12]}
    stale_s = time.time() - KEPT_S - 60
    os.utime(deu.path / "asked" / "2", (stale_s, stale_s))
    assert _listed(list_models(home)) == {"cello": [11, 12]}


def test_a_studio_cannot_ask_for_more_than_a_server_holds(home):
    deu = _deu(home, "cello", *range(1, 13))
    for generation in range(1, 11):
        Wishes(home).ask("cello", generation)
        touched_s = time.time() - 100 + generation
        os.utime(deu.path / "asked" / str(generation), (touched_s, touched_s))
    assert _listed(list_models(home)) == {"cello": list(range(3, 13))}


def test_what_is_played_for_long_stays_listed(home, monkeypatch):
    monkeypatch.setattr(wishes_module, "TOUCH_S", 0.05)
    deu = _deu(home, "cello", 1, 2, 3)
    wishes = Wishes(home)
    path = deu.path / "asked" / "1"
    for _ in range(2):
        wishes.ask("cello", 1)
        wishes.hold("cello", 1)
    wishes.let_go("cello", 1)  # one still plays
    os.utime(path, (0, 0))
    wait_for(lambda: path.exists() and path.stat().st_mtime > 0)
    wishes.let_go("cello", 1)
    assert not wishes._held, "nobody touches it any more"
    wishes.close()


def test_a_wish_that_cannot_be_left_is_no_matter(home, caplog):
    Wishes(home).ask("viola", 1)
    assert "generation 1 of viola could not be asked for" in caplog.text
