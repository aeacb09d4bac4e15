import shutil
from pathlib import Path

import pytest

from amadeus.errors import HomeError
from amadeus.export.place import put_file, put_folder_copy


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source"
    path.mkdir()
    (path / "new.txt").write_text("new")
    return path


@pytest.fixture
def shelf(tmp_path):
    path = tmp_path / "shelf"
    path.mkdir()
    return path


def names(folder):
    return [path.name for path in folder.iterdir()]


def test_a_file_that_cannot_be_written_leaves_the_old_one(shelf, monkeypatch):
    put_file(shelf / "voice", b"old")

    def write_half(path, content):
        with path.open("wb") as file:
            file.write(content[:1])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write_half)
    with pytest.raises(HomeError, match="No space left"):
        put_file(shelf / "voice", b"new")
    assert (shelf / "voice").read_text() == "old"
    assert names(shelf) == ["voice"]


def test_a_folder_that_cannot_be_copied_leaves_the_old_one(shelf, source, monkeypatch):
    put_folder_copy(shelf / "voice", source)
    (shelf / "voice" / "old.txt").write_text("old")

    def copy_half(source, target):
        Path(target).mkdir()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copytree", copy_half)
    with pytest.raises(HomeError, match="No space left"):
        put_folder_copy(shelf / "voice", source)
    assert (shelf / "voice" / "old.txt").read_text() == "old"
    assert names(shelf) == ["voice"]


def test_a_folder_that_cannot_be_moved_in_gives_way_to_the_old_one(
    shelf, source, monkeypatch
):
    put_folder_copy(shelf / "voice", source)
    (shelf / "voice" / "old.txt").write_text("old")
    rename = Path.rename

    def refuse(path, target):
        if ".new-" in path.name:
            raise OSError(1, "Operation not permitted")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(HomeError, match="not permitted"):
        put_folder_copy(shelf / "voice", source)
    assert (shelf / "voice" / "old.txt").read_text() == "old"
    assert names(shelf) == ["voice"]
