"""Recordings and parents where a run finds them."""

import pytest

from amadeus.errors import ConfigError, NotHeldError, RecordingError
from amadeus.stores import open_store, publish_voice
from pipelines.kubeflow import names, preparing, sources
from pipelines.kubeflow.contract import Invocation
from tests.stores.conftest import amazon_environment, nobody, reach  # noqa: F401
from tests.stores.emulators import make_bucket


@pytest.fixture
def bucket(reach):  # noqa: F811
    make_bucket("s3", reach("s3"), "sources")
    store = open_store("s3://sources/cello")
    for key in ("a/take.wav", "b/take.wav", "notes.txt", ".hidden/take.wav"):
        store.write(key, key.encode())
    return store.url


def look(tmp_path, **given):
    """Looks as `prepare` does."""
    parameters = {
        names.RECORDINGS: given["recordings"],
        names.RECORDING_NAMES: given.get("called", []),
        names.PARENT_GENERATION: given.get("parent", 0),
    }
    invocation = Invocation(parameters, {}, {}, {}, tmp_path / "out")
    scratch = tmp_path / f"scratch-{len(list(tmp_path.iterdir()))}"
    url = given.get("store", str(tmp_path / "store"))
    return preparing.prepare(invocation, "cello", url, scratch)


def test_a_folder_of_a_bucket_is_known_by_what_is_in_it(bucket, tmp_path):
    first = look(tmp_path, recordings=[bucket])[names.FINGERPRINT]
    assert look(tmp_path, recordings=[f"{bucket}/"])[names.FINGERPRINT] == first
    open_store(bucket).write("b/take.wav", b"another")
    second = look(tmp_path, recordings=[bucket])[names.FINGERPRINT]
    assert second != first
    open_store(bucket).write("b/take.wav", b"b/take.wav")
    assert look(tmp_path, recordings=[bucket])[names.FINGERPRINT] == first


def test_the_same_recordings_are_the_same_in_a_bucket_and_on_a_disk(bucket, tmp_path):
    paths = []
    for folder in "ab":
        path = tmp_path / "disk" / folder / "take.wav"
        path.parent.mkdir(parents=True)
        path.write_text(f"{folder}/take.wav")
        paths.append(str(path))
    there = look(tmp_path, recordings=[bucket])
    assert look(tmp_path, recordings=paths) == there
    called = look(tmp_path, recordings=paths, called=["take.wav", "take.wav"])
    assert called == there


def test_what_comes_from_a_bucket_goes_by_its_own_name(bucket, tmp_path):
    with sources.brought([bucket], [], tmp_path / "scratch") as found:
        assert [one.name for one in found] == ["take.wav", "take.wav"]
        assert [one.path.name for one in found] == ["take.wav", "take.wav"]
        assert {one.path.read_text() for one in found} == {"a/take.wav", "b/take.wav"}


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"recordings": []}, "without recordings"),
        ({"recordings": ["s3://sources/flute"]}, "flute"),
        ({"recordings": ["/nowhere/at/all"]}, "there is no /nowhere"),
        ({"recordings": ["s3://sources/cello"], "called": ["one"]}, "1 names"),
        ({"recordings": ["nsynth:/notes#family=flute"]}, "is a data set, and a run"),
    ],
)
def test_recordings_that_are_none_are_refused(bucket, tmp_path, given, match):
    with pytest.raises(RecordingError, match=match):
        look(tmp_path, **given)


def test_a_parent_is_found_by_number_or_as_the_latest(tmp_path, voice_path):
    store = str(tmp_path / "store")
    assert sources.find_parent(store, "cello", names.LATEST) == (0, "")
    publish_voice(store, "cello", voice_path)
    latest = sources.find_parent(store, "cello", names.LATEST)
    assert latest.generation == 1
    assert sources.find_parent(store, "cello", 1) == latest
    assert sources.find_parent(store, "cello", 0) == (0, "")
    with pytest.raises(NotHeldError, match="no generation 2"):
        sources.find_parent(store, "cello", 2)
    with pytest.raises(ConfigError, match="personalities_url"):
        sources.find_parent("", "cello", 0)


def test_a_parent_that_was_replaced_meanwhile_is_refused(tmp_path, voice_path):
    store = str(tmp_path / "store")
    publish_voice(store, "cello", voice_path)
    other = sources.Parent(1, "sha256:another")
    with pytest.raises(ConfigError, match="not the one that the run began with"):
        sources.fetch_parent(store, "cello", other, tmp_path)


def test_a_voice_that_is_parent_and_child_at_once_is_fetched_once(tmp_path, voice_path):
    """A lesson may end with the very voice it began with."""
    store = str(tmp_path / "store")
    publish_voice(store, "cello", voice_path)
    parent = sources.find_parent(store, "cello", 1)
    path = sources.fetch_parent(store, "cello", parent, tmp_path)
    assert sources.fetch_parent(store, "cello", parent, tmp_path) == path
    with pytest.raises(ConfigError, match="not the one that the run began with"):
        sources.fetch_parent(store, "cello", sources.Parent(1, "sha256:x"), tmp_path)
