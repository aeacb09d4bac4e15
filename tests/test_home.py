import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from amadeus.errors import ConfigError, HomeError, NotHeldError


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


def make_generations(deu, *numbers):
    for number in numbers:
        (deu.voices_path / str(number)).mkdir(parents=True)


def test_the_pointer_says_which_generation_plays(home):
    deu = home.create_deu("cello")
    make_generations(deu, 1, 2, 10)
    deu.point_to(2)
    make_generations(deu, 11)
    assert deu.current_generation() == 2
    assert deu.voice_path().name == "2"
    assert deu.pointer_notice() == ""


def test_nobody_is_pointed_to_who_is_not_there(home):
    deu = home.create_deu("cello")
    make_generations(deu, 1)
    deu.point_to(1)
    with pytest.raises(NotHeldError, match="no generation 7: there are 1"):
        deu.point_to(7)
    assert deu.current_generation() == 1


def test_without_the_generation_pointed_to_the_highest_plays_and_says_so(home):
    deu = home.create_deu("cello")
    make_generations(deu, 1, 2, 3)
    deu.point_to(2)
    (deu.voices_path / "2").rmdir()
    assert deu.current_generation() == 3
    assert "names generation 2, which is not there" in deu.pointer_notice()
    assert "generation 3, the highest, plays" in deu.pointer_notice()


@pytest.mark.parametrize("text", ["", "two", "-1", "9" * 30, "2\n3", "\xff"])
def test_a_damaged_pointer_is_no_pointer(home, text):
    deu = home.create_deu("cello")
    make_generations(deu, 1, 2)
    (deu.path / "current").write_text(text)
    assert deu.current_generation() == 2
    assert "highest" in deu.pointer_notice()


def test_a_pointer_moved_by_many_is_always_whole(home):
    deu = home.create_deu("cello")
    make_generations(deu, *range(1, 9))
    with ThreadPoolExecutor(8) as pool:
        moves = [pool.submit(deu.point_to, n) for n in [*range(1, 9)] * 20]
        seen = {deu.current_generation() for _ in range(500)}
    assert all(move.exception() is None for move in moves)
    assert seen <= set(range(1, 9))
    assert sorted(p.name for p in deu.path.iterdir()) == [
        ".pointing",
        "current",
        "deu.json",
        "voices",
    ]


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
