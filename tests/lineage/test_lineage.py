"""Lineage read from metadata written by hand, for what practices take too long to make."""

import json

import pytest
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

from amadeus import lineage
from amadeus.cli.main import main
from amadeus.errors import HomeError
from amadeus.lineage.write import DEU_CONTEXT_TYPE


class Scribe:
    """Writes generations into a home's metadata as a practice does."""

    def __init__(self, home):
        home.path.mkdir(parents=True, exist_ok=True)
        config = mlmd.ConnectionConfig()
        config.sqlite.filename_uri = str(home.metadata_path)
        self.store = MetadataStore(config)
        put = self.store.put_artifact_type
        self.personality = put(mlmd.ArtifactType(name="amadeus.Personality"))
        self.examples = put(mlmd.ArtifactType(name="Examples"))
        kind = mlmd.ExecutionType(name="components.x.PersonalityWriter")
        self.writer = self.store.put_execution_type(kind)
        self.run_type = self.store.put_context_type(
            mlmd.ContextType(name="pipeline_run")
        )
        self.n_runs = 0

    def write(self, deu, generation, *, parent=None, digest=None, takes=()):
        examples = mlmd.Artifact(type_id=self.examples, uri="examples")
        rows = [{"name": n, "digest": d, "splits": [s]} for n, d, s in takes]
        examples.custom_properties["takes"].string_value = json.dumps(rows)
        (examples_id,) = self.store.put_artifacts([examples])
        voice = mlmd.Artifact(type_id=self.personality, uri=f"voices/{generation}")
        properties = voice.custom_properties
        properties["deu"].string_value = deu
        properties["generation"].int_value = generation
        properties["digest"].string_value = digest or f"sha256:{generation}"
        properties["metric_spectral_loss"].double_value = 7.0 - generation / 100
        (voice_id,) = self.store.put_artifacts([voice])
        self.put(examples_id, voice_id, parent)
        return voice_id

    def put(self, examples_id, voice_id, parent, *, state=mlmd.Execution.COMPLETE):
        self.n_runs += 1
        execution = mlmd.Execution(type_id=self.writer, last_known_state=state)
        run = mlmd.Context(type_id=self.run_type, name=f"run {self.n_runs}")
        inputs = [i for i in (examples_id, parent) if i is not None]
        pairs = [
            (mlmd.Artifact(id=i), mlmd.Event(artifact_id=i, type=kind))
            for ids, kind in (
                (inputs, mlmd.Event.INPUT),
                ([voice_id], mlmd.Event.OUTPUT),
            )
            for i in ids
        ]
        (execution_id,) = self.store.put_executions([execution])
        for _, event in pairs:
            event.execution_id = execution_id
        self.store.put_events([event for _, event in pairs])
        (run_id,) = self.store.put_contexts([run])
        association = mlmd.Association(execution_id=execution_id, context_id=run_id)
        self.store.put_attributions_and_associations([], [association])


@pytest.fixture
def deu(home):
    return home.create_deu("cello")


@pytest.fixture
def scribe(home, deu):
    return Scribe(home)


def test_a_chain_is_followed_however_long_it_is(home, deu, scribe):
    parent = None
    for generation in range(1, 61):  # 120 hops; upstream's own query ends after 100
        parent = scribe.write("cello", generation, parent=parent)
    records = lineage.lineage_of(home, deu)
    assert [r.generation for r in records] == list(range(1, 61))
    assert [r.parent_generation for r in records] == [None, *range(1, 60)]
    assert records[-1].metrics == {"spectral_loss": pytest.approx(6.4)}


def test_takes_are_those_of_the_generation_and_not_of_its_parent(home, deu, scribe):
    first = scribe.write("cello", 1, takes=[("a.wav", "aa", "train")])
    scribe.write("cello", 2, parent=first, takes=[("b.wav", "bb", "eval")])
    one, two = lineage.lineage_of(home, deu)
    assert [(t.name, t.digest, t.splits) for t in one.takes] == [
        ("a.wav", "aa", ("train",))
    ]
    assert [t.name for t in two.takes] == ["b.wav"]


def test_a_generation_that_branches_names_its_own_parent(home, deu, scribe):
    first = scribe.write("cello", 1)
    scribe.write("cello", 2, parent=first)
    scribe.write("cello", 3, parent=first)
    assert [r.parent_generation for r in lineage.lineage_of(home, deu)] == [None, 1, 1]


def test_deus_do_not_mix(home, deu, scribe):
    flute = home.create_deu("flute")  # first: what is older than a deu is not its own
    scribe.write("cello", 1)
    scribe.write("flute", 1, digest="sha256:f")
    assert [r.digest for r in lineage.lineage_of(home, deu)] == ["sha256:1"]
    assert [r.digest for r in lineage.lineage_of(home, flute)] == ["sha256:f"]


def test_a_deu_made_anew_does_not_inherit_from_the_removed_one(home, deu, scribe):
    scribe.write("cello", 1)
    record = json.loads((deu.path / "deu.json").read_text())
    record["created_at"] = "2999-01-01T00:00:00Z"
    (deu.path / "deu.json").write_text(json.dumps(record))
    assert lineage.lineage_of(home, deu) == []


def test_a_generation_recorded_twice_is_told_once_as_it_was_first(home, deu, scribe):
    first = scribe.write("cello", 1, takes=[("a.wav", "aa", "train")])
    scribe.write("cello", 1, takes=[("a.wav", "aa", "train")])
    (record,) = lineage.lineage_of(home, deu)
    assert (
        record.created_ms
        == scribe.store.get_artifacts_by_id([first])[0].create_time_since_epoch
    )
    scribe.write("cello", 1, digest="sha256:other")  # the number was pushed anew
    (record,) = lineage.lineage_of(home, deu)
    assert record.digest == "sha256:other"


def test_the_maker_of_a_cached_result_is_who_made_it_first(home, deu, scribe):
    voice = scribe.write("cello", 1, takes=[("a.wav", "aa", "train")])
    scribe.put(None, voice, None, state=mlmd.Execution.CACHED)
    (record,) = lineage.lineage_of(home, deu)
    assert [e.state for e in record.executions] == ["complete"]


def test_attribution_is_made_once(home, deu, scribe):
    assert lineage.attribute(home, home.create_deu("flute")) == 0
    voice = scribe.write("cello", 1)
    context = lineage.attribute(home, deu)
    assert lineage.attribute(home, deu) == context
    other = scribe.write("cello", 2)
    assert lineage.attribute(home, deu) == context
    there = scribe.store.get_artifacts_by_context(context)
    assert sorted(a.id for a in there) == [voice, other]
    assert len(scribe.store.get_contexts_by_type(DEU_CONTEXT_TYPE)) == 1


def test_a_home_without_metadata_has_no_lineage(home, deu):
    assert lineage.lineage_of(home, deu) == []
    assert "no lineage yet" in lineage.render_text(home, deu)
    assert not home.metadata_path.exists(), "reading writes nothing"


def test_metadata_that_is_none_is_named(home, deu):
    home.metadata_path.write_text("not a database" * 100)
    with pytest.raises(HomeError, match=r"metadata\.sqlite"):
        lineage.lineage_of(home, deu)


def test_the_text_names_what_matters(home, deu, scribe):
    takes = [(f"{i}.wav", f"{i:064x}", "train") for i in range(20)]
    takes.append(("held.wav", "f" * 64, "eval"))
    scribe.write("cello", 1, digest="sha256:" + "ab" * 32, takes=takes)
    (deu.voices_path / "1").mkdir(parents=True)
    text = lineage.render_text(home, deu)
    for words in ("generation 1", "abababababab", "plays now", "grew from nothing"):
        assert words in text
    assert "21 takes, 1 of them held out" in text
    assert "and 9 more" in text
    assert "spectral_loss 6.99" in text


@pytest.mark.parametrize(
    ("told", "kind"), [("feedback", "feedback"), ("magic", "imitation")]
)
def test_what_a_pipeline_says_of_a_generation_is_its_kind(home, told, kind, capsys):
    deu = home.create_deu("cello")
    scribe = Scribe(home)
    first = scribe.write("cello", 1)
    scribe.write("cello", 2, parent=first)
    artifacts = scribe.store.get_artifacts_by_type("amadeus.Personality")
    newest = max(artifacts, key=lambda artifact: artifact.id)
    newest.custom_properties["kind"].string_value = told
    scribe.store.put_artifacts([newest])
    kinds = [record.kind for record in lineage.generations_of(home, deu)]
    assert kinds == ["imitation", kind]
    assert main(["lineage", "cello"]) == 0
    assert ("after feedback" in capsys.readouterr().out) is (kind == "feedback")
