"""The tree of generations, what is told of one and of two, and going back."""

import json
import subprocess
import sys

import pytest

from amadeus import lineage
from amadeus.cli.main import main
from amadeus.errors import ConfigError, NotHeldError
from amadeus.lineage import tree
from amadeus.lineage.naming import find_named
from tests.lineage.scribe import Tale


@pytest.fixture
def deu(home):
    return home.create_deu("cello")


@pytest.fixture
def tale(home, deu):
    """1 - 2 - 3, a branch 4 - 5 from 1, and 6 from nothing."""
    tale = Tale(home, deu)
    tale.tell(1, takes=[("a.wav", "aa"), ("b.wav", "bb")])
    tale.tell(
        2, 1, takes=[("a.wav", "aa"), ("c.wav", "cc")], player={"brightness": 0.5}
    )
    tale.tell(3, 2)
    tale.tell(4, 1, kind="amadeus.Tuning")
    tale.tell(5, 4, kind="amadeus.Feedback")
    tale.tell(6)
    deu.point_to(5)
    return tale


def test_the_tree_is_drawn_with_its_branches(home, deu, tale):
    text = tree.render_tree(tree.standing_of(deu), lineage.generations_of(home, deu))
    lines = [line.split("  ")[0].rstrip() for line in text.splitlines()]
    assert lines == [
        "cello: 6 generations",
        "○ 1",
        "├─○ 2",
        "│ ○ 3",
        "○ 4",
        "● 5",
        "○ 6",
    ]
    assert [w in text for w in ("tuned", "after feedback", "(plays now)")] == [True] * 3


def test_what_made_a_generation_is_told(home, deu, tale):
    kinds = [record.kind for record in lineage.generations_of(home, deu)]
    assert kinds == [*["imitation"] * 3, "tuning", "feedback", "imitation"]
    assert lineage.record_of(home, deu, 4).kind == "tuning"


@pytest.mark.parametrize(
    ("generation", "chain"), [(5, [5, 4, 1]), (3, [3, 2, 1]), (1, [1]), (6, [6])]
)
def test_the_way_back_of_one(home, deu, tale, generation, chain):
    records = lineage.ancestry_of(home, deu, generation)
    assert [record.generation for record in records] == chain
    every = lineage.generations_of(home, deu)
    by_number = {record.generation: record for record in every}
    assert records == [by_number[n] for n in chain], "told alike, however it was found"
    assert tree.ancestors_of(every, generation) == chain


def test_a_home_that_was_moved_keeps_its_lineage(home, deu, tale, tmp_path):
    from amadeus.home import Home

    moved = Home(home.path.rename(tmp_path / "moved"))
    records = lineage.ancestry_of(moved, moved.deu("cello"), 5)
    assert [record.generation for record in records] == [5, 4, 1]


def test_a_thousand_generations_in_a_line_are_drawn(home, deu):
    from amadeus.lineage.records import GenerationRecord

    records = [
        GenerationRecord(
            generation=n, digest="", parent_digest="", created_ms=0, practice="",
            parent_generation=n - 1 or None, voice_path=deu.voices_path,
        )
        for n in range(1, 5001)
    ]  # fmt: skip
    assert len(tree.render_tree(tree.standing_of(deu), records).splitlines()) == 5001
    assert len(tree.ancestors_of(records, 5000)) == 5000


def test_a_parent_of_another_time_makes_no_circle(deu):
    from amadeus.lineage.records import GenerationRecord

    records = [
        GenerationRecord(
            generation=n, digest="", parent_digest="", created_ms=0, practice="",
            parent_generation=3 - n, voice_path=deu.voices_path,
        )
        for n in (1, 2)
    ]  # fmt: skip
    assert [row.record.generation for row in tree.lay_out(records)] == [1, 2]
    assert tree.ancestors_of(records, 2) == [2, 1]


def test_json_and_dot(home, deu, tale, capsys):
    assert main(["lineage", "cello", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["deu"], document["current"]) == ("cello", 5)
    assert [g["parent_generation"] for g in document["generations"]] == [
        None, 1, 2, 1, 4, None,
    ]  # fmt: skip
    assert document["generations"][4]["plays"]
    recordings = [g["recordings"] for g in document["generations"]]
    assert [[take["name"] for take in takes] for takes in recordings] == [
        ["a.wav", "b.wav"], ["a.wav", "c.wav"], [], [], [], [],
    ]  # fmt: skip
    assert recordings[0][0] == {
        "name": "a.wav", "digest": "aa", "splits": ["train"], "duration_s": 61.0
    }  # fmt: skip
    told = lineage.with_takes(home, lineage.generations_of(home, deu))
    assert [r.takes for r in told] == [r.takes for r in lineage.lineage_of(home, deu)]
    assert main(["lineage", "--format=dot", "cello"]) == 0
    dot = capsys.readouterr().out
    assert "g1 -> g2;" in dot
    assert "g4 -> g5;" in dot
    assert dot.count("->") == 4


def test_show_tells_all_of_one(home, tale, capsys):
    assert main(["lineage", "show", "cello@2"]) == 0
    text = capsys.readouterr().out
    for words in (
        "generation 2",
        "a.wav",
        "c.wav",
        "grew from     1",
        "brightness=0.5",
        "a.wav  1:01 min",
    ):
        assert words in text
    assert "b.wav" not in text


def test_diff_tells_what_differs_and_nothing_else(home, tale, capsys):
    assert main(["lineage", "diff", "cello@1", "cello@2"]) == 0
    text = capsys.readouterr().out
    assert "brightness  0 -> 0.5" in text
    assert "spectral loss  9.00 -> 8.00" in text
    assert "b.wav  heard -> not heard" in text
    assert "c.wav  not heard -> heard" in text
    assert "a.wav" not in text
    assert main(["lineage", "diff", "cello@2", "cello@2"]) == 0
    assert "equal digests" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["lineage", "viola"], "no deu 'viola'"),
        (["lineage", "show", "cello"], "write a deu and a number"),
        (["lineage", "show", "cello@"], "no number of a generation"),
        (["lineage", "show", "cello@x"], "no number of a generation"),
        (["lineage", "show", "cello@-1"], "no number of a generation"),
        (["lineage", "show", "cello@0"], "count from 1"),
        (["lineage", "show", "cello@99"], "no generation 99: there are 1, 2, 3"),
        (["lineage", "show", "viola@1"], "no deu 'viola'"),
        (["lineage", "diff", "cello@1", "cello@99"], "no generation 99"),
        (["lineage", "cello", "--format", "pdf"], "none of tree, json, dot, html"),
        (["deu", "checkout", "cello@99"], "no generation 99"),
        (["deu", "checkout", "cello"], "write a deu and a number"),
        (["deu", "checkout", "../x@1"], "cannot name a deu"),
        (["deu", "prune", "cello", "--keep", "0"], "keeps nothing"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence_and_nothing_changes(
    home, deu, tale, argv, words, capsys
):
    assert main(argv) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
    assert (deu.current_generation(), deu.generations()) == (5, [1, 2, 3, 4, 5, 6])


def test_a_checkout_moves_the_pointer_and_nothing_else(home, deu, tale, capsys):
    before = sorted(p for p in home.path.rglob("*") if p.name != "metadata.sqlite")
    assert main(["deu", "checkout", "cello@2"]) == 0
    assert "plays generation 2 now" in capsys.readouterr().out
    assert deu.current_generation() == 2
    assert (
        sorted(p for p in home.path.rglob("*") if p.name != "metadata.sqlite") == before
    )
    assert main(["deu", "checkout", "cello@2"]) == 0
    assert "already" in capsys.readouterr().out


def test_numbers_are_digits_only(home, deu):
    for text in (
        "cello@1\n",
        "cello@ 1",
        "cello@\uff11",
        "cello@1e3",
        "cello@" + "9" * 40,
    ):
        with pytest.raises(ConfigError):
            find_named(home, text)
    with pytest.raises(NotHeldError):
        deu.point_to(7)


def test_anyone_can_read_it_with_nothing_but_ml_metadata(home, deu, tale):
    """What the docstring of `amadeus.lineage` promises, by a program that does not know Amadeus."""
    program = """
import sys
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd
config = mlmd.ConnectionConfig()
config.sqlite.filename_uri = sys.argv[1]
store = MetadataStore(config)
voices = store.get_artifacts_by_type("amadeus.Personality")
names = {v.id: v.custom_properties["generation"].int_value for v in voices}
events = store.get_events_by_artifact_ids(list(names))
makers = {e.artifact_id: e.execution_id for e in reversed(events) if e.type == mlmd.Event.OUTPUT}
inputs = {e.execution_id: e.artifact_id for e in events if e.type == mlmd.Event.INPUT}
for voice in voices:
    parent = inputs.get(makers[voice.id])
    print(names[voice.id], names.get(parent))
assert not {"amadeus", "tensorflow", "tfx"} & sys.modules.keys()
"""
    command = [sys.executable, "-c", program, str(home.metadata_path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout.split("\n")[:-1] == [
        "1 None", "2 1", "3 2", "4 1", "5 4", "6 None",
    ]  # fmt: skip


def test_reading_imports_neither_tfx_nor_tensorflow(home, tale):
    program = """
import sys
from amadeus.cli.main import main
for argv in (["lineage", "cello"], ["lineage", "show", "cello@2"], ["lineage", "diff", "cello@1", "cello@2"],
             ["deu", "checkout", "cello@1"], ["deu", "prune", "cello", "--dry-run"]):
    assert main(argv) == 0
assert not {"tensorflow", "tfx", "apache_beam"} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
