"""Files, folders and globs mean each recording once, in order."""

import hashlib
import os
import socket
import time

import pytest

from amadeus.audio import recordings
from amadeus.audio.recordings import (
    content_digest,
    find_recordings,
    known_digest,
    to_path,
    to_uri,
)
from amadeus.errors import RecordingError


@pytest.fixture
def folder(tmp_path):
    for name in ("b.wav", "a.FLAC", "deep/er/c.mp3", "notes.txt", ".hidden.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "d.wav").write_bytes(b"")
    return tmp_path


def names(paths, folder):
    return [str(path.relative_to(folder)) for path in paths]


def test_a_folder_means_its_recordings_to_any_depth(folder):
    found = find_recordings([str(folder)])
    assert names(found, folder) == ["a.FLAC", "b.wav", "deep/er/c.mp3"]


def test_globs_and_overlaps_mean_each_file_once(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "link.wav").symlink_to(folder / "b.wav")
    found = find_recordings(["*.wav", "./b.wav", "**/*.mp3", str(folder / "b.wav")])
    assert names(found, folder) == ["b.wav", "deep/er/c.mp3"]


def test_a_file_that_is_named_needs_no_suffix(folder):
    assert find_recordings([folder / "notes.txt"]) == [folder / "notes.txt"]


def test_a_name_with_brackets_is_a_name_first(folder):
    (folder / "take[1].wav").write_bytes(b"")
    assert find_recordings([str(folder / "take[1].wav")]) == [folder / "take[1].wav"]


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("nothing.wav", "there is no"),
        ("*.txt", "matches no recordings"),
        ("sub", "holds no recordings"),
    ],
)
def test_an_argument_that_means_nothing_is_refused(
    folder, monkeypatch, argument, words
):
    monkeypatch.chdir(folder)
    (folder / "sub").mkdir()
    with pytest.raises(RecordingError, match=words):
        find_recordings([argument])


def test_no_arguments_are_refused():
    with pytest.raises(RecordingError, match="no recordings were given"):
        find_recordings([])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_without_rights_is_refused(folder):
    (folder / "deep").chmod(0)
    try:
        with pytest.raises(RecordingError, match="Permission denied"):
            find_recordings([str(folder)])
    finally:
        (folder / "deep").chmod(0o755)


def test_a_digest_is_of_the_bytes_and_not_of_name_or_time(folder):
    before = content_digest(folder / "b.wav")
    assert before == hashlib.sha256(b"b.wav").hexdigest()
    os.utime(folder / "b.wav", (1, 1))
    renamed = (folder / "b.wav").rename(folder / "z.wav")
    assert content_digest(renamed) == before
    renamed.write_bytes(b"other")
    assert content_digest(renamed) != before


def test_links_in_circles_end_and_links_to_nowhere_are_found_for_what_they_are(folder):
    (folder / "round.wav").symlink_to(folder / "round.wav")
    (folder / "gone.wav").symlink_to(folder / "nowhere.wav")
    (folder / "deep" / "up").symlink_to(folder)
    (folder / "deep" / "up.wav").symlink_to(folder)
    found = find_recordings([folder])
    assert names(found, folder) == [
        *("a.FLAC", "b.wav", "deep/er/c.mp3", "gone.wav", "round.wav"),
    ]
    assert find_recordings([folder / "round.wav"]) == [folder / "round.wav"]
    for name in ("round.wav", "gone.wav"):
        with pytest.raises(RecordingError) as caught:
            content_digest(folder / name)
        assert caught.value.fault == "unreadable"


def test_what_is_no_file_is_never_waited_for(folder, monkeypatch):
    os.mkfifo(folder / "pipe.wav")
    with socket.socket(socket.AF_UNIX) as line:
        monkeypatch.chdir(folder)  # the address of a socket has 108 bytes
        line.bind("socket.wav")
        for name, kind in {"pipe.wav": "pipe", "socket.wav": "socket"}.items():
            with pytest.raises(RecordingError, match=f"no file but a {kind}") as caught:
                content_digest(folder / name)
            assert caught.value.fault == "unreadable"
    with pytest.raises(RecordingError, match="no file but a device"):
        content_digest("/dev/null")


STRANGE = ["مقام.wav", "e\u0301.wav", "👩\u200d🎤.wav", "a\nb.wav", "caf\udce9.wav", "n" * 251 + ".wav"]  # fmt: skip


@pytest.mark.parametrize("name", STRANGE)
def test_files_of_any_name_are_found_and_travel_in_protos(tmp_path, name):
    from amadeus.v1 import practice_pb2

    (tmp_path / name).write_bytes(b"sound")
    (path,) = find_recordings([tmp_path])
    message = practice_pb2.Recordings(uri=[to_uri(path)])
    back = practice_pb2.Recordings.FromString(message.SerializeToString())
    assert to_path(back.uri[0]) == path == tmp_path / name
    assert content_digest(path) == hashlib.sha256(b"sound").hexdigest()
    (path,) = find_recordings([path])
    assert path == tmp_path / name


def test_a_digest_is_read_once_for_as_long_as_a_file_rests(folder, monkeypatch):
    path, reads = folder / "b.wav", []
    digest = recordings.content_digest
    monkeypatch.setattr(
        recordings, "content_digest", lambda path: reads.append(path) or digest(path)
    )
    known_digest(path)
    known_digest(path)
    assert len(reads) == 2  # it was written just now: its times may not show a change
    later = time.time() + 10
    monkeypatch.setattr(recordings.time, "time", lambda: later)
    assert known_digest(path) == known_digest(path) == digest(path)
    assert len(reads) == 3
    seen = path.stat()
    path.write_bytes(b"c.wav")
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert known_digest(path) == digest(path)
    assert len(reads) == 4
