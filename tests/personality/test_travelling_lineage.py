"""Lineage survives export and import: whole chains travel, strangers' words are checked, and bundles stay the same."""

import json
import math

import pytest

from amadeus import lineage
from amadeus.errors import BundleError
from amadeus.home import Home
from amadeus.lineage.travel import pedigree_of
from amadeus.personality import content, pedigree
from amadeus.personality.bundle import write_bundle
from amadeus.personality.holding import hold
from amadeus.personality.pedigree import Entry, Take, read_pedigree, write_pedigree
from tests.lineage import mariadb
from tests.lineage.scribe import Tale

TAKES = [("élégie № 1.wav", "a" * 64), ("b.wav", "b" * 64)]


@pytest.fixture
def abroad(tmp_path, voice_path):
    """A home in which cello 3, a real voice, grew from 2, and 2 from 1."""
    home = Home(tmp_path / "abroad")
    deu = home.create_deu("cello")
    tale = Tale(home, deu)
    tale.tell(1, takes=TAKES[:1])
    tale.tell(2, 1, takes=TAKES)
    tale.tell(3, 2, kind="amadeus.Tuning", voice=voice_path)
    return home


def pack(home, generation, path):
    voice = home.deu("cello").voice_path(generation)
    write_bundle(voice, path, lineage=pedigree_of(voice))
    return path


def test_lineage_survives_export_and_import(abroad, home, tmp_path):
    bundle = pack(abroad, 3, tmp_path / "cello.deu")
    held = hold(home, bundle)
    there = lineage.ancestry_of(abroad, abroad.deu("cello"), 3)
    here = lineage.ancestry_of(home, home.deu("cello"), held.personality.generation)
    assert [r.digest for r in here] == [r.digest for r in there]
    assert [r.parent_digest for r in here] == [r.parent_digest for r in there]
    assert [r.practice for r in here] == [r.practice for r in there]
    assert [r.born_generation for r in here] == [3, 2, 1]
    assert [r.born_ms for r in here] == [r.created_ms for r in there]
    assert [r.born_kind for r in here] == ["tuning", "imitation", "imitation"]
    assert [r.metrics for r in here[1:]] == [r.metrics for r in there[1:]]
    assert all(record.is_imported for record in here)
    takes = [lineage.detailed(home, record).takes for record in here[1:]]
    assert [[(t.name, t.digest) for t in row] for row in takes] == [TAKES, TAKES[:1]]


def test_lineage_arrives_on_mysql_too(abroad, home, tmp_path, monkeypatch):
    """Moments have more digits than its whole numbers."""
    if mariadb.missing():
        pytest.skip(f"MariaDB is not here: {mariadb.missing()}")
    bundle = pack(abroad, 3, tmp_path / "cello.deu")
    (tmp_path / "mariadb").mkdir()
    monkeypatch.setenv("AMADEUS_METADATA_PASSWORD", mariadb.PASSWORD)
    with mariadb.running(tmp_path / "mariadb") as port:
        url = f"mysql://{mariadb.USER}@127.0.0.1:{port}/amadeus"
        monkeypatch.setenv("AMADEUS_METADATA", url)
        hold(home, bundle)
        here = lineage.ancestry_of(home, home.deu("cello"), 1)
    monkeypatch.delenv("AMADEUS_METADATA")
    there = lineage.ancestry_of(abroad, abroad.deu("cello"), 3)
    assert [r.born_ms for r in here] == [r.created_ms for r in there]


def test_ancestors_elsewhere_are_no_generations_here(abroad, home, tmp_path):
    hold(home, pack(abroad, 3, tmp_path / "cello.deu"))
    (record,) = lineage.generations_of(home, home.deu("cello"))
    assert (record.generation, record.n_elsewhere) == (1, 2)
    assert record.parent_generation is None
    assert home.deu("cello").generations() == [1]


def test_what_came_is_handed_on_byte_by_byte(abroad, home, tmp_path):
    first = pack(abroad, 3, tmp_path / "first.deu")
    hold(home, first)
    second = pack(home, 1, tmp_path / "second.deu")
    assert first.read_bytes() == second.read_bytes()
    assert pack(abroad, 3, tmp_path / "third.deu").read_bytes() == first.read_bytes()


def test_the_digest_does_not_depend_on_it(abroad, home, tmp_path):
    voice = abroad.deu("cello").voice_path(3)
    write_bundle(voice, tmp_path / "without.deu")
    with_it = hold(home, pack(abroad, 3, tmp_path / "with.deu"))
    other = Home(tmp_path / "other")
    without = hold(other, tmp_path / "without.deu")
    assert with_it.personality.digest == without.personality.digest
    again = hold(home, tmp_path / "without.deu")
    assert again.already_held
    (record,) = lineage.generations_of(other, other.deu("cello"))
    assert record.n_elsewhere == 0


def test_what_came_without_a_lineage_goes_without(home, bundle_bytes, tmp_path):
    (tmp_path / "in.deu").write_bytes(bundle_bytes)
    held = hold(home, tmp_path / "in.deu")
    assert pedigree_of(held.path) is None
    write_bundle(held.path, tmp_path / "out.deu", lineage=pedigree_of(held.path))
    assert (tmp_path / "out.deu").read_bytes() == bundle_bytes


def test_an_ancestor_that_is_held_here_is_the_parent(
    abroad, home, tmp_path, voice_path
):
    deu = home.create_deu("cello")
    tale = Tale(home, deu)
    tale.tell(1)
    tale.tell(2, 1)  # the same digest as abroad
    hold(home, pack(abroad, 3, tmp_path / "cello.deu"))
    chain = lineage.ancestry_of(home, deu, 3)
    assert [r.generation for r in chain] == [3, 2, 1]
    assert [r.is_imported for r in chain] == [True, False, False]


def test_what_grows_from_an_import_takes_the_whole_chain_along(
    abroad, home, tmp_path, voice_path
):
    hold(home, pack(abroad, 3, tmp_path / "cello.deu"))
    tale = Tale(home, home.deu("cello"))
    (imported,) = [
        a
        for a in tale.store.get_artifacts_by_type("amadeus.Personality")
        if a.custom_properties["generation"].int_value == 1
    ]
    tale.ids[1] = imported.id
    tale.digests[1] = imported.custom_properties["digest"].string_value
    tale.tell(2, 1, voice=voice_path)
    told = read_pedigree(pedigree_of(home.deu("cello").voice_path(2)))
    assert [entry.generation for entry in told.entries] == [2, 3, 2, 1]


def test_importing_twice_at_once_records_once(abroad, home, tmp_path):
    from amadeus.lineage.write import record_import
    from amadeus.personality.generations import mlmd_uuid

    held = hold(home, pack(abroad, 3, tmp_path / "cello.deu"))
    deu = home.deu("cello")
    uuid = mlmd_uuid(held.personality)
    record_import(home, deu, held.personality, held.path, uuid)
    tale = Tale(home, deu)
    assert len(tale.store.get_artifacts_by_type("amadeus.Personality")) == 3


def entry(generation, parent, **fields):
    whole = {
        "deu": "cello", "generation": generation, "digest": f"sha256:{generation:064x}",
        "parent_digest": f"sha256:{parent:064x}" if parent else "", "kind": "imitation",
        "practice": "p", "created_ms": 1, "metrics": {"spectral_loss": 7.0},
        "takes": (Take("a.wav", "a" * 64, ("train",), 3.5),),
    }  # fmt: skip
    return Entry(**{**whole, **fields})


def test_a_pedigree_is_read_as_it_was_written():
    entries = (entry(2, 1), entry(1, 0))
    assert read_pedigree(write_pedigree(entries)) == (entries, 0)


def test_a_long_line_is_cut_and_says_so():
    entries = [entry(n, n - 1) for n in range(400, 0, -1)]
    told = read_pedigree(write_pedigree(entries))
    assert len(told.entries) == pedigree.MAX_ENTRIES
    assert told.n_older == 400 - pedigree.MAX_ENTRIES
    takes = tuple(Take("x" * 150, "a" * 64, ("train",)) for _ in range(1000))
    heavy = [e._replace(takes=takes) for e in entries[:100]]
    text = write_pedigree(heavy)
    assert len(text) <= pedigree.MAX_BYTES
    cut = read_pedigree(text)
    assert len(cut.entries) + cut.n_older == 100


def change(**fields):
    rows = json.loads(write_pedigree([entry(2, 1), entry(1, 0)]))
    rows["entries"][0].update(fields)
    return rows


@pytest.mark.parametrize(
    "document",
    [
        b"", b"{", b"[]", b"null", b"[" * 100_000, b"\xff\xfe", b"9" * 100_000,
        {**change(), "format": "x"}, {**change(), "version": 2}, {**change(), "more": 1},
        {**change(), "entries": []}, {**change(), "entries": [1]}, {**change(), "n_older": -1},
        {**change(), "entries": change()["entries"] * 200},
        change(deu="../evil"), change(deu=3), change(generation=-1), change(generation=2**40),
        change(generation=True), change(digest="sha256:xyz"), change(digest=None),
        change(parent_digest="sha256:" + "f" * 64), change(parent_digest=[]), change(parent_digest=0),
        change(kind="spell"), change(kind=[]), change(practice="a\nb"), change(practice={}),
        change(created_ms=1.5), change(created_ms=10**30), change(metrics=[]),
        change(metrics={"a b": 1}), change(metrics={"x": math.nan}), change(metrics={"x": math.inf}),
        change(metrics={"x": "1"}), change(metrics={f"m{i}": 1 for i in range(200)}),
        change(takes={}), change(takes=[1]), change(takes=[{"name": "a"}]),
        change(takes=[{"name": 1, "digest": "a" * 64, "splits": []}]),
        change(takes=[{"name": "a", "digest": "A" * 64, "splits": []}]),
        change(takes=[{"name": "a", "digest": "a" * 64, "splits": ["test"]}]),
        change(takes=[{"name": "a", "digest": "a" * 64, "splits": [["train"]]}]),
        change(takes=[{"name": "a", "digest": "a" * 64, "splits": [], "duration_s": -1}]),
        change(takes=[{"name": "a", "digest": "a" * 64, "splits": [], "x": 1}]),
        change(extra=1),
    ],
)  # fmt: skip
def test_a_pedigree_of_nonsense_is_refused_in_one_sentence(document):
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    with pytest.raises(
        BundleError, match=r"lineage\.json in the bundle is damaged"
    ) as raised:
        read_pedigree(text)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 400


def test_words_of_strangers_are_tamed():
    row = {"name": "\x1b[31mred\n", "digest": "a" * 64, "splits": ["train"]}
    told = read_pedigree(json.dumps(change(takes=[row])).encode())
    assert told.entries[0].takes[0].name == "?[31mred?"


def test_a_bundle_with_the_lineage_of_another_is_refused(voice_path, home, tmp_path):
    write_bundle(voice_path, tmp_path / "x.deu", lineage=write_pedigree([entry(2, 1)]))
    with pytest.raises(BundleError, match="another personality"):
        hold(home, tmp_path / "x.deu")
    own = content.read_personality(voice_path)
    lied = entry(2, 1, digest=own.digest)
    write_bundle(voice_path, tmp_path / "y.deu", lineage=write_pedigree([lied]))
    with pytest.raises(BundleError, match="another parent"):
        hold(home, tmp_path / "y.deu")
    assert home.deus() == []


def test_a_pedigree_that_is_too_large_is_refused():
    with pytest.raises(BundleError, match="at most"):
        read_pedigree(b" " * (pedigree.MAX_BYTES + 1))
