"""Recordings by URL: brought once, known by their content, called by their names."""

import hashlib
import os

import pytest

from amadeus.errors import RecordingError, StoreError
from amadeus.stores import open_store
from amadeus.stores.recordings import (
    RecordingLimits,
    bring_file,
    bring_recordings,
    laid_out,
)
from amadeus.stores.store import Store

TAKES = {
    "suite 1/第1番.WAV": b"RIFF one",
    "suite 2/第1番.WAV": b"RIFF two",
    "deep/er/again.flac": b"RIFF one",
}
OTHERS = {"notes.txt": b"x", ".hidden/x.wav": b"x", "suite 1/.x.wav": b"x"}


@pytest.fixture
def filled(store):
    for key, data in {**TAKES, **OTHERS}.items():
        store.write(key, data)
    return store


@pytest.fixture
def downloads(store, monkeypatch):
    keys = []
    plain = type(store).download

    def download(self, key, path, **options):
        keys.append(key)
        return plain(self, key, path, **options)

    monkeypatch.setattr(type(store), "download", download)
    return keys


def test_a_folder_is_brought_whole_and_once(filled, downloads, tmp_path):
    said = []
    brought = bring_recordings(filled.url, tmp_path / "cache", say=said.append)
    found = {(one.name, one.path.read_bytes()) for one in brought}
    assert found == {(key.rpartition("/")[2], data) for key, data in TAKES.items()}
    for one in brought:
        digest = hashlib.sha256(one.path.read_bytes()).hexdigest()
        assert one.path.stem == digest
        assert one.path.suffix in (".wav", ".flac")
        assert one.path.samefile(tmp_path / "cache" / digest)
    assert len(said) == 1
    assert sorted(downloads) == sorted(TAKES)
    assert bring_recordings(filled.url, tmp_path / "cache", say=said.append) == brought
    assert len(downloads) == len(TAKES)
    assert len(said) == 1


def test_what_changed_in_its_bucket_is_brought_again(filled, downloads, tmp_path):
    before = bring_recordings(filled.url, tmp_path / "cache")
    downloads.clear()
    filled.write("suite 1/第1番.WAV", b"RIFF new")
    after = bring_recordings(filled.url, tmp_path / "cache")
    assert downloads == ["suite 1/第1番.WAV"]
    contents = {one.path.read_bytes() for one in after}
    assert contents == {b"RIFF new", b"RIFF two", b"RIFF one"}
    assert all(one.path.exists() for one in before)


def test_what_was_emptied_is_brought_again(filled, tmp_path):
    cache = tmp_path / "cache"
    for one in bring_recordings(filled.url, cache):
        one.path.with_suffix("").unlink(missing_ok=True)
    again = bring_recordings(filled.url, cache)
    assert {one.path.read_bytes() for one in again} == set(TAKES.values())


def test_a_single_object_is_one_recording(filled, tmp_path):
    (one,) = bring_recordings(f"{filled.url}/suite 2/第1番.WAV", tmp_path / "cache")
    assert (one.name, one.path.read_bytes()) == ("第1番.WAV", b"RIFF two")


def test_a_file_of_any_kind_can_be_brought(filled, tmp_path):
    path = bring_file(f"{filled.url}/notes.txt", tmp_path / "cache")
    assert path.read_bytes() == b"x"
    for nothing in ("suite 1", "nothing.mid"):
        with pytest.raises(RecordingError, match="there is no file"):
            bring_file(f"{filled.url}/{nothing}", tmp_path / "cache")


def test_where_no_recordings_are_it_says_so(filled, tmp_path):
    filled.write("texts/a.txt", b"x")
    for folder, n_others in (("texts", 1), ("nothing", 0)):
        with pytest.raises(
            RecordingError, match=rf"holds no recordings .{n_others} other"
        ):
            bring_recordings(f"{filled.url}/{folder}", tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    "limits",
    [
        RecordingLimits(max_files=2),
        RecordingLimits(max_bytes=20),
        RecordingLimits(max_file_bytes=7),
    ],
    ids=str,
)
def test_limits_are_kept_before_anything_is_brought(
    filled, downloads, tmp_path, limits
):
    with pytest.raises(StoreError, match="at most"):
        bring_recordings(filled.url, tmp_path / "cache", limits=limits)
    assert downloads == []
    assert not (tmp_path / "cache").exists()


def test_names_are_for_people_and_lead_nowhere(tmp_path):
    store = open_store(tmp_path / "store")
    store.write("a/" + "长" * 80 + ".wav", b"x")
    brought = bring_recordings(store.url, tmp_path / "cache")
    assert all(isinstance(one.name, str) for one in brought)
    odd = [brought[0]._replace(name=name) for name in ("../../x.wav", "..", "a/b.wav", "x" * 900)]  # fmt: skip
    with laid_out([*brought, *odd]) as paths:
        root = paths[0].parents[1]
        assert all(path.parents[1] == root for path in paths)
        assert {path.read_bytes() for path in paths} == {b"x"}
    assert not root.exists()


def test_who_is_cut_off_leaves_no_recording(tmp_path, monkeypatch):
    store = open_store(tmp_path / "store")
    store.write("x.wav", b"RIFF")

    def download(self: Store, key, path, **options):
        path.write_bytes(b"RI")
        raise StoreError("cut off")

    monkeypatch.setattr(type(store), "download", download)
    with pytest.raises(StoreError, match="cut off"):
        bring_recordings(store.url, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_recording_that_changes_while_it_is_brought_is_not_left_out(
    filled, tmp_path, monkeypatch
):
    plain = type(filled).download

    def download(self, key, path, **options):
        if key.endswith("again.flac"):
            self.write(key, b"short")
        return plain(self, key, path, **options)

    monkeypatch.setattr(type(filled), "download", download)
    with pytest.raises(RecordingError, match=r"again\.flac changed or went away"):
        bring_recordings(filled.url, tmp_path / "cache")


def test_a_name_with_an_ending_never_goes_away(store, tmp_path, monkeypatch):
    """Another practice may be reading it."""
    store.write("a.wav", b"RIFF")
    cache = tmp_path / "cache"
    (one,) = bring_recordings(store.url, cache)
    plain = cache / hashlib.sha256(b"RIFF").hexdigest()
    (cache / "new").write_bytes(b"RIFF")
    (cache / "new").rename(plain)  # as when two bring it at once
    seen, link = [], os.link

    def watched(*names):
        seen.append(one.path.exists())
        link(*names)

    monkeypatch.setattr(os, "link", watched)
    assert bring_recordings(store.url, cache) == [one]
    assert seen == [True]
    assert one.path.samefile(plain)
    assert bring_recordings(store.url, cache) == [one]
    assert not list(cache.glob(".*"))
