"""Recordings that stay where they are, for workers of Beam that share no disk with us."""

import secrets

import pytest

from amadeus.cli.recordings import find_elsewhere
from amadeus.errors import ConfigError, RecordingError
from amadeus.stores import open_store
from tests.stores import emulators
from tests.stores.conftest import (  # noqa: F401
    amazon_environment,
    google_environment,
    nobody,
    reach,
)


@pytest.fixture
def bucket(reach):  # noqa: F811
    environment = reach("s3")
    name = f"amadeus-{secrets.token_hex(6)}"
    emulators.make_bucket("s3", environment, name)
    return f"s3://{name}"


def test_a_folder_means_all_recordings_in_it_by_their_addresses(bucket):
    store = open_store(bucket)
    for key in ("cello/b.wav", "cello/1/a.flac", "cello/2/a.flac", "cello/notes.txt"):
        store.write(key, b"sound")
    found = find_elsewhere([f"{bucket}/cello", f"{bucket}/cello"])
    assert found.paths == []
    assert sorted(found.sets.values()) == [
        f"{bucket}/cello/{key}" for key in ("1/a.flac", "2/a.flac", "b.wav")
    ]
    assert found.sets["b.wav"] == f"{bucket}/cello/b.wav"
    assert len(set(found.sets)) == 3, "names that are equal are told apart"


def test_what_workers_elsewhere_do_not_reach_is_refused(bucket, tmp_path):
    with pytest.raises(ConfigError, match=r"take\.wav lies on this machine"):
        find_elsewhere([str(tmp_path / "take.wav")])
    with pytest.raises(ConfigError, match="is a data set"):
        find_elsewhere([f"nsynth:{bucket}/notes.tfrecord"])
    with pytest.raises(RecordingError, match="holds no recordings"):
        find_elsewhere([f"{bucket}/empty"])
