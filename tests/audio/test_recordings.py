"""Files, folders and globs mean each recording once, in order."""

import hashlib
import os

import pytest

from amadeus.audio.recordings import content_digest, find_recordings
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
