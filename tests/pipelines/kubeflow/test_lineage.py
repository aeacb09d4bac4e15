"""What containers record: once, however often they are tried, and for what Kubeflow's cache has done, too."""

import pytest
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2
from tfx.types import standard_artifacts

from amadeus import lineage as read
from amadeus.errors import ConfigError, HomeError
from amadeus.home import Home
from components import artifacts
from pipelines.kubeflow import lineage
from pipelines.kubeflow.contract import Task

WRITER = "components.personality_writer.component.PersonalityWriter"
Execution = metadata_store_pb2.Execution


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path / "home")
    home.create_deu("cello")
    return home


@pytest.fixture
def store(home):
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(home.metadata_path)
    config.sqlite.connection_mode = 3
    return MetadataStore(config)


@pytest.fixture
def record(store):
    def make(name, *, run="run-1", kind=None):
        task = Task("gs://b/runs", "imitation-cello", run, name, "id")
        kind = kind or f"components.{name}.component.{name.title()}"
        return lineage.Record(
            store,
            task,
            deu="cello",
            node=name.title(),
            execution_type=kind,
            url="sqlite:///metadata",
        )

    return make


def placed(kind, uri, **properties):
    artifact = kind()
    artifact.uri = "/somewhere/in/a/container"
    for key, value in properties.items():
        artifact.set_string_custom_property(key, value)
    return lineage.Placed(artifact, uri, lineage.external_id(uri))


def model(run="run-1"):
    return placed(
        standard_artifacts.Model, f"gs://b/runs/imitation-cello/{run}/trainer/1/model"
    )


def personality(generation=1, digest="sha256:1"):
    artifact = artifacts.Personality()
    artifact.set_string_custom_property("deu", "cello")
    artifact.set_int_custom_property("generation", generation)
    artifact.set_string_custom_property("digest", digest)
    artifact.set_string_custom_property("practice", "1-first")
    return lineage.Placed(artifact, f"gs://b/voices/cello/{generation}")


def write(record, run, made, *, inputs, parent=None):
    one = record("writer", run=run, kind=WRITER)
    given = {"model": inputs} | ({"parent": parent} if parent else {})
    one.begin(given, {})
    one.finish({"personality": made})
    one.practised("1-first")


def states(store):
    return {
        e.name: Execution.State.Name(e.last_known_state) for e in store.get_executions()
    }


def test_a_task_that_is_tried_again_is_one_execution(record, store):
    killed = record("trainer")
    killed.begin({}, {"seed": 7})
    assert states(store) == {"kfp/run-1/trainer": "RUNNING"}
    for _ in range(2):  # the second was killed after its record, before its upload
        again = record("trainer")
        again.begin({}, {"seed": 7})
        again.finish({"model": model()})
    assert states(store) == {"kfp/run-1/trainer": "COMPLETE"}
    (execution,) = store.get_executions()
    own = execution.custom_properties
    assert own["attempts"].int_value == 3
    assert own["kfp_run_id"].string_value == "run-1"
    assert own["seed"].int_value == 7
    (made,) = store.get_artifacts()
    assert made.uri.endswith("/model")
    assert len(store.get_events_by_artifact_ids([made.id])) == 1


def test_a_failed_task_says_why_and_may_still_do_well(record, store):
    first = record("trainer")
    first.fail("nothing sounds")  # before it had anything to begin with
    (execution,) = store.get_executions()
    assert execution.custom_properties["reason"].string_value == "nothing sounds"
    assert states(store) == {"kfp/run-1/trainer": "FAILED"}
    again = record("trainer")
    again.begin({}, {})
    again.finish({"model": model()})
    (execution,) = store.get_executions()
    assert "reason" not in execution.custom_properties
    assert states(store) == {"kfp/run-1/trainer": "COMPLETE"}


def test_inputs_get_the_ids_under_which_they_were_made(record, store):
    trainer = record("trainer")
    trainer.begin({}, {})
    trainer.finish({"model": model()})
    evaluator, given = record("evaluator"), model()
    evaluator.begin({"model": given}, {})
    (made,) = store.get_artifacts()
    assert given.artifact.id == made.id
    types = [e.type for e in store.get_events_by_artifact_ids([made.id])]
    event = metadata_store_pb2.Event
    assert types == [event.OUTPUT, event.INPUT]


def test_a_generation_is_recorded_once_and_read_as_any_other(record, store, home):
    for run in ("run-1", "run-1", "run-2"):  # tried again; then found by another run
        write(record, run, personality(), inputs=model())
    write(
        record,
        "run-3",
        personality(2, "sha256:2"),
        inputs=model("run-3"),
        parent=personality(),
    )
    deu = home.deu("cello")
    first, second = read.lineage_of(home, deu)
    assert (first.generation, second.generation) == (1, 2)
    assert second.parent_generation == 1
    assert first.practice == "1-first"
    assert states(store) == {
        "kfp/run-1/writer": "COMPLETE",
        "kfp/run-2/writer": "CACHED",
        "kfp/run-3/writer": "COMPLETE",
    }
    session = store.get_context_by_type_and_name("amadeus.Practice", "cello/1-first")
    assert session.custom_properties["kfp_run_id"].string_value == "run-3"
    assert read.attribute(home, deu) > 0


def test_a_parent_that_was_taught_on_one_machine_is_found(record, store, home):
    local = personality().artifact.mlmd_artifact
    local.type_id = store.put_artifact_type(artifacts.Personality().artifact_type)
    local.name, local.uri = "imitation.cello:1:PersonalityWriter", "/voices/1"
    (known,) = store.put_artifacts([local])
    parent = personality()
    write(record, "run-1", personality(2, "sha256:2"), inputs=model(), parent=parent)
    assert parent.artifact.id == known
    assert read.record_of(home, home.deu("cello"), 2).parent_generation == 1


def test_what_the_cache_has_done_is_recorded_for_the_run_it_was_done_for(record, store):
    transform = record("transform")
    transform.begin({}, {})
    examples = placed(standard_artifacts.Examples, "gs://b/examples", takes="[]")
    transform.finish({"examples": examples})
    trainer = record("trainer")
    trainer.begin({"examples": examples}, {"seed": 7})
    trainer.finish({"model": model()})
    for _ in range(2):
        pusher = record("pusher", run="run-2")
        pusher.begin({"model": model()}, {})
    run = store.get_context_by_type_and_name("pipeline_run", "run-2")
    found = {e.name: e for e in store.get_executions_by_context(run.id)}
    names = {
        name: Execution.State.Name(e.last_known_state) for name, e in found.items()
    }
    assert names == {
        "kfp/run-2/transform": "CACHED",
        "kfp/run-2/trainer": "CACHED",
        "kfp/run-2/pusher": "RUNNING",
    }
    assert found["kfp/run-2/trainer"].custom_properties["seed"].int_value == 7
    assert len(store.get_artifacts()) == 2


def test_what_the_cache_has_done_is_recorded_in_whatever_order_it_is_found(
    record, store, monkeypatch
):
    trainer = record("trainer")
    trainer.begin({}, {})
    trainer.finish({"model": model()})
    record("pusher", run="run-2").begin({"model": model()}, {})
    find = store.get_executions_by_id
    monkeypatch.setattr(store, "get_executions_by_id", lambda ids: find(ids)[::-1])
    record("pusher", run="run-3").begin({"model": model()}, {})
    assert states(store)["kfp/run-3/trainer"] == "CACHED"


def test_metadata_that_cannot_be_reached_are_named(tmp_path):
    task = Task("gs://b/runs", "imitation-cello", "run-1", "trainer", "id")
    given = {"deu": "cello", "node": "Trainer", "execution_type": "x"}
    with pytest.raises(ConfigError, match="no address"):
        lineage.open_record("somewhere", task, **given)
    (tmp_path / "file").write_text("no database, but long enough to be looked into")
    with pytest.raises(HomeError, match="file"):
        lineage.open_record(f"sqlite://{tmp_path}/file", task, **given).begin({}, {})
