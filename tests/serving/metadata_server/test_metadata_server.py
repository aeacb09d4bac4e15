"""The metadata server: upstream's own client, and lineage, over the wire as in a file."""

import subprocess
import sys

import ml_metadata
import pytest
from ml_metadata import ListOptions
from ml_metadata.proto import metadata_store_pb2 as mlmd
from ml_metadata.proto import metadata_store_service_pb2 as service_pb2

from amadeus import lineage
from amadeus.cli.main import main
from amadeus.errors import HomeError
from amadeus.lineage import patience
from amadeus.lineage.addresses import sqlite_url
from amadeus.lineage.store import Mode, connection, open_store
from tests.lineage.scribe import Tale
from tests.serving.metadata_server.process import metadata_server
from tests.serving.studio.certificates import Authority

TOKEN = "a-token-of-metadata-0123456789"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    path = tmp_path_factory.mktemp("served") / "metadata.sqlite"
    with metadata_server(sqlite_url(path)) as (url, _process):
        yield url


def test_lineage_is_the_same_over_the_wire(home, served, monkeypatch, capsys):
    monkeypatch.setenv("AMADEUS_METADATA", served)
    tale = Tale(home, home.create_deu("cello"))
    for generation, parent in ((1, None), (2, 1), (3, 1)):
        tale.tell(generation, parent, takes=[("a.wav", "a" * 64)])
    deu = home.deu("cello")
    assert [r.parent_generation for r in lineage.generations_of(home, deu)] == [
        None,
        1,
        1,
    ]
    assert lineage.attribute(home, deu) == lineage.attribute(home, deu) > 0
    assert main(["lineage", "cello"]) == 0
    assert "├─" in capsys.readouterr().out
    assert not home.metadata_path.exists()


def test_every_call_of_upstreams_client_is_answered(served):
    """Each of its methods at least once, with its own client and nothing of ours."""
    store = ml_metadata.MetadataStore(connection(served))
    a = store.put_artifact_type(mlmd.ArtifactType(name="A", external_id="ta"))
    e = store.put_execution_type(mlmd.ExecutionType(name="E", external_id="te"))
    c = store.put_context_type(mlmd.ContextType(name="C", external_id="tc"))
    artifact = mlmd.Artifact(type_id=a, name="a", uri="u", external_id="xa")
    execution = mlmd.Execution(type_id=e, name="e", external_id="xe")
    (parent, child) = store.put_contexts(
        [mlmd.Context(type_id=c, name=n, external_id=f"x{n}") for n in ("p", "c")]
    )
    (one,) = store.put_artifacts([artifact])
    (run,) = store.put_executions([execution])
    store.put_events(
        [mlmd.Event(artifact_id=one, execution_id=run, type=mlmd.Event.OUTPUT)]
    )
    store.put_attributions_and_associations(
        [mlmd.Attribution(artifact_id=one, context_id=child)],
        [mlmd.Association(execution_id=run, context_id=child)],
    )
    store.put_parent_contexts([mlmd.ParentContext(parent_id=parent, child_id=child)])
    new = mlmd.Execution(type_id=e)
    store.put_execution(
        new, [(mlmd.Artifact(type_id=a), mlmd.Event(type=mlmd.Event.OUTPUT))], []
    )
    store.put_lineage_subgraph(
        [new],
        [mlmd.Artifact(type_id=a)],
        [],
        [(0, 0, mlmd.Event(type=mlmd.Event.INPUT))],
    )
    asked = {
        "artifact": (store.get_artifacts_by_id([one])[0], store.get_artifact_by_type_and_name("A", "a"),
                     store.get_artifacts_by_uri("u")[0], store.get_artifacts_by_external_ids(["xa"])[0],
                     store.get_artifacts_by_context(child)[0], store.get_artifacts_by_type("A")[0],
                     store.get_artifacts_and_types_by_artifact_ids([one])[0][0]),
        "execution": (store.get_executions_by_id([run])[0], store.get_execution_by_type_and_name("E", "e"),
                      store.get_executions_by_external_ids(["xe"])[0], store.get_executions_by_context(child)[0],
                      store.get_executions_by_type("E")[0]),
        "context": (store.get_contexts_by_id([child])[0], store.get_context_by_type_and_name("C", "c"),
                    store.get_contexts_by_external_ids(["xc"])[0], store.get_contexts_by_artifact(one)[0],
                    store.get_contexts_by_execution(run)[0], store.get_children_contexts_by_context(parent)[0]),
    }  # fmt: skip
    for same in asked.values():
        assert len({node.id for node in same}) == 1
    assert store.get_parent_contexts_by_context(child)[0].id == parent
    own = {one.id for one in store.get_contexts_by_type("C")}
    assert own == {parent, child} <= {one.id for one in store.get_contexts()}
    assert store.get_events_by_artifact_ids([one]) == store.get_events_by_execution_ids(
        [run]
    )
    for kind, number in (("artifact", a), ("execution", e), ("context", c)):
        by_id = getattr(store, f"get_{kind}_types_by_id")([number])
        by_external = getattr(store, f"get_{kind}_types_by_external_ids")(
            [f"t{kind[0]}"]
        )
        by_name = getattr(store, f"get_{kind}_type")(kind[0].upper())
        assert by_id == by_external == [by_name]
        listed = getattr(store, f"get_{kind}_types")()
        assert number in {one.id for one in listed}
    limit = ListOptions(limit=1)
    assert len(store.get_artifacts(limit)) == 1
    assert len(store.get_executions(limit)) == 1


def test_errors_keep_their_kind(served):
    store = ml_metadata.MetadataStore(connection(served))
    with pytest.raises(ml_metadata.errors.NotFoundError):
        store.get_artifact_type("none of this name")
    kind = store.put_context_type(mlmd.ContextType(name="Once"))
    context = mlmd.Context(type_id=kind, name="once")
    store.put_contexts([context])
    with pytest.raises(ml_metadata.errors.AlreadyExistsError):
        store.put_contexts([context])
    with pytest.raises(ml_metadata.errors.InvalidArgumentError):
        store.put_artifacts([mlmd.Artifact(uri="without a type")])
    with pytest.raises(ml_metadata.errors.UnimplementedError):
        store._call("GetLineageGraph", service_pb2.GetLineageGraphRequest(),
                    service_pb2.GetLineageGraphResponse())  # fmt: skip


def test_a_token_and_certificates_are_asked_for(home, tmp_path, monkeypatch):
    authority = Authority(tmp_path)
    own, ours = authority.issue("server"), authority.issue("ama")
    options = (
        "--tls-cert",
        own.cert_path,
        "--tls-key",
        own.key_path,
        "--client-ca",
        authority.ca.cert_path,
    )
    token = {"AMADEUS_METADATA_SERVER_TOKEN": TOKEN}
    monkeypatch.setattr(patience, "_given_up_at", {})
    with metadata_server(sqlite_url(tmp_path / "m.sqlite"), *options, **token) as (
        url,
        _process,
    ):
        assert url.startswith("grpcs://")
        url = url.replace("127.0.0.1", "localhost")
        known = f"{url}?ssl_ca={authority.ca.cert_path}&ssl_cert={ours.cert_path}&ssl_key={ours.key_path}"
        for said in ("", "wrong"):
            monkeypatch.setenv("AMADEUS_METADATA_PASSWORD", said)
            monkeypatch.setenv("AMADEUS_METADATA", known)
            with pytest.raises(HomeError, match="refuses us") as raised:
                lineage.generations_of(
                    home, home.deu("cello") if said else home.create_deu("cello")
                )
            assert TOKEN not in str(raised.value)
        monkeypatch.setenv("AMADEUS_METADATA_PASSWORD", TOKEN)
        assert lineage.generations_of(home, home.deu("cello")) == []
        store = open_store(
            f"{url}?ssl_ca={authority.ca.cert_path}", mode=Mode.READONLY, patience_s=0
        )
        with pytest.raises(HomeError, match="does not answer"):
            store.get_artifacts()


def test_it_is_a_home_of_its_own_that_comes_back(home, tmp_path, monkeypatch):
    """Killed and started again between two calls of one store."""
    backing = sqlite_url(tmp_path / "m.sqlite")
    monkeypatch.setattr(patience, "_given_up_at", {})
    with metadata_server(backing) as (url, process):
        monkeypatch.setenv("AMADEUS_METADATA", url)
        Tale(home, home.create_deu("cello")).tell(1)
        store = open_store(home, mode=Mode.READONLY)
        process.kill()
        process.wait()
        with metadata_server(backing, port=url.rpartition(":")[2]):
            assert len(store.get_artifacts_by_type("amadeus.Personality")) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host", "0.0.0.0"], "the metadata server would listen on 0.0.0.0 without a token"),
        (["--backing", "grpc://x:1"], "is a server of metadata itself"),
        (["--backing", "nonsense"], "no address of metadata"),
        (["--token-file", "/no/such"], "cannot be read"),
    ],
)  # fmt: skip
def test_what_cannot_be_served_is_a_sentence(home, arguments, words):
    command = [
        sys.executable,
        "-m",
        "serving.metadata_server",
        "--port",
        "0",
        *arguments,
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
