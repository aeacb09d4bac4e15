import json
import subprocess
import sys

import pytest

from amadeus.errors import ConfigError, HomeError


def test_a_created_deu_is_found_and_listed(home):
    home.create_deu("cello")
    home.create_deu("alto-sax_2")
    assert [deu.name for deu in home.deus()] == ["alto-sax_2", "cello"]
    assert home.deu("cello").current_generation() == 0


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "",
        ".hidden",
        "a/b",
        "Cello",
        "x" * 41,
        "-flag",
        "a b",
        "a\n",
        "cello\x00",
    ],
)
def test_a_name_that_could_leave_the_home_is_refused(home, name):
    with pytest.raises(ConfigError, match="cannot name a deu"):
        home.create_deu(name)
    with pytest.raises(ConfigError, match="cannot name a deu"):
        home.deu(name)
    assert not home.path.exists()


def test_a_deu_is_created_once(home):
    home.create_deu("cello")
    with pytest.raises(HomeError, match="exists already"):
        home.create_deu("cello")


def test_an_unknown_deu_is_named_beside_the_known_ones(home):
    home.create_deu("cello")
    with pytest.raises(
        HomeError, match=r"no deu 'viola': there are cello; .*deu create viola"
    ):
        home.deu("viola")


def test_the_highest_complete_generation_plays(home):
    deu = home.create_deu("cello")
    for name in ("1", "2", "10", ".staging-11"):
        (deu.voices_path / name).mkdir(parents=True)
    assert deu.generations() == [1, 2, 10]
    assert deu.voice_path().name == "10"
    assert deu.voice_path(2).name == "2"
    with pytest.raises(HomeError, match="no generation 3: there are 1, 2, 10"):
        deu.voice_path(3)


def test_a_deu_without_a_voice_says_how_to_teach_it(home):
    with pytest.raises(HomeError, match="amadeus practice imitate cello"):
        home.create_deu("cello").voice_path()


def test_removal_leaves_nothing_and_spares_others(home):
    home.create_deu("cello")
    home.create_deu("flute")
    home.remove_deu("cello")
    assert [entry.name for entry in (home.path / "deus").iterdir()] == ["flute"]


def test_one_practice_at_a_time_even_from_another_process(home):
    deu = home.create_deu("cello")
    probe = (
        "from amadeus.home import open_home\n"
        "with open_home().deu('cello').locked(): print('held')"
    )
    with deu.locked():
        ran = subprocess.run(
            [sys.executable, "-c", probe], capture_output=True, text=True
        )
        assert "HomeError" in ran.stderr
        assert "in another practice" in ran.stderr
        with pytest.raises(HomeError, match="in another practice"):
            home.remove_deu("cello")
    ran = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True)
    assert ran.stdout == "held\n"


def test_a_home_that_cannot_be_written_says_what_to_do(home):
    home.path.write_text("a file where the home should be")
    with pytest.raises(HomeError, match="AMADEUS_HOME"):
        home.create_deu("cello")


def test_deu_json_records_the_time_of_creation(home):
    deu = home.create_deu("cello")
    assert json.loads((deu.path / "deu.json").read_text())["name"] == "cello"
    assert deu.created_at.endswith("Z")
