"""`amadeus practice tune --studio`: the deu of a studio in another process is tuned, and the voice comes home."""

import shutil

import pytest

from amadeus.home import Home
from amadeus.personality.content import read_personality
from tests.cli.terminal import amadeus
from tests.export.voices import SMALL, write_voice
from tests.serving.studio.practising import starts, studio_process


@pytest.fixture(scope="module")
def voice(tmp_path_factory):
    return write_voice(tmp_path_factory.mktemp("voice") / "1", **SMALL)


@pytest.fixture
def there(tmp_path, voice):
    """The studio's home, with a deu that has a voice."""
    home = Home(tmp_path / "there")
    shutil.copytree(voice, home.create_deu("cello").voices_path / "1")
    return home


@pytest.fixture
def tune(home, there):
    with studio_process(there) as process:

        def run(*arguments, name="cello"):
            address = f"localhost:{process.port}"
            return amadeus(
                "practice", "tune", name, *arguments, "--studio", address, home=home
            )

        yield run


def test_a_tuned_voice_comes_home_and_back_again(home, there, tune):
    ran = tune("--player", "brightness=0.5")
    assert ran.returncode == 0, ran.stderr
    assert "cello plays generation 2 now" in ran.stdout
    assert "the voice is held here, as generation 1 of cello" in ran.stdout
    here = home.deu("cello")
    bright = read_personality(here.voice_path())
    assert bright.player_profile.brightness == 0.5
    assert bright.digest == read_personality(there.deu("cello").voice_path()).digest
    tune("--player", "brightness=1")
    assert here.current_generation() == 2
    back = tune("--player", "brightness=0.5")
    assert "was held here already, as generation 1" in back.stdout
    assert here.current_generation() == 1, "what was tuned back plays here, too"
    assert starts(there) == []


def test_what_changes_nothing_is_said(home, tune):
    ran = tune("--player", "brightness=default")
    assert ran.returncode == 0, ran.stderr
    assert "nothing changes: generation 1 of cello" in ran.stdout
    assert "not blessed" not in ran.stdout


@pytest.mark.parametrize(
    ("name", "arguments", "sentence"),
    [
        ("cello", ["--player", "brightnes=1"], "did you mean brightness"),
        ("cello", ["--learner", "seed=1"], "was not taught here"),
        ("cello", ["--learner", "frame_rate=70"], "does not divide"),
        ("tuba", ["--player", "brightness=1"], "no deu 'tuba'"),
        (
            "cello",
            ["--learner", "seed=1", "--beam-arg", "--x"],
            "leave it out where a studio practises",
        ),
    ],
)
def test_what_a_studio_refuses_ends_with_a_sentence(
    home, there, tune, name, arguments, sentence
):
    ran = tune(*arguments, name=name)
    assert ran.returncode == 2
    assert sentence in ran.stderr
    assert str(there.path) not in ran.stderr
    assert there.deu("cello").generations() == [1]
    assert home.deus() == []
