"""Folders in stores: whole or not there, whoever is killed in between."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from amadeus.errors import StoreError
from amadeus.stores import (
    Limits,
    NotThereError,
    download_folder,
    open_store,
    upload_folder,
)
from amadeus.stores.folders import COMPLETE_NAME
from tests.stores.conftest import QUICK

ROOT = Path(__file__).parents[2]
FILES = {
    "plain.bin": bytes(range(256)) * 3000,
    "セロ/第1番.wav": "音".encode() * 1000,
    "deep/er/empty.bin": b"",
    "deep/Ёлка 🎻.flac": b"x" * 200_000,
}


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "source"
    for name, data in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (root / "nothing" / "at all").mkdir(parents=True)
    return root


def content_of(folder):
    """Files with their bytes, folders with None."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def test_a_folder_comes_back_as_it_went(store, folder, tmp_path):
    manifest = upload_folder(folder, store)
    assert manifest.n_bytes == sum(map(len, FILES.values()))
    assert download_folder(store, tmp_path / "back") == manifest
    assert content_of(tmp_path / "back") == content_of(folder)
    assert {p.name for p in tmp_path.iterdir()} <= {"source", "back", "store"}


def test_an_empty_folder_is_a_folder(store, tmp_path):
    (tmp_path / "empty").mkdir()
    upload_folder(tmp_path / "empty", store)
    download_folder(store, tmp_path / "back")
    assert list((tmp_path / "back").iterdir()) == []


def test_without_its_mark_nothing_is_there(store, folder, tmp_path):
    upload_folder(folder, store)
    store.remove(COMPLETE_NAME)
    with pytest.raises(NotThereError, match="no complete folder"):
        download_folder(store, tmp_path / "back")
    assert not (tmp_path / "back").exists()
    download_folder(store, tmp_path / "back", complete_only=False)
    files = {n: data for n, data in content_of(tmp_path / "back").items() if data is not None}  # fmt: skip
    assert files == FILES


def test_what_is_there_already_is_not_sent_again(reach, url, folder, monkeypatch):
    store = open_store(url)
    upload_folder(folder, store)
    store.remove(COMPLETE_NAME)
    store.remove("plain.bin")
    store.write("deep/Ёлка 🎻.flac", b"something else")
    sent = []
    plain = type(store).upload

    def upload(self, path, key, **options):
        sent.append(key)
        plain(self, path, key, **options)

    monkeypatch.setattr(type(store), "upload", upload)
    upload_folder(folder, store)
    changed = {"plain.bin", "deep/Ёлка 🎻.flac"}
    # a disk keeps no digests, and is written again
    assert set(sent) == (set(FILES) if url.startswith("/") else changed)
    sent.clear()
    upload_folder(folder, store)
    assert sent == []


def test_a_folder_that_changes_meanwhile_is_not_marked(tmp_path, folder, monkeypatch):
    store = open_store(tmp_path / "store")
    plain = type(store).upload

    def upload(self, path, key, **options):
        plain(self, path, key, **options)
        if key == "plain.bin":
            path.write_bytes(b"new")

    monkeypatch.setattr(type(store), "upload", upload)
    with pytest.raises(StoreError, match="changed while it was stored"):
        upload_folder(folder, store)
    assert not store.exists(COMPLETE_NAME)


def test_what_was_changed_in_a_store_does_not_come(store, folder, tmp_path):
    upload_folder(folder, store)
    store.write("plain.bin", FILES["plain.bin"][::-1])
    with pytest.raises(StoreError, match=r"plain\.bin is not what was stored"):
        download_folder(store, tmp_path / "back")
    assert not (tmp_path / "back").exists()


def forged(*files, empty_folders=(), version=1):
    rows = [{"path": p, "size": size, "sha256": "0" * 64} for p, size in files]
    document = {"format": "amadeus.folder", "version": version, "files": rows}
    return json.dumps(document | {"empty_folders": list(empty_folders)}).encode()


@pytest.mark.parametrize(
    ("mark", "why"),
    [
        (forged(("../out", 1)), "leads out"),
        (forged(("/etc/passwd", 1)), "leads out"),
        (forged(("a/../../out", 1)), "leads out"),
        (forged(empty_folders=["../out"]), "leads out"),
        (forged(("x", -1)), "damaged"),
        (forged(("x", 1), ("x", 1)), "twice"),
        (forged(("x", 1), version=2), "damaged"),
        (forged(("x", 1 << 50)), "at most"),
        (b"[" * 100_000, "damaged"),
        (b"null", "damaged"),
    ],
    ids=range(10),
)
def test_a_forged_mark_writes_nothing(tmp_path, mark, why):
    store = open_store(tmp_path / "store")
    store.write(COMPLETE_NAME, mark)
    with pytest.raises(StoreError, match=why):
        download_folder(store, tmp_path / "in" / "back")
    assert {p.name for p in tmp_path.rglob("*")} <= {"store", "in", COMPLETE_NAME}


def test_limits_are_kept_before_the_disk_is_touched(store, folder, tmp_path):
    upload_folder(folder, store)
    for limits in (
        Limits(max_files=3),
        Limits(max_bytes=500_000),
        Limits(max_file_bytes=500_000),
    ):
        with pytest.raises(StoreError, match="at most"):
            download_folder(store, tmp_path / "in" / "back", limits=limits)
    assert not (tmp_path / "in").exists()


def test_links_and_nameless_things_are_not_stored(tmp_path, folder):
    store = open_store(tmp_path / "store")
    (folder / "link").symlink_to("/etc/hostname")
    with pytest.raises(StoreError, match="is a link"):
        upload_folder(folder, store)
    (folder / "link").unlink()
    os.mkfifo(folder / "pipe")
    with pytest.raises(StoreError, match="no plain file"):
        upload_folder(folder, store)
    (folder / "pipe").unlink()
    (folder / os.fsdecode(b"\xff.wav")).write_bytes(b"x")
    with pytest.raises(StoreError, match="is no text"):
        upload_folder(folder, store)
    assert list(store.list()) == []


def interrupt(what, source, url, unit, limit, environment):
    with tempfile.TemporaryDirectory() as scratch:  # who is killed cleans nothing up
        ran = subprocess.run(
            [sys.executable, "-m", "tests.stores.interrupted", what, str(source), url, unit, str(limit)],
            env=environment | {"TMPDIR": scratch}, cwd=ROOT, capture_output=True, text=True, timeout=240,
        )  # fmt: skip
    assert ran.returncode in (0, -signal.SIGKILL), ran.stderr
    return ran.returncode == -signal.SIGKILL


FIRST_POINTS = [("file", "steps", 3), ("gs", "bytes", 400_000), ("s3", "bytes", 400_000)]  # fmt: skip
MORE_POINTS = [
    *(("file", "steps", n) for n in (1, 2, 5, 8, 11, 14, 16, 17, 18)),
    *((s, "bytes", n) for s in ("gs", "s3") for n in (1, 2_000, 900_000, 960_000)),
]


@pytest.mark.parametrize(
    ("url", "unit", "limit"),
    [
        *FIRST_POINTS,
        *(pytest.param(*point, marks=pytest.mark.cluster) for point in MORE_POINTS),
    ],
    indirect=["url"],
)
def test_who_is_killed_leaves_nothing_that_looks_complete(
    reach, url, unit, limit, folder, tmp_path, nobody
):
    scheme = url.partition(":")[0] if "://" in url else "file"
    was_killed = interrupt("folder", folder, url, unit, limit, reach(scheme))
    store = open_store(url, patience=QUICK)
    if was_killed:
        with pytest.raises(NotThereError):
            download_folder(store, tmp_path / "early")
        for entry in store.list():  # each is whole, whatever is missing
            assert store.read(entry.key, max_bytes=10**7) == FILES[entry.key]
    else:
        assert (scheme, limit) in {("file", 18), ("gs", 960_000), ("s3", 960_000)}
    upload_folder(folder, store)
    download_folder(store, tmp_path / "back")
    assert content_of(tmp_path / "back") == content_of(folder)


_MEASURED = """
import resource, sys
from pathlib import Path
from amadeus.stores import download_folder, open_store, upload_folder
from amadeus.stores.folders import Limits
store = open_store(sys.argv[1])
store.write("warm", b"up")
store.read("warm", max_bytes=10)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
upload_folder(Path(sys.argv[2]), store.at("large"))
download_folder(store.at("large"), Path(sys.argv[3]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.cluster
def test_a_large_file_needs_little_memory(reach, url, tmp_path):
    scheme = url.partition(":")[0] if "://" in url else "file"
    source = tmp_path / "large"
    source.mkdir()
    block = os.urandom(1 << 20)
    with (source / "take.wav").open("wb") as file:
        for _ in range(64):
            file.write(block)
    ran = subprocess.run(
        [sys.executable, "-c", _MEASURED, url, str(source), str(tmp_path / "back")],
        env=reach(scheme), cwd=ROOT, capture_output=True, text=True, check=True, timeout=240,
    )  # fmt: skip
    assert int(ran.stdout) < 32 * 1024  # KiB
    assert (tmp_path / "back" / "take.wav").stat().st_size == 64 << 20
