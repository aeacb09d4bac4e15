"""`amadeus practice tune` as an ama meets it."""

import json
import shutil
import subprocess
import sys

import pytest

from amadeus.personality import content
from tests.cli.terminal import amadeus, busy_s, environment
from tests.export.voices import SMALL, write_voice


@pytest.fixture(scope="module")
def voice_path(tmp_path_factory):
    return write_voice(tmp_path_factory.mktemp("voice") / "1", **SMALL)


@pytest.fixture
def taught(home, voice_path):
    deu = home.create_deu("cello")
    shutil.copytree(voice_path, deu.voices_path / "1")
    home.create_deu("viola")
    return deu


def tune(home, *arguments):
    return amadeus("practice", "tune", *arguments, home=home)


def test_knobs_of_the_player_make_a_generation(home, taught):
    ran = tune(home, "cello", "--player", "brightness=0.3", "--player", "a4_hz=442")
    assert ran.returncode == 0, ran.stderr
    assert "cello plays generation 2 now: the network of generation 1" in ran.stdout
    assert "brightness  0 -> 0.3" in ran.stdout
    assert content.read_personality(taught.voice_path()).digest in ran.stdout


def test_a_tuning_that_changes_nothing_says_so(home, taught):
    ran = tune(home, "cello", "--player", "brightness=0", "--learner", "seed=0")
    assert ran.returncode == 0
    assert "nothing changes: generation 1 of cello" in ran.stdout
    assert taught.generations() == [1]
    assert not taught.practices()


def test_tuning_back_says_whom_it_sounds_like(home, taught):
    tune(home, "cello", "--player", "brightness=0.3")
    ran = tune(home, "cello", "--player", "brightness=default")
    assert "the same as generation 1" in ran.stdout
    digests = [content.read_personality(taught.voice_path(n)).digest for n in (1, 3)]
    assert digests[0] == digests[1]


def test_the_player_is_tuned_in_a_second_without_tensorflow(home, taught):
    probe = (
        "import sys; from amadeus.cli.main import main\n"
        "status = main(['practice', 'tune', 'cello', '--player', 'brightness=0.3'])\n"
        "heavy = {'tensorflow', 'tfx', 'apache_beam', 'matplotlib'} & set(sys.modules)\n"
        "print(status, sorted(heavy))"
    )
    command = [sys.executable, "-c", probe]
    ran = {}

    def run():
        ran["it"] = subprocess.run(
            command, env=environment(home), capture_output=True, text=True, check=True
        )

    assert busy_s(run) < 3.0  # of one processor; a second where nobody else works
    assert ran["it"].stdout.splitlines()[-1] == "0 []"
    assert taught.generations() == [1, 2]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["cello", "--player", "brightnes=1"], "did you mean brightness"),
        (["cello", "--player", "brightness=9"], "choose from -2 to 2"),
        (["cello", "--learner", "brightness=1"], "write --player brightness=1"),
        (["cello", "--learner", "frame_rate=70"], "does not divide"),
        (["cello", "--steps", "0"], "--steps 0 trains nothing"),
        (["cello", "--steps", "1", "--minutes", "1"], "both minutes and steps"),
        (["cello"], "no knob was named"),
        ([], "no deu was named"),
        (["tuba", "--player", "brightness=1"], "there is no deu 'tuba'"),
        (["viola", "--player", "brightness=1"], "has no voice yet"),
        (["cello", "--learner", "seed=5"], "was not taught here"),
        (["cello", "--player", "brightness=1", "--beam-arg", "--x"], "leave it out"),
        (["cello", "--player", "brightness=1", "--explain"], "only explains"),
        (["cello", "--player", "brightness=1", "--format", "json"], "of --explain"),
        (["cello", "--player", "brightness=1", "--studio-tls"], "without a studio"),
        (["viola", "--explain"], "has no voice yet"),
    ],
)
def test_what_cannot_be_tuned_is_said_in_one_sentence(
    home, taught, arguments, sentence
):
    ran = tune(home, *arguments)
    assert ran.returncode == 2
    assert sentence in ran.stderr
    assert ran.stderr.startswith("amadeus: ")
    assert ran.stderr.count("\n") == 1
    assert taught.generations() == [1]
    assert not taught.practices()


def test_a_deu_in_another_practice_is_left_alone(home, taught):
    with taught.locked():
        ran = tune(home, "cello", "--player", "brightness=1")
    assert ran.returncode == 2
    assert "is in another practice: wait until it ends" in ran.stderr
    assert taught.generations() == [1]


def test_a_damaged_voice_is_left_alone(home, taught):
    (taught.voice_path(1) / "saved_model.pb").write_bytes(b"\x12\xff")
    ran = tune(home, "cello", "--player", "brightness=1")
    assert ran.returncode == 2
    assert "generation 1 of cello" in ran.stderr
    assert "is damaged: its graph cannot be read" in ran.stderr
    assert taught.generations() == [1]


def test_all_knobs_are_explained(home):
    text, plain = tune(home, "--explain"), tune(home, "--explain", "--format", "json")
    rows = json.loads(plain.stdout)
    assert {"unit", "low", "high", "default", "sound", "cost"} <= rows[0].keys()
    assert all(f"  {row['name']} = " in text.stdout for row in rows)


def test_the_report_and_the_lineage_show_a_tuning(home, taught, tmp_path):
    tune(home, "cello", "--player", "brightness=0.3")
    page = tmp_path / "page.html"
    assert amadeus("report", "cello", "-o", page, home=home).returncode == 0
    text = page.read_text()
    assert "What was turned" in text
    assert "The network of generation 1 plays otherwise" in text
    assert "What this report lacks" not in text
    told = amadeus("lineage", "cello", home=home)
    assert told.returncode == 0
    assert "tuned" in told.stdout
