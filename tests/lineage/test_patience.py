"""A MySQL server that goes away: what was asked is asked again, written once, and given up in one sentence."""

import logging
import socket
import threading
import time

import pytest
from ml_metadata.errors import AlreadyExistsError
from ml_metadata.proto import metadata_store_pb2 as mlmd

from amadeus import lineage
from amadeus.cli.main import main
from amadeus.errors import ConfigError, HomeError
from amadeus.lineage import patience
from amadeus.lineage.knocking import KNOCK_TIMEOUT_S, SilentError, knock
from amadeus.lineage.patience import MetadataGoneError, PatientStore
from amadeus.lineage.store import Mode, open_store
from tests.cli.terminal import wait_for
from tests.lineage import mariadb
from tests.lineage.cutting import wire
from tests.lineage.scribe import Tale

pytestmark = pytest.mark.cluster

_Event = mlmd.Event


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    if mariadb.missing():
        pytest.skip(f"MariaDB is not here: {mariadb.missing()}")
    with mariadb.serving(tmp_path_factory.mktemp("mariadb")) as server:
        yield server


@pytest.fixture
def deu(home, server, monkeypatch):
    """A deu with a generation, recorded on a server."""
    if server.process is None:
        server.start()
        server.wait()
    server.say("drop database if exists amadeus")
    monkeypatch.setattr(patience, "_given_up_at", {})
    monkeypatch.setenv("AMADEUS_METADATA_PASSWORD", mariadb.PASSWORD)
    _name(monkeypatch, server.port)
    deu = home.create_deu("cello")
    Tale(home, deu).tell(1)
    return deu


def _name(monkeypatch, port):
    url = f"mysql://{mariadb.USER}@127.0.0.1:{port}/amadeus"
    monkeypatch.setenv("AMADEUS_METADATA", url)


def _start_soon(server, caplog):
    """Starts a server once somebody has found out that it is gone."""

    def start():
        wait_for(lambda: "does not answer" in caplog.text)
        server.start()

    thread = threading.Thread(target=start)
    thread.start()
    return thread


def test_who_reads_waits_for_a_server_that_comes_back(home, deu, server, caplog):
    before = lineage.generations_of(home, deu)
    server.stop()
    starting = _start_soon(server, caplog)
    with caplog.at_level(logging.WARNING):
        assert lineage.generations_of(home, deu) == before
    starting.join()
    assert "does not answer" in caplog.text
    assert mariadb.PASSWORD not in caplog.text


def test_a_store_that_was_open_is_opened_again(home, deu, server, caplog):
    store = open_store(home, mode=Mode.READWRITE)
    server.stop()
    starting = _start_soon(server, caplog)
    assert len(store.get_artifacts_by_type("amadeus.Personality")) == 1
    starting.join()


def test_who_waited_in_vain_gets_one_sentence_and_the_next_gets_it_at_once(
    home, deu, server, monkeypatch, capfd
):
    store = open_store(home, mode=Mode.READWRITE, patience_s=0.5)
    monkeypatch.setenv("AMADEUS_METADATA_PATIENCE_S", "0.5")
    server.stop()
    for _ in range(3):  # upstream's own client ends the process at the second call
        with pytest.raises(MetadataGoneError, match="was tried for"):
            store.get_artifacts()
    monkeypatch.setenv("AMADEUS_METADATA_PATIENCE_S", "300")
    assert main(["lineage", "cello"]) == 2
    last = capfd.readouterr().err.splitlines()[-1]
    assert "nothing was lost" in last
    assert mariadb.PASSWORD not in last


def test_who_waits_in_vain_again_is_the_last_to_wait_again(monkeypatch):
    config = mlmd.ConnectionConfig()
    config.mysql.host, config.mysql.port = "127.0.0.1", 1
    long_ago_s = time.monotonic() - patience._RESPITE_S
    given_up_at = {patience.place_of(config): long_ago_s}
    monkeypatch.setattr(patience, "_given_up_at", given_up_at)
    with pytest.raises(MetadataGoneError):
        PatientStore(config, patience_s=0.0)
    (told_s,) = given_up_at.values()
    assert told_s > long_ago_s
    with pytest.raises(MetadataGoneError):
        PatientStore(config, patience_s=300.0)
    assert list(given_up_at.values()) == [told_s], "what is told at once is no waiting"


def test_who_may_not_wait_long_does_not_knock_long(monkeypatch):
    config, seen = mlmd.ConnectionConfig(), []
    config.mysql.host = "away"

    def knock(_config, _place, timeout_s=KNOCK_TIMEOUT_S):
        seen.append(timeout_s)
        raise SilentError("timed out")

    monkeypatch.setattr(patience, "_given_up_at", {})
    monkeypatch.setattr(patience, "knock", knock)
    with pytest.raises(MetadataGoneError):
        PatientStore(config, patience_s=0.0)
    with patience.at_most(0.05), pytest.raises(MetadataGoneError):
        PatientStore(config, patience_s=300.0)
    assert seen[0] == KNOCK_TIMEOUT_S
    assert 1.0 <= seen[1] <= 3.0


def test_two_who_connect_at_once_are_both_discreet(caplog):
    logger, levels = logging.getLogger("absl"), []
    inside, is_left = threading.Event(), threading.Event()

    def connect():
        with patience._discreet():
            inside.set()
            is_left.wait(60)
            levels.append(logger.level)

    thread = threading.Thread(target=connect)
    with caplog.at_level(logging.DEBUG, "absl"):
        with patience._discreet():
            thread.start()
            inside.wait(0.3)
        is_left.set()
        thread.join()
        assert logger.level == logging.DEBUG
    assert levels == [logging.INFO]


def test_no_password_is_logged_where_all_is(home, deu, caplog):
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, "absl"):
        assert open_store(home, mode=Mode.READONLY).get_artifacts()
    assert mariadb.PASSWORD not in caplog.text


def test_a_patience_that_is_none_is_refused(home, deu, monkeypatch):
    monkeypatch.setenv("AMADEUS_METADATA_PATIENCE_S", "soon")
    with pytest.raises(ConfigError, match="is no time: write seconds"):
        lineage.generations_of(home, deu)


# Each ends in a transaction whose answer gets lost.
def _put_artifacts(store, types):
    return store.put_artifacts([mlmd.Artifact(type_id=types[0], uri="new")])


def _put_executions(store, types):
    return store.put_executions([mlmd.Execution(type_id=types[1])])


def _put_contexts(store, types):
    return store.put_contexts([mlmd.Context(type_id=types[2], name="new")])


def _put_execution(store, types):
    execution = mlmd.Execution(type_id=types[1])
    artifact = mlmd.Artifact(type_id=types[0], uri="new")
    known = store.get_artifacts()[0]
    context = mlmd.Context(type_id=types[2], name="new")
    pairs = [(artifact, _Event(type=_Event.OUTPUT)), (known, _Event(type=_Event.INPUT))]
    execution_id, artifact_ids, context_ids = store.put_execution(
        execution, pairs, [context], reuse_context_if_already_exist=True
    )
    return [execution_id, *artifact_ids, *context_ids]


def _put_subgraph(store, types):
    execution = mlmd.Execution(type_id=types[1])
    artifact = mlmd.Artifact(type_id=types[0], uri="new")
    context = mlmd.Context(type_id=types[2], name="new")
    edges = [(0, 0, _Event(type=_Event.OUTPUT))]
    made = store.put_lineage_subgraph(
        [execution], [artifact], [context], edges, reuse_context_if_already_exist=True
    )
    return [number for ids in made for number in ids]


@pytest.mark.parametrize(
    "put",
    [_put_artifacts, _put_executions, _put_contexts, _put_execution, _put_subgraph],
)
def test_what_was_written_and_not_answered_is_not_written_twice(
    home, deu, server, monkeypatch, tmp_path, put
):
    flag = tmp_path / "cut"
    with wire(server.port, flag) as port:
        _name(monkeypatch, port)
        store = open_store(home, mode=Mode.READWRITE)
        types = (
            store.get_artifact_type("amadeus.Personality").id,
            store.put_execution_type(mlmd.ExecutionType(name="X")),
            store.put_context_type(mlmd.ContextType(name="X")),
        )
        before = _count(store)
        flag.touch()
        ids = put(store, types)
        assert not flag.exists(), "the connection was cut"
    assert all(number > 0 for number in ids)
    _name(monkeypatch, server.port)
    store = open_store(home, mode=Mode.READWRITE)
    grown = [a - b for a, b in zip(_count(store), before, strict=True)]
    assert max(grown[:3]) == 1
    put_again = put(store, types) if put is not _put_contexts else None
    assert put_again is None or put_again[0] != ids[0], "what is new is new"


def test_what_another_wrote_is_still_refused(home, deu, server):
    store = open_store(home, mode=Mode.READWRITE)
    kind = store.put_context_type(mlmd.ContextType(name="X"))
    context = mlmd.Context(type_id=kind, name="there")
    store.put_contexts([context])
    with pytest.raises(AlreadyExistsError):
        store.put_contexts([context])


def _count(store):
    executions = store.get_executions()
    events = store.get_events_by_execution_ids([e.id for e in executions])
    return (
        len(store.get_artifacts()),
        len(executions),
        len(store.get_contexts()),
        len(events),
    )


@pytest.mark.parametrize(
    ("packet", "error", "words"),
    [
        (b"\x0a5.5", SilentError, "it is no MySQL server"),
        (b"\x0a5.5\0short", SilentError, "it is no MySQL server"),
        (b"\xff\x10\x04Too many connections", SilentError, "Too many connections"),
        (b"\xff\x6a\x04Host 'x' is not allowed", HomeError, "Host 'x' is not allowed"),
        (b"HTTP/1.1 400", SilentError, "it is no MySQL server"),
        (b"", SilentError, "it hung up"),
    ],
)
def test_what_does_not_greet_is_said(packet, error, words):
    config = mlmd.MySQLDatabaseConfig(host="127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config.port = listener.getsockname()[1]

        def answer():
            link, _ = listener.accept()
            with link:
                if packet:
                    link.sendall(len(packet).to_bytes(3, "little") + b"\0" + packet)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(error, match=words):
            knock(config, "mysql://there")
        thread.join()
