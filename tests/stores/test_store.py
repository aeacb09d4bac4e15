"""Laws that hold for every store: on a disk, in a bucket of Google's, in a bucket of Amazon's."""

import hashlib

import pytest

from amadeus.errors import StoreError
from amadeus.stores import AlreadyThereError, NotThereError
from amadeus.stores.parallel import in_parallel

NAMES = [
    "plain.wav",
    "セロ/第1番.wav",
    "viool ñandú/Ёлка 🎻.flac",
    "a+b %20 & 'c'#d?.wav",
]


def digest_of(data):
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("name", NAMES)
def test_what_was_written_is_read(store, tmp_path, name):
    data = name.encode() * 3
    store.write(name, data)
    assert store.read(name, max_bytes=len(data)) == data
    path = tmp_path / "back"
    assert store.download(name, path, max_bytes=len(data)) == digest_of(data)
    assert path.read_bytes() == data
    assert [(e.key, e.size) for e in store.list()] == [(name, len(data))]


@pytest.mark.parametrize("data", [b"", b"x", bytes(5_000_000)], ids=len)
def test_a_file_comes_back_as_it_went(store, tmp_path, data):
    source, back = tmp_path / "source", tmp_path / "back"
    source.write_bytes(data)
    store.upload(source, "deep/er/file", sha256=digest_of(data))
    assert store.download("deep/er/file", back, max_bytes=len(data)) == digest_of(data)
    assert back.read_bytes() == data
    assert store.read("deep/er/file", max_bytes=len(data)) == data
    found = store.stat("deep/er/file")
    assert found.size == len(data)
    assert found.sha256 in ("", digest_of(data))


def test_a_list_is_of_what_is_below_and_of_nothing_beside(store):
    for key in ("a/b/c", "a/d", "ab", "e"):
        store.write(key, key.encode())
    assert sorted(e.key for e in store.list()) == ["a/b/c", "a/d", "ab", "e"]
    assert sorted(e.key for e in store.list("a")) == ["a/b/c", "a/d"]
    assert sorted(e.key for e in store.at("a").list()) == ["b/c", "d"]
    assert list(store.list("nothing")) == []


def test_a_version_changes_with_the_content_and_not_without(store):
    store.write("x", b"one")
    first = store.stat("x").version
    assert [e.version for e in store.list()] == [first]
    store.write("x", b"two")
    assert store.stat("x").version != first


def test_only_one_may_write_what_must_be_new(store):
    store.write("x", b"first", only_new=True)
    with pytest.raises(AlreadyThereError, match="is there already"):
        store.write("x", b"second", only_new=True)
    assert store.read("x", max_bytes=10) == b"first"
    store.write("x", b"third")
    assert store.read("x", max_bytes=10) == b"third"


def test_what_was_removed_is_gone_and_may_be_removed_again(store):
    store.write("a/x", b"x")
    store.write("y", b"y")
    store.remove("a/x")
    store.remove("a/x")
    assert not store.exists("a/x")
    assert store.exists("y")
    store.write("a/z", b"z")
    store.remove_folder("a")
    assert [e.key for e in store.list()] == ["y"]


def test_what_is_not_there_is_said_to_be_not_there(store, tmp_path):
    assert store.stat("nothing") is None
    for read in (
        lambda: store.read("nothing", max_bytes=1),
        lambda: store.download("nothing", tmp_path / "x", max_bytes=1),
    ):
        with pytest.raises(NotThereError, match="nothing"):
            read()
    assert not (tmp_path / "x").exists()


def test_what_is_too_large_never_touches_the_disk(store, tmp_path):
    store.write("large", bytes(1001))
    for read in (
        lambda: store.read("large", max_bytes=1000),
        lambda: store.download("large", tmp_path / "x", max_bytes=1000),
    ):
        with pytest.raises(StoreError, match="1001 bytes or more, and at most 1000"):
            read()
    assert not (tmp_path / "x").exists()


def test_a_download_replaces_nothing(store, tmp_path):
    store.write("x", b"x")
    (tmp_path / "x").write_bytes(b"mine")
    with pytest.raises(Exception, match="File exists"):
        store.download("x", tmp_path / "x", max_bytes=10)
    assert (tmp_path / "x").read_bytes() == b"mine"


@pytest.mark.parametrize(
    "key", ["../x", "a/../../x", "/x", "a//x", "", "a/.", "a\\..\\x", "a\x00", "a\nb", "\udcff"]
)  # fmt: skip
def test_no_name_leads_out(store, tmp_path, key):
    source = tmp_path / "source"
    source.write_bytes(b"x")
    with pytest.raises(StoreError, match="the name"):
        store.write(key, b"x")
    with pytest.raises(StoreError, match="the name"):
        store.upload(source, key, sha256=digest_of(b"x"))
    assert {path.name for path in tmp_path.iterdir()} <= {"source", "store", "nowhere"}


def test_a_store_need_not_be_there_to_be_opened(store):
    assert list(store.at("not/yet").list()) == []
    assert not store.at("not/yet").exists("x")


@pytest.mark.cluster
@pytest.mark.parametrize("url", ["s3", "gs"], indirect=True)
def test_a_list_of_many_pages_comes_whole(store):
    in_parallel(lambda n: store.write(f"{n:04}", b""), range(1005))
    assert sorted(e.key for e in store.list()) == [f"{n:04}" for n in range(1005)]
