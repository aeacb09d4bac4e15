"""`amadeus practice feedback` as an ama meets it."""

import json
import shutil

import numpy as np
import pytest
import soundfile

from amadeus.audio.write import write_wav
from amadeus.personality import content
from amadeus.personality.profiles import parse_player_settings
from amadeus.play.notation import Note, Score
from amadeus.play.perform import perform_score
from amadeus.play.record import encode
from tests.cli.terminal import amadeus
from tests.export.voices import SMALL, write_voice

SCORE = Score(
    notes=tuple(
        Note(0.8 * i, 0.8 * i + 0.7, pitch, velocity)
        for i, (pitch, velocity) in enumerate(
            zip((60, 62, 64, 65, 67, 60), (90, 100, 80, 110, 70, 96), strict=True)
        )
    )
)
MARKS = [
    *(f"--good=1@{start}-{start + 1.5}" for start in (0.0, 1.6, 3.2)),
    *(f"--bad=2@{start}-{start + 1.5}" for start in (0.0, 1.6, 3.2)),
]


@pytest.fixture(scope="module")
def voice_path(tmp_path_factory):
    return write_voice(tmp_path_factory.mktemp("voice") / "1", **SMALL)


@pytest.fixture(scope="module")
def takes(voice_path, tmp_path_factory):
    """Two takes of the cello: one dark, one bright."""
    from amadeus.voice.player import Voice

    folder, voice = tmp_path_factory.mktemp("takes"), Voice.load(voice_path)
    for name, brightness in (("dark", -0.4), ("bright", 0.4)):
        profile = parse_player_settings([f"brightness={brightness}"])
        audio, rate, _, record = perform_score(voice, SCORE, player_profile=profile)
        write_wav(
            folder / f"{name}.wav", audio, sample_rate=rate, record=encode(record)
        )
    return folder


@pytest.fixture
def taught(home, voice_path):
    deu = home.create_deu("cello")
    shutil.copytree(voice_path, deu.voices_path / "1")
    home.create_deu("viola")
    shutil.copytree(voice_path, home.deu("viola").voices_path / "1")
    return deu


def feedback(home, *arguments):
    return amadeus("practice", "feedback", *arguments, home=home)


def both(takes):
    return [
        f"--performance={takes / 'dark.wav'}",
        f"--performance={takes / 'bright.wav'}",
    ]


def refused(home, taught, *arguments):
    """Gives feedback that must be refused with one sentence, and changes nothing."""
    ran = feedback(home, *arguments)
    assert ran.returncode == 2, ran.stdout
    assert ran.stderr.startswith("amadeus: ")
    assert len(ran.stderr.strip().splitlines()) == 1
    assert taught.generations() == [1]
    assert not taught.practices()
    return ran.stderr


def test_what_is_good_becomes_the_next_generation(home, taught, takes):
    ran = feedback(
        home, "cello", *both(takes), *MARKS, "--note", "too harsh", "--no-learning"
    )
    assert ran.returncode == 0, ran.stderr
    assert "darker by" in ran.stdout
    assert "cello plays generation 2 now" in ran.stdout
    child = content.read_personality(taught.voice_path())
    parent = content.read_personality(taught.voice_path(1))
    assert -0.3 <= child.player_profile.brightness < -0.05
    assert child.parent_digest == parent.digest
    changed = [
        field.name
        for field, value in child.player_profile.ListFields()
        if value != getattr(parent.player_profile, field.name)
    ]
    assert changed == ["brightness"]
    _is_in_the_lineage(home, taught)
    _is_written_down(taught, child)


def _is_in_the_lineage(home, deu):
    from amadeus.lineage.store import Mode, open_store

    store = open_store(home, mode=Mode.READONLY)
    (execution,) = store.get_executions_by_type("amadeus.Feedback")
    properties = execution.custom_properties
    assert properties["note"].string_value == "too harsh"
    assert "dark.wav sha256:" in properties["takes"].string_value
    assert "good 1@0-1.5 s x 1" in properties["regions"].string_value
    assert "darker" in properties["conclusions"].string_value
    assert "brightness 0 -> -0." in properties["changes"].string_value
    assert "generation 2" in amadeus("lineage", deu.name, home=home).stdout


def _is_written_down(deu, child):
    (practice_path,) = deu.practices()
    written = json.loads((practice_path / "feedback.json").read_text())
    assert written["digest"] == child.digest
    assert written["memories"]["brightness"]["anchor"] == 0
    request = json.loads((practice_path / "request.json").read_text())
    assert request["changes"][0]["knob"] == "brightness"
    assert len(request["regions"]) == 6


def test_a_dry_run_says_and_changes_nothing(home, taught, takes):
    ran = feedback(home, "cello", *both(takes), *MARKS, "--dry-run")
    assert ran.returncode == 0, ran.stderr
    assert "brightness 0 -> -0." in ran.stdout
    assert "it was a dry run" in ran.stdout
    assert taught.generations() == [1]
    assert not taught.practices()


def test_one_kind_of_region_concludes_nothing(home, taught, takes):
    take = f"--performance={takes / 'dark.wav'}"
    ran = feedback(home, "cello", take, "--good", "0-1.5")
    assert ran.returncode == 0, ran.stderr
    assert "only good regions can be judged" in ran.stdout
    assert "nothing is changed: generation 1 of cello plays on" in ran.stdout
    assert taught.generations() == [1]


def test_a_take_that_says_nothing_of_itself_is_judged_by_ear(
    home, taught, takes, tmp_path
):
    audio, rate = soundfile.read(takes / "dark.wav")
    soundfile.write(tmp_path / "plain.wav", audio, rate)
    ran = feedback(
        home, "cello", f"--performance={tmp_path / 'plain.wav'}", "--good=0-1.5",
        "--bad=2.4-4.0",
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "plain.wav does not say who played it" in ran.stdout


@pytest.mark.parametrize(
    ("marks", "says"),
    [
        ([], "nothing is marked"),
        (["--good=2-1"], "ends before it starts"),
        (["--good=0-2", "--bad=1-3"], "overlap"),
        (["--good=0-1", "--bad=100-101"], "lies outside dark.wav"),
        (["--good=0-1", "--bad=2@0-1"], "names take 2 and 1 are given"),
        (["--good=soon"], "is no region"),
        (["--good=0-1", "--note=" + 501 * "x"], "501 characters"),
    ],
)
def test_marks_that_cannot_be_are_refused(home, taught, takes, marks, says):
    take = f"--performance={takes / 'dark.wav'}"
    assert says in refused(home, taught, "cello", take, *marks)


def test_the_take_of_another_deu_is_refused(home, taught, takes):
    """The viola has the same network, but what it plays is its own."""
    (home.deu("viola").path / "voices" / "1").rename(home.path / "gone")
    write_voice(home.deu("viola").voices_path / "1", **(SMALL | {"harmonic_count": 9}))
    take = f"--performance={takes / 'dark.wav'}"
    ran = feedback(home, "viola", take, "--good=0-1", "--bad=2-3")
    assert ran.returncode == 2
    assert "was played by cello, not by viola" in ran.stderr


def test_the_take_of_an_unknown_generation_is_refused(home, taught, takes, voice_path):
    shutil.rmtree(taught.voices_path / "1")
    write_voice(taught.voices_path / "1", **(SMALL | {"harmonic_count": 9}))
    take = f"--performance={takes / 'dark.wav'}"
    says = refused(home, taught, "cello", take, "--good=0-1", "--bad=2-3")
    assert "a generation 1 of cello that is not here" in says


@pytest.mark.parametrize("kind", ["gone", "text", "silent", "twice", "damaged"])
def test_files_that_are_no_take_are_refused(home, taught, takes, tmp_path, kind):
    path = tmp_path / "take.wav"
    names = [f"--performance={path}"]
    if kind == "text":
        path.write_text("la la la")
    elif kind == "silent":
        soundfile.write(path, np.zeros(16_000), 16_000)
    elif kind == "twice":
        shutil.copy(takes / "dark.wav", path)
        names *= 2
    elif kind == "damaged":
        shutil.copy(takes / "dark.wav", path)
        content_ = path.read_bytes().replace(
            b"amadeus.play.record/1", b"amadeus.play.record/9"
        )
        path.write_bytes(content_)
    says = refused(home, taught, "cello", *names, "--good=0-0.5", "--bad=0.6-0.9")
    expected = {
        "gone": "there is no file",
        "text": "take.wav",
        "silent": "is silent",
        "twice": "named twice",
        "damaged": "another version",
    }
    assert expected[kind] in says


def test_who_has_no_voice_yet_gets_no_feedback(home, takes):
    home.create_deu("cello")
    take = f"--performance={takes / 'dark.wav'}"
    ran = feedback(home, "cello", take, "--good=0-1")
    assert ran.returncode == 2
    assert "has no voice yet" in ran.stderr
