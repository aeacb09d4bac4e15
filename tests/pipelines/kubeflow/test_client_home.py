"""What goes to a cluster and what comes back: recordings by their content, voices by the practice that made them."""

import hashlib
import json

import pytest

from amadeus.errors import BundleError, ConfigError, RecordingError, StoreError
from amadeus.stores import list_voices, publish_voice
from pipelines.kubeflow import client_recordings
from pipelines.kubeflow.client_home import bring_home
from pipelines.kubeflow.client_recordings import (
    look,
    name_recordings,
    place_recordings,
)
from tests.personality.forging import contents, forge, rewritten


@pytest.fixture
def publish(bundle_bytes, tmp_path):
    """Publishes a voice of a practice; those of several seeds are several voices."""
    from amadeus.personality.bundle import read_bundle

    def publish(practice, seed):
        def change(who):
            who["practice"] = practice
            who["learner_profile"]["seed"] = seed

        packed = tmp_path / f"{seed}.deu"
        packed.write_bytes(forge(rewritten(contents(bundle_bytes), change)))
        read_bundle(packed, tmp_path / f"{seed}")
        publish_voice(str(tmp_path / "voices"), "cello", tmp_path / f"{seed}")

    return publish


@pytest.fixture
def url(tmp_path):
    return str(tmp_path / "voices")


@pytest.mark.cluster  # makes a voice, with TensorFlow
def test_the_voice_of_a_practice_comes_home_whatever_others_have_made_since(
    home, publish, url
):
    publish("before", 1)
    publish("mine", 2)
    publish("after", 3)
    brought = bring_home(home, url, "cello", "mine")
    assert brought.is_of_run
    assert brought.voice.generation == 2
    deu = home.deu("cello")
    assert deu.generations() == [1] == [deu.current_generation()]
    assert brought.held.personality.digest == brought.voice.digest
    assert brought.held.personality.practice == "mine"
    again = bring_home(home, url, "cello", "mine")
    assert again.held.already_held
    assert deu.generations() == [1]


@pytest.mark.cluster  # makes a voice, with TensorFlow
def test_who_has_nobody_here_gets_the_newest_though_nothing_new_was_made(
    home, publish, url
):
    publish("before", 1)
    publish("after", 3)
    brought = bring_home(home, url, "cello", "mine")
    assert not brought.is_of_run
    assert brought.voice.generation == 2
    assert home.deu("cello").generations() == [1]
    # And the next time somebody is here.
    assert bring_home(home, url, "cello", "mine").held is None


def test_a_store_without_the_deu_brings_nothing(home, url):
    assert bring_home(home, url, "cello", "mine") is None
    assert home.deus() == []


@pytest.mark.cluster  # makes a voice, with TensorFlow
def test_a_voice_that_is_not_the_one_its_name_says_is_refused(
    home, publish, url, tmp_path
):
    publish("mine", 1)
    publish("mine", 2)
    first, second = (tmp_path / "voices" / v.key for v in list_voices(url, "cello"))
    second.write_bytes(first.read_bytes())
    with pytest.raises(BundleError, match="another personality than its name says"):
        bring_home(home, url, "cello", "mine")
    assert not any(deu.generations() for deu in home.deus())


def test_recordings_go_to_a_store_once_under_their_content(tmp_path):
    takes = []
    for name, data in (("a b.WAV", b"one"), ("c.wav", b"two"), ("d.wav", b"one")):
        (tmp_path / name).write_bytes(data)
        takes.append(tmp_path / name)
    url, sent = str(tmp_path / "root"), []
    placed = place_recordings(
        takes, url, on_sent=lambda path, n: sent.append(path.name)
    )
    assert list(placed.name) == ["a b.WAV", "c.wav", "d.wav"]
    digests = [hashlib.sha256(data).hexdigest() for data in (b"one", b"two", b"one")]
    assert list(placed.uri) == [f"{url}/recordings/{digest}.wav" for digest in digests]
    assert sent == ["a b.WAV", "c.wav"]
    sent.clear()
    assert (
        place_recordings(takes, url, on_sent=lambda path, n: sent.append(n)) == placed
    )
    assert sent == []


def test_a_recording_that_is_gone_is_said(tmp_path):
    with pytest.raises(RecordingError, match=r"cannot read .*gone.wav"):
        place_recordings([tmp_path / "gone.wav"], str(tmp_path / "root"))


def test_more_recordings_than_a_container_can_be_told_of_are_refused_at_once(tmp_path):
    """A container is told of them in one word of its command line."""
    path, root = tmp_path / "take.wav", str(tmp_path / "root")
    path.write_bytes(b"x")
    with pytest.raises(RecordingError, match="5000 recordings are too many"):
        place_recordings([path] * 5000, root)
    assert not (tmp_path / "root").exists()
    placed = place_recordings([path] * 300, root)
    told = json.dumps([list(placed.uri), list(placed.name)])
    assert len(told) < client_recordings.MAX_NAMED_BYTES


def test_a_suffix_that_is_none_is_left_out(tmp_path):
    path = tmp_path / "take.of ../monday"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    (uri,) = place_recordings([path], str(tmp_path / "root")).uri
    assert "monday" not in uri


def test_recordings_are_all_here_or_all_in_stores():
    assert list(name_recordings(["gs://b/x", "s3://b/y"]).uri) == [
        "gs://b/x",
        "s3://b/y",
    ]
    with pytest.raises(ConfigError, match="give all of them from one place"):
        name_recordings(["gs://b/x", "take.wav"])
    with pytest.raises(ConfigError, match="is a data set, and a cluster"):
        name_recordings(["gs://b/x", "nsynth:gs://b/notes#family=flute"])
    with pytest.raises(ConfigError, match="on this machine, which no container sees"):
        name_recordings(["take.wav"])


def test_it_is_seen_beforehand_that_there_are_no_recordings(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"x")
    assert look([f"file://{tmp_path}", f"file://{tmp_path}/a.wav"]) == []
    with pytest.raises(RecordingError, match="holds no recordings"):
        look([f"file://{tmp_path}/nothing"])


def test_what_cannot_be_seen_from_here_is_said_and_left_to_the_cluster(monkeypatch):
    def refuse(_url):
        raise StoreError("there are no credentials.")

    monkeypatch.setattr(client_recordings, "open_store", refuse)
    (said,) = look(["gs://bucket/cello"])
    assert (
        said == "gs://bucket/cello cannot be seen from here: there are no credentials."
    )
