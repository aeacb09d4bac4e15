"""What is kept of a long lineage beside the deu is never believed more than the metadata."""

import json
import shutil

import pytest

from amadeus import lineage
from amadeus.errors import NotHeldError
from amadeus.lineage import index, read
from benchmarks.lineage import fill
from tests.lineage.scribe import Tale

N = 300


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    path = tmp_path_factory.mktemp("many") / "home"
    fill(path, N, branching=0.0)
    return path


@pytest.fixture
def many(filled, home):
    shutil.copytree(filled, home.path)
    return home


def test_a_long_way_back_is_read_whole_and_alike_the_second_time(many):
    deu = many.deu("cello")
    first = lineage.ancestry_of(many, deu, N)
    assert [record.generation for record in first] == list(range(N, 0, -1))
    assert (deu.path / index.INDEX_NAME).is_file(), "kept for the next time"
    assert lineage.ancestry_of(many, deu, N) == first
    every = lineage.generations_of(many, deu)
    assert every == first[::-1]
    with pytest.raises(NotHeldError, match=f"no generation {N + 1}"):
        lineage.ancestry_of(many, deu, N + 1)


def test_what_is_recorded_later_is_there_and_knows_its_parent(many):
    deu = many.deu("cello")
    lineage.generations_of(many, deu)
    tale = Tale(many, deu)
    tale.digests[N] = f"sha256:{N:064x}"
    tale.ids[N] = lineage.record_of(many, deu, N).artifact_id
    tale.tell(N + 1, N)
    tale.tell(N + 2, N + 1)
    chain = lineage.ancestry_of(many, deu, N + 2)
    assert [r.generation for r in chain[:3]] == [N + 2, N + 1, N]
    assert len(chain) == N + 2
    by_hand = read.ancestry_of(many, deu, N + 2, depth=3)
    assert chain[:3] == by_hand, "told alike, however it was found"
    assert len(lineage.generations_of(many, deu)) == N + 2


def test_much_that_is_new_is_kept_too(many, monkeypatch):
    monkeypatch.setattr(read, "_NEWEST", 2)
    deu = many.deu("cello")
    lineage.generations_of(many, deu)
    before = (deu.path / index.INDEX_NAME).read_text()
    tale = Tale(many, deu)
    for generation in range(N + 1, N + 6):
        tale.tell(generation)
    assert len(lineage.generations_of(many, deu)) == N + 5
    kept = json.loads((deu.path / index.INDEX_NAME).read_text())
    assert len(kept["rows"]) == N + 5
    assert kept != json.loads(before)


@pytest.mark.parametrize("damage", ["text", "other store", "other rows", "empty"])
def test_what_does_not_fit_the_metadata_is_not_believed(many, damage):
    deu = many.deu("cello")
    told = lineage.generations_of(many, deu)
    path = deu.path / index.INDEX_NAME
    kept = json.loads(path.read_text())
    if damage == "other store":
        kept["head"][1] = "elsewhere"
    elif damage == "other rows":  # as after the metadata were put back from a copy
        kept["rows"][-1][2] = "sha256:x"
    elif damage == "empty":
        kept["rows"] = []
    path.write_text("no JSON" if damage == "text" else json.dumps(kept))
    assert lineage.generations_of(many, deu) == told
    assert json.loads(path.read_text())["rows"][-1][2] == told[-1].digest


def test_a_short_lineage_and_a_folder_that_takes_nothing_keep_nothing(
    many, monkeypatch
):
    deu = many.deu("cello")
    monkeypatch.setattr(index, "MIN_ROWS", N + 1)
    lineage.generations_of(many, deu)
    assert not (deu.path / index.INDEX_NAME).exists()
    monkeypatch.setattr(index, "MIN_ROWS", 1)

    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(index, "write_atomically", refuse)
    assert len(lineage.generations_of(many, deu)) == N
