"""Which files are meant: files, folders, globs and buckets."""

import os

import pytest

from amadeus.datasets.files import at_hand, find_files
from amadeus.errors import RecordingError


@pytest.fixture
def folder(tmp_path):
    for name in (
        *("a.tfrecord-00000-of-00002", "a.tfrecord-00001-of-00002", "deep/b.tfrecord"),
        *("index.json", ".hidden.tfrecord", ".dot/c.tfrecord", "deep/x.wav"),
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path


def _names(found):
    return [file.name for file in found]


def test_a_folder_means_its_files_of_records(folder):
    assert _names(find_files([str(folder)])) == [
        *("a.tfrecord-00000-of-00002", "a.tfrecord-00001-of-00002", "b.tfrecord")
    ]


def test_a_name_that_no_disk_takes_is_a_sentence():
    with pytest.raises(RecordingError, match="File name too long; check the name"):
        find_files(["x" * 5000])


def test_a_pipe_is_refused_and_not_waited_for(folder):
    os.mkfifo(folder / "pipe.tfrecord")
    with pytest.raises(RecordingError, match=r"pipe\.tfrecord is no regular file"):
        find_files([str(folder)])


def test_files_and_globs_are_found_once(folder):
    words = [str(folder / "a.*"), str(folder / "index.json"), str(folder / "a.*1-*")]
    found = find_files(words)
    assert _names(found) == [
        *("a.tfrecord-00000-of-00002", "a.tfrecord-00001-of-00002", "index.json")
    ]
    assert {file.n_bytes for file in found} == {1}


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("none", "there is no .*none"),
        ("z*", "matches no files"),
        ("empty", "holds no files of records: put files with .tfrecord"),
    ],
)
def test_what_means_nothing_is_a_sentence(folder, word, says):
    (folder / "empty").mkdir()
    with pytest.raises(RecordingError, match=says):
        find_files([str(folder / word)])


def test_nothing_named_is_a_sentence():
    with pytest.raises(RecordingError, match="no data set was named"):
        find_files([])


def test_a_file_here_is_read_where_it_lies(folder):
    (file,) = find_files([str(folder / "deep")])
    with at_hand(file) as path:
        assert path == folder / "deep/b.tfrecord"
