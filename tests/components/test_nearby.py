"""A file is at hand for as long as it is read, wherever it lies."""

import os
import secrets
from pathlib import Path

import pytest

from amadeus.errors import RecordingError, StoreError
from amadeus.stores import open_store
from components import records
from components.audio_example_gen.nearby import all_nearby, nearby
from tests.stores import emulators
from tests.stores.conftest import (  # noqa: F401
    amazon_environment,
    google_environment,
    nobody,
    reach,
)


@pytest.fixture
def folder(reach):  # noqa: F811
    """An empty folder in a bucket."""
    environment = reach("s3")
    bucket = f"amadeus-{secrets.token_hex(6)}"
    emulators.make_bucket("s3", environment, bucket)
    return f"s3://{bucket}/takes"


def test_a_path_is_handed_back_as_it_is(tmp_path):
    path = str(tmp_path / "ü.wav")
    with nearby(path) as local:
        assert local == path


def test_an_object_comes_to_a_file_that_goes_again(folder):
    open_store(folder).write("Sonate für Violoncello.FLAC", b"sound")
    with nearby(f"{folder}/Sonate für Violoncello.FLAC") as local:
        with open(local, "rb") as file:
            assert file.read() == b"sound"
        assert local.endswith(".FLAC"), "decoders go by it"
    assert not os.path.exists(os.path.dirname(local))


def test_what_is_not_there_or_too_large_is_refused_in_a_sentence(folder):
    open_store(folder).write("take.wav", b"0123456789")
    with (
        pytest.raises(RecordingError, match=r"there is no file s3://.*/other\.wav"),
        nearby(f"{folder}/other.wav"),
    ):
        pass
    with (
        pytest.raises(StoreError, match="has 10 bytes or more"),
        nearby(f"{folder}/take.wav", max_bytes=9),
    ):
        pass


def test_many_files_keep_their_order(folder, tmp_path):
    store = open_store(folder)
    names = [f"{name}.gz" for name in "zebra"]
    for name in names:
        store.write(name, name.encode())
    here = tmp_path / "here.gz"
    uris = [f"{folder}/{name}" for name in names]
    with all_nearby([str(here), *uris]) as paths:
        assert paths[0] == str(here)
        assert sorted(paths[1:]) == paths[1:]
        assert [Path(path).read_text() for path in paths[1:]] == names
    assert not any(map(os.path.exists, paths))


def test_record_files_lie_in_buckets_as_they_lie_in_folders(folder, tmp_path, rng):
    sounds = [rng.normal(size=n).astype("f4") for n in (100, 7)]

    def fill(uri):
        with records.write_records(
            records.place(uri, records.file_name("a" * 64))
        ) as w:
            for audio in sounds:
                w(records.example({"audio": records.float_feature(audio)}))
        (file,) = records.list_files(uri)
        return file, list(records.read_records(file))

    there, in_bucket = fill(f"{folder}/Split-train")
    here, on_disk = fill(str(tmp_path))
    assert os.path.basename(there) == os.path.basename(here)
    assert in_bucket == on_disk
    stored = open_store(folder).read(
        f"Split-train/{os.path.basename(there)}", max_bytes=10_000
    )
    with open(here, "rb") as file:
        assert file.read() == stored


def test_a_record_file_that_was_cut_short_is_in_no_bucket(folder):
    def stop():
        with records.write_records(f"{folder}/data_tfrecord-1.gz") as write:
            write(records.example({"n": records.int_feature(1)}))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    assert records.list_files(folder) == []
