"""What a voice of a run takes along: practice, recordings, parent, as one that was pushed from a home."""

import json

import pytest
from tfx.types import standard_artifacts

from amadeus import lineage as read
from amadeus.errors import StoreError
from amadeus.home import Home
from amadeus.personality import content, pedigree
from amadeus.stores import fetch_voice, list_voices, publish_voice
from pipelines.kubeflow import lineage, pedigrees
from pipelines.kubeflow.client_home import bring_home
from pipelines.kubeflow.contract import Task
from tests.pipelines.kubeflow.test_pushing import ROOT, Pods

TAKE = pedigree.Take("a b.wav", "a" * 64, ("train",), 3.5)


@pytest.fixture
def pods(tmp_path, voice_path):
    return Pods(tmp_path / "pods", voice_path)


def taught(pods):
    """Records what came before the push: recordings, and a lesson on them."""
    examples, model = standard_artifacts.Examples(), standard_artifacts.Model()
    row = TAKE._asdict()
    examples.set_string_custom_property("takes", json.dumps([row]))
    made = [
        lineage.Placed(one, uri, lineage.external_id(uri))
        for one, uri in (
            (examples, f"{ROOT}/run-1/audio-example-gen/id/examples"),
            (model, f"{ROOT}/of-others/model"),
        )
    ]
    inputs = {}
    for name, kind, output in (
        ("audio-example-gen", "components.a.AudioExampleGen", made[0]),
        ("trainer", "components.t.Trainer", made[1]),
    ):
        task = Task("gs://b/runs", "imitation-cello", "run-1", name, "id")
        record = lineage.open_record(
            pods.metadata_url, task, deu="cello", node=name, execution_type=kind
        )
        record.begin(inputs, {})
        record.finish({"made": output})
        inputs = {"examples": output}


def lineage_of(store_url, generation, folder):
    personality = fetch_voice(store_url, "cello", generation, folder)
    return pedigree.find_pedigree(folder, personality)


def test_a_voice_of_a_run_comes_home_with_its_recordings_and_its_practice(
    pods, tmp_path
):
    taught(pods)
    pushed = pods.push("run-1")
    assert pushed["pushed_version"] == "1"
    (own,) = lineage_of(pods.store_url, 1, tmp_path / "voice").entries
    assert (own.deu, own.generation, own.kind) == ("cello", 1, "imitation")
    assert (own.digest, own.practice) == (pushed["digest"], "1-first")
    assert own.metrics["spectral_loss"] == 1.5
    assert own.takes == (TAKE,)
    home = Home(tmp_path / "home")
    brought = bring_home(home, pods.store_url, "cello", "1-first")
    assert brought.is_of_run
    deu = home.deu("cello")
    (record,) = read.with_takes(home, read.lineage_of(home, deu))
    assert record.practice == "1-first"
    assert [(t.name, t.digest, t.duration_s) for t in record.takes] == [
        ("a b.wav", "a" * 64, 3.5)
    ]
    assert (record.born_deu, record.born_generation) == ("cello", 1)


def test_without_metadata_a_voice_tells_what_it_knows_itself(pods, tmp_path):
    pods.metadata_url = ""
    pods.push("run-1")
    (own,) = lineage_of(pods.store_url, 1, tmp_path / "voice").entries
    assert own.takes == ()
    assert own.metrics["spectral_loss"] == 1.5


def personality(path, parent):
    """Who grew from a voice."""
    child = content.read_personality(path)
    child.digest, child.parent_digest = f"sha256:{'c' * 64}", parent.digest
    child.practice = "20260101-000000-0000"
    return child


def test_the_ancestors_that_the_parent_brought_are_handed_on(voice_path, tmp_path):
    store = str(tmp_path / "store")
    parent = content.read_personality(voice_path)
    told = pedigree.Entry(
        *("flute", 7, parent.digest, "", "imitation", "first", 12, {}, (TAKE,))
    )
    publish_voice(
        store, "cello", voice_path, lineage=pedigree.write_pedigree([told], 0)
    )
    text = pedigrees.write(
        personality(voice_path, parent), [], store_url=store, deu="cello", generation=2
    )
    child, before = pedigree.read_pedigree(text).entries
    assert (child.generation, child.parent_digest) == (2, parent.digest)
    assert before == told


def test_a_parent_that_brought_nothing_is_named(voice_path, tmp_path):
    store = str(tmp_path / "store")
    parent = content.read_personality(voice_path)
    publish_voice(store, "cello", voice_path)
    text = pedigrees.write(
        personality(voice_path, parent), [], store_url=store, deu="cello", generation=2
    )
    _, before = pedigree.read_pedigree(text).entries
    assert (before.digest, before.practice) == (parent.digest, parent.practice)
    assert (before.deu, before.generation, before.kind) == ("cello", 1, "found")


@pytest.mark.parametrize("practice", ["with spaces", "-x", "x" * 101])
def test_what_no_bundle_may_say_is_left_out(voice_path, tmp_path, practice):
    """A run is told its practice by whoever begins it."""
    told = content.read_personality(voice_path)
    told.practice, told.parent_digest = practice, ""
    store = str(tmp_path / "store")
    assert pedigrees.write(told, [], store_url=store, deu="cello", generation=1) is None


def test_a_voice_that_cannot_be_sent_with_its_lineage_keeps_its_number(
    voice_path,
    tmp_path,
):
    store = str(tmp_path / "store")

    def fail(_generation):
        raise StoreError("the parent is away.")

    with pytest.raises(StoreError):
        publish_voice(store, "cello", voice_path, lineage=fail)
    assert list_voices(store) == []
    numbers = []
    publish_voice(store, "cello", voice_path, lineage=numbers.append)
    assert numbers == [1]
