"""`amadeus dataset`: NSynth is browsed and sorted, single notes become a data set."""

import json

import pytest

from amadeus.audio.write import write_wav
from amadeus.cli.main import main
from tests.datasets import notes_made


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "in"
    place.mkdir()
    notes_made.write(place / "a.tfrecord", notes_made.several(33))
    return place


@pytest.fixture
def singles(tmp_path):
    place = tmp_path / "my flute"
    place.mkdir()
    for name, pitch in (("A4.wav", 69), ("C5.wav", 72), ("D5.wav", 72)):
        write_wav(place / name, notes_made.tone(pitch), sample_rate=16_000)
    return place


def test_a_data_set_is_browsed(folder, capsys):
    assert main(["dataset", "nsynth", str(folder), "--family", "flute"]) == 0
    text = capsys.readouterr().out
    assert "flute   acoustic" in text
    assert "not chosen: 30" in text


@pytest.mark.parametrize(
    ("options", "n_notes"),
    [
        ([], 33),
        (["--family", "flute", "--family", "reed"], 6),
        (["--source", "synthetic"], 11),
        (["--pitch", "40-44", "--pitch", "C4"], 6),
        (["--velocity", "25"], 7),
        (["--instrument", "*_acoustic_00?"], 4),
    ],
)
def test_every_condition_chooses(folder, capsys, options, n_notes):
    assert (
        main(["dataset", "nsynth", str(folder / "*.tfrecord"), "--json", *options]) == 0
    )
    told = json.loads(capsys.readouterr().out)
    assert told["notes"] == n_notes
    assert told["not_chosen"] == 33 - n_notes


def test_a_data_set_is_sorted(folder, tmp_path, capsys):
    words = [
        "dataset",
        "nsynth",
        str(folder),
        "--source",
        "acoustic",
        "--shard-mb",
        "1",
    ]
    target = tmp_path / "out"
    assert (
        main(
            [
                *words,
                "--sort",
                str(target),
                "--beam-arg=--direct_running_mode=in_memory",
            ]
        )
        == 0
    )
    assert f"{target}: 11 shards" in capsys.readouterr().out
    assert len(list(target.glob("*.tfrecord"))) == 11
    assert main(["dataset", "nsynth", str(target), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["notes"] == 11
    assert main([*words, "--sort", str(target)]) == 2
    assert "is there already and holds notes" in capsys.readouterr().err


def test_what_was_sorted_is_told_in_json(folder, tmp_path, capsys):
    target = tmp_path / "out"
    assert (
        main(
            [
                "dataset",
                "nsynth",
                str(folder),
                "--family",
                "flute",
                "--sort",
                str(target),
                "--json",
            ]
        )
        == 0
    )
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads((target / "index.json").read_text())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nsynth", "none"], "there is no none"),
        (["nsynth", "{}", "--family", "kazoo"], "its families are bass"),
        (["nsynth", "{}", "--pitch", "high"], "pitch=60-72, 60 or C4-C5"),
        (["nsynth", "{}", "--beam-arg=--x=1"], "--beam-arg is for --sort"),
        (["nsynth", "{}", "--sort", "gs://bucket/out"], "is in a bucket"),
        (["nsynth", "{}", "--sort", "none/out"], "there is no folder"),
        (["nsynth", "{}", "--shard-mb", "1"], "--shard-mb is for --sort"),
        (["nsynth", "{}", "--sort", "{}/o", "--beam-arg=--x=1"], "no option of Beam"),
        (["nsynth", "{}", "--sort", "{}/o", "--beam-arg=--runner=x"], "is none that"),
        (["notes", "{}", "--seconds", "1"], "--seconds is for -o"),
        (["notes", "{}", "--velocity", "75"], "--velocity is for -o"),
        (["notes", "none"], "there is no none"),
        (["notes", "{}"], "holds no recordings"),
    ],
)
def test_what_cannot_be_is_a_sentence(folder, capsys, words, says):
    assert main(["dataset", *(word.replace("{}", str(folder)) for word in words)]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1


def test_single_notes_are_only_told_without_a_target(singles, capsys):
    before = sorted(singles.parent.rglob("*"))
    assert main(["dataset", "notes", str(singles)]) == 0
    text = capsys.readouterr().out
    assert "D5.wav: called D5, but C5 is heard, 1" in text
    assert "2 of 3 notes, 69-72 (A4 to C5); left out: 1 wrong" in text
    assert sorted(singles.parent.rglob("*")) == before


def test_single_notes_become_a_data_set(singles, tmp_path, capsys):
    target = tmp_path / "out"
    words = ["dataset", "notes", str(singles), "-o", str(target), "--wrong", "rename"]
    assert main([*words, "--rate", "22050", "--velocity", "90", "--number", "4"]) == 0
    assert "3 notes of flute_acoustic in 1 shard" in capsys.readouterr().out
    assert main(["dataset", "nsynth", str(target), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["sample_rates"] == {"22050": 3}
    assert told["velocities"] == {"90": 3}
    assert told["kinds"][0]["family"] == "flute"


def test_notes_are_told_in_json(singles, capsys):
    assert main(["dataset", "notes", str(singles), "--json", "--wrong", "keep"]) == 0
    told = {one["file"]: one for one in json.loads(capsys.readouterr().out)}
    assert told["D5.wav"]["outcome"] == "taken"
    assert told["D5.wav"]["cents"] == pytest.approx(-200, abs=20)


def test_a_family_that_no_name_tells_is_asked_for(singles, tmp_path, capsys):
    singles = singles.rename(tmp_path / "mine")
    target = str(tmp_path / "out")
    assert main(["dataset", "notes", str(singles), "-o", target]) == 2
    assert "say --family with one of bass" in capsys.readouterr().err
    assert (
        main(
            [
                "dataset",
                "notes",
                str(singles),
                "-o",
                target,
                "--family",
                "reed",
                "--seconds",
                "0.5",
            ]
        )
        == 0
    )
    assert "2 notes of reed_acoustic" in capsys.readouterr().out
