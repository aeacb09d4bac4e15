"""Pruning: what goes, what stays, and what is still known afterwards."""

import os
import shutil

import pytest
from ml_metadata.proto import metadata_store_pb2 as mlmd

from amadeus import lineage
from amadeus.cli.main import main
from amadeus.errors import ConfigError, HomeError, NotHeldError
from amadeus.lineage.prune import Rule, plan, prune
from amadeus.personality import content, generations
from tests.lineage.scribe import Tale


@pytest.fixture
def deu(home):
    return home.create_deu("cello")


@pytest.fixture
def tale(home, deu):
    """1 - 2 - 3, and 4 from 1, which plays."""
    tale = Tale(home, deu)
    for generation, parent in ((1, None), (2, 1), (3, 2), (4, 1)):
        tale.tell(generation, parent)
    deu.point_to(4)
    return tale


def files(home):
    return sorted(str(p) for p in home.path.rglob("*"))


def test_without_a_rule_only_what_led_nowhere_goes(home, deu, tale):
    lost = deu.pipeline_path / "Trainer" / "model" / "77"
    lost.mkdir()
    (lost / "weights").write_bytes(bytes(2000))
    checkpoint = deu.pipeline_path / "checkpoints" / "abc"
    checkpoint.mkdir(parents=True)
    made = prune(home, deu, Rule())
    assert [item.path for item in made.goes] == [lost, checkpoint]
    assert made.n_bytes == 2000
    assert not lost.exists()
    assert deu.generations() == [1, 2, 3, 4]
    assert (deu.pipeline_path / "Trainer" / "model" / "3").exists()


def test_a_dry_run_says_the_same_and_changes_nothing(home, deu, tale, capsys):
    before = files(home)
    assert main(["deu", "prune", "cello", "--branches", "--dry-run"]) == 0
    dry = capsys.readouterr().out
    assert files(home) == before
    assert main(["deu", "prune", "cello", "--branches"]) == 0
    done = capsys.readouterr().out
    assert dry.replace("would free", "freed") == done
    assert "plays now" in done
    assert "generation 4, which plays, grew from it" in done
    assert "generation 4, which plays, did not grow from it" in done


@pytest.mark.parametrize(
    ("rule", "stay"),
    [
        (Rule(branches=True), [1, 4]),
        (Rule(keep=1), [4]),
        (Rule(keep=2), [3, 4]),
        (Rule(keep=2, branches=True), [1, 3, 4]),
        (Rule(), [1, 2, 3, 4]),
    ],
)
def test_rules(home, deu, tale, rule, stay):
    prune(home, deu, rule)
    assert deu.generations() == stay
    models = {int(p.name) for p in (deu.pipeline_path / "Trainer/model").iterdir()}
    assert models == set(stay), "what they were made of stays with them"
    assert plan(home, deu, rule).goes == [], "once is enough"


def test_the_one_that_plays_stays_however_old(home, deu, tale):
    deu.point_to(1)
    prune(home, deu, Rule(keep=1))
    assert deu.generations() == [1, 4]
    assert deu.current_generation() == 1


def test_what_is_pruned_is_still_known(home, deu, tale, capsys):
    prune(home, deu, Rule(branches=True))
    records = lineage.generations_of(home, deu)
    assert [r.parent_generation for r in records] == [None, 1, 2, 1]
    assert main(["lineage", "cello"]) == 0
    text = capsys.readouterr().out
    assert text.count("(files gone)") == 2
    assert main(["lineage", "show", "cello@3"]) == 0
    assert "it was pruned, and cannot be played" in capsys.readouterr().out
    assert main(["lineage", "diff", "cello@3", "cello@4"]) == 0
    states = {
        a.custom_properties["generation"].int_value: a.state
        for a in tale.store.get_artifacts_by_type("amadeus.Personality")
    }
    live, deleted = mlmd.Artifact.LIVE, mlmd.Artifact.DELETED
    assert states == {1: live, 2: deleted, 3: deleted, 4: live}


def test_a_pruned_generation_cannot_be_checked_out_and_says_why(
    home, deu, tale, capsys
):
    prune(home, deu, Rule(branches=True))
    assert main(["deu", "checkout", "cello@3"]) == 2
    said = capsys.readouterr().err
    assert (
        "generation 3 of 'cello' was pruned: its lineage is kept, its files are gone; there are 1, 4."
        in said
    )
    assert deu.current_generation() == 4
    with pytest.raises(NotHeldError, match="was pruned"):
        deu.voice_path(2)


def test_the_number_of_a_pruned_generation_is_not_given_again(home, deu, tale):
    deu.point_to(1)
    prune(home, deu, Rule(branches=True))
    assert deu.generations() == [1]
    who = content.read_personality(deu.voice_path(1))
    with generations.staged(deu.voices_path) as staging:
        shutil.copytree(deu.voice_path(1), staging / "voice")
        placed = generations.place(staging / "voice", deu.voices_path, who)
    assert placed.personality.generation == 5


def test_files_shared_with_another_generation_free_nothing(home, deu, tale):
    shared = deu.voices_path / "4" / "weights"
    shared.unlink()
    os.link(deu.voices_path / "3" / "weights", shared)
    made = plan(home, deu, Rule(branches=True))
    third = next(item for item in made.goes if item.name == "generation 3")
    assert third.n_bytes < 1000
    prune(home, deu, Rule(branches=True))
    assert len(shared.read_bytes()) == 1000


def test_nothing_is_pruned_under_a_practice(home, deu, tale):
    with deu.locked(), pytest.raises(HomeError, match="another practice"):
        prune(home, deu, Rule(keep=1))
    assert deu.generations() == [1, 2, 3, 4]


def test_a_practice_that_can_be_taken_up_keeps_its_checkpoint(home, deu, tale):
    checkpoints = deu.pipeline_path / "checkpoints"
    for age, name in ((2, "old"), (1, "new")):
        (checkpoints / name).mkdir(parents=True)
        os.utime(checkpoints / name, (1e9 - age, 1e9 - age))
    practice = deu.practices_path / "20260101-000000-abcd"
    practice.mkdir(parents=True)
    (practice / "request.json").write_text("{}")
    prune(home, deu, Rule())
    assert [p.name for p in checkpoints.iterdir()] == ["new"]


def test_a_prune_that_was_killed_is_finished_by_the_next(home, deu, tale):
    (deu.pruned_path).mkdir()
    shutil.copy(
        deu.voice_path(3) / "assets.extra" / "personality.json",
        deu.pruned_path / "3.json",
    )
    assert deu.pruned_generations() == [], "its files are there still: nothing happened"
    deu.voice_path(3).rename(deu.voices_path / ".staging-pruned-3")
    assert deu.pruned_generations() == [3]
    prune(home, deu, Rule())
    assert not (deu.voices_path / ".staging-pruned-3").exists()
    (gone,) = [
        a
        for a in tale.store.get_artifacts_by_type("amadeus.Personality")
        if a.state == mlmd.Artifact.DELETED
    ]
    assert gone.custom_properties["generation"].int_value == 3


def test_a_rule_that_keeps_nothing_is_refused():
    with pytest.raises(ConfigError, match="from 1"):
        Rule(keep=0)
