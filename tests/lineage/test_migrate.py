"""Lineage moved from store to store: the same answers, done once however often it is begun."""

import itertools

import ml_metadata
import pytest
from ml_metadata.proto import metadata_store_pb2 as mlmd

from amadeus import lineage
from amadeus.cli.main import main
from amadeus.errors import ConfigError, HomeError
from amadeus.lineage.addresses import sqlite_url
from amadeus.lineage.migrate import migrate, plan_move
from amadeus.lineage.store import Mode, open_store
from tests.lineage import mariadb
from tests.lineage.scribe import Tale
from tests.serving.metadata_server.process import metadata_server

_numbers = itertools.count()


@pytest.fixture
def deu(home):
    """1 - 2 - 3, and 4 from 1, with all that upstream can tie together."""
    tale = Tale(home, home.create_deu("cello"))
    for generation, parent in ((1, None), (2, 1), (3, 2), (4, 1)):
        tale.tell(generation, parent, takes=[("a.wav", "a" * 64)])
    store = tale.store
    lineage.attribute(home, tale.deu)
    kind = store.put_context_type(
        mlmd.ContextType(
            name="Typed", description="said", properties={"n": mlmd.INT, "x": mlmd.DOUBLE}
        )
    )  # fmt: skip
    parent, child = store.put_contexts(
        [mlmd.Context(type_id=kind, name=name) for name in ("outer", "inner")]
    )
    store.put_parent_contexts([mlmd.ParentContext(parent_id=parent, child_id=child)])
    typed = mlmd.Context(id=child, type_id=kind, name="inner")
    typed.properties["n"].int_value = 3
    typed.custom_properties["s"].string_value = "später"
    store.put_contexts([typed])
    run = store.get_executions()[0]
    store.put_attributions_and_associations(
        [], [mlmd.Association(execution_id=run.id, context_id=child)]
    )
    return tale.deu


def _told(deu, capsys, monkeypatch, url=None):
    """What `amadeus lineage` says, as JSON and in words."""
    if url is None:
        monkeypatch.delenv("AMADEUS_METADATA", raising=False)
    else:
        monkeypatch.setenv("AMADEUS_METADATA", url)
    for argv in (["cello", "--format", "json"], ["show", "cello@3"]):
        assert main(["lineage", *argv]) == 0
    told = capsys.readouterr().out
    assert "sha256:" in told
    return told


def _drawn(store):
    """All of a store without its numbers: nodes by content, and who is tied to whom."""

    def name(node):
        copy = type(node)()
        copy.CopyFrom(node)
        for field in ("id", "type_id", "external_id", "create_time_since_epoch",
                      "last_update_time_since_epoch"):  # fmt: skip
            copy.ClearField(field)
        for moved in ("moved_created_ms", "moved_updated_ms"):
            copy.custom_properties.pop(moved, None)
        return str(copy)

    artifacts = {a.id: a for a in store.get_artifacts()}
    executions = {e.id: e for e in store.get_executions()}
    ties = []
    for event in store.get_events_by_execution_ids(list(executions)):
        a, e = artifacts[event.artifact_id], executions[event.execution_id]
        event.ClearField("artifact_id")
        event.ClearField("execution_id")
        ties.append((name(a), name(e), str(event)))
    for context in store.get_contexts():
        parents = store.get_parent_contexts_by_context(context.id)
        inside = [
            *store.get_artifacts_by_context(context.id),
            *store.get_executions_by_context(context.id),
        ]
        ties += [(name(context), name(one), "in") for one in (*parents, *inside)]
    types = [
        (one.name, one.description, sorted(one.properties.items()))
        for kind in ("artifact", "execution", "context")
        for one in getattr(store, f"get_{kind}_types")()
    ]
    nodes = [*artifacts.values(), *executions.values(), *store.get_contexts()]
    return sorted(map(name, nodes)), sorted(ties), sorted(types)


def test_a_file_is_moved_to_a_file_and_back_is_the_same(
    home, deu, tmp_path, monkeypatch, capsys
):
    told = _told(deu, capsys, monkeypatch)
    there, back = (sqlite_url(tmp_path / name) for name in ("b.sqlite", "c.sqlite"))
    assert main(["lineage", "migrate", "--to", there]) == 0
    said = capsys.readouterr().out
    assert "moved 12 artifacts" in said
    assert f"AMADEUS_METADATA={there}" in said
    assert _told(deu, capsys, monkeypatch, there) == told
    migrate(home, back)
    assert _told(deu, capsys, monkeypatch, back) == told
    first = _drawn(open_store(sqlite_url(home.metadata_path), mode=Mode.READONLY))
    assert _drawn(open_store(back, mode=Mode.READONLY)) == first


def test_a_dry_run_writes_nothing(home, deu, tmp_path, capsys):
    url = sqlite_url(tmp_path / "b.sqlite")
    assert main(["lineage", "migrate", "--to", url, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "would move 12 artifacts" in said
    assert "AMADEUS_METADATA" not in said
    assert not (tmp_path / "b.sqlite").exists()


def test_once_more_moves_only_what_is_new(home, deu, tmp_path):
    url = sqlite_url(tmp_path / "b.sqlite")
    migrate(home, url)
    drawn = _drawn(open_store(url, mode=Mode.READONLY))
    again = migrate(home, url)
    assert all(count.n_all == count.n_there for count in again.counts.values())
    assert _drawn(open_store(url, mode=Mode.READONLY)) == drawn
    Tale(home, deu).tell(5)
    assert migrate(home, url).counts["artifact"].n_there == 12
    assert len(open_store(url, mode=Mode.READONLY).get_artifacts()) == 15


@pytest.mark.parametrize(
    "broken",
    ["put_execution_type", "put_artifacts", "put_executions", "put_events",
     "put_attributions_and_associations", "put_parent_contexts"],
)  # fmt: skip
def test_a_move_that_broke_off_goes_on(home, deu, tmp_path, monkeypatch, broken):
    url = sqlite_url(tmp_path / "b.sqlite")

    def breaks(*_args, **_kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ml_metadata.MetadataStore, broken, breaks)
        patch.setattr("amadeus.lineage.moving._BATCH", 2)
        with pytest.raises(KeyboardInterrupt):
            migrate(home, url)
    migrate(home, url)
    there, here = (open_store(place, mode=Mode.READONLY) for place in (url, home))
    assert _drawn(there) == _drawn(here)


def test_a_target_with_other_things_is_refused_unless_both_fit_together(
    home, deu, tmp_path, monkeypatch
):
    url = sqlite_url(tmp_path / "b.sqlite")
    other = type(home)(tmp_path / "other")
    with monkeypatch.context() as patch:
        patch.setenv("AMADEUS_METADATA", url)
        Tale(other, other.create_deu("flute")).tell(1)
    with pytest.raises(HomeError, match="holds 3 artifacts and 3 executions of others"):
        plan_move(home, url)
    migrate(home, url, may_merge=True)
    migrate(home, url, may_merge=True)
    monkeypatch.setenv("AMADEUS_METADATA", url)
    assert len(lineage.generations_of(home, deu)) == 4
    assert len(lineage.generations_of(other, other.deu("flute"))) == 1


def test_two_that_use_one_name_are_not_put_together(home, deu, tmp_path, monkeypatch):
    url = sqlite_url(tmp_path / "b.sqlite")
    other = type(home)(tmp_path / "other")
    with monkeypatch.context() as patch:
        patch.setenv("AMADEUS_METADATA", url)
        namesake = other.create_deu("cello")
        Tale(other, namesake).tell(1)
        lineage.attribute(other, namesake)
    with pytest.raises(HomeError, match=r"amadeus\.Deu 'cello', which are here too"):
        migrate(home, url, may_merge=True)


def test_nothing_moves_while_a_deu_practises_nor_to_where_it_is(home, deu):
    with deu.locked(), pytest.raises(HomeError, match="in another practice"):
        migrate(home, sqlite_url(home.path / "b.sqlite"))
    with pytest.raises(ConfigError, match="is where the lineage is already"):
        migrate(home, sqlite_url(home.metadata_path))


def test_a_home_without_lineage_has_nothing_to_move(home, tmp_path):
    home.path.mkdir(parents=True)
    with pytest.raises(HomeError, match="is not there, so nothing can be moved"):
        migrate(home, sqlite_url(tmp_path / "b.sqlite"))


@pytest.mark.cluster
def test_file_mysql_server_file(home, deu, tmp_path, monkeypatch, capsys):
    if mariadb.missing():
        pytest.skip(f"MariaDB is not here: {mariadb.missing()}")
    told = _told(deu, capsys, monkeypatch)
    drawn = _drawn(open_store(home, mode=Mode.READONLY))
    monkeypatch.setenv("AMADEUS_METADATA_PASSWORD", mariadb.PASSWORD)
    (tmp_path / "mariadb").mkdir()
    with (
        mariadb.running(tmp_path / "mariadb") as port,
        metadata_server(sqlite_url(tmp_path / "b.sqlite")) as (served, _process),
    ):
        mysql = f"mysql://{mariadb.USER}@127.0.0.1:{port}/amadeus"
        last = sqlite_url(tmp_path / "c.sqlite")
        assert plan_move(home, mysql).counts["artifact"].n_there == 0
        for url in (mysql, served, last):
            assert main(["lineage", "migrate", "--to", url]) == 0
            capsys.readouterr()
            assert _told(deu, capsys, monkeypatch, url) == told
            assert _drawn(open_store(url, mode=Mode.READONLY)) == drawn
