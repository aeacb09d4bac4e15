"""Data sets that lie elsewhere are brought once, whatever killed processes left, and by several at a time."""

import threading

import pytest

from amadeus.datasets.bringing import bring
from amadeus.datasets.choice import parse_place
from amadeus.datasets.files import find_files
from amadeus.datasets.notes import Found, walk
from tests.datasets import notes_made


@pytest.fixture
def word(tmp_path):
    place = tmp_path / "store"
    place.mkdir()
    notes_made.write(place / "a.tfrecord", notes_made.several(33))
    notes_made.write(place / "b.tfrecord", notes_made.several(33, first=33))
    return f"nsynth:{place.as_uri()}#family=flute"


def _n_notes(word):
    place = parse_place(word)
    return sum(
        isinstance(one, Found)
        for file in find_files([place.path])
        for one in walk(file.place, place.choice)
    )


def test_what_a_killed_process_left_is_removed(word, tmp_path):
    brought = bring(word, tmp_path / "home")
    (folder,) = (tmp_path / "home").iterdir()
    for name in ("amadeus-dataset-x", ".amadeus-dataset-y"):
        (folder / name).mkdir()
        (folder / name / "records").write_bytes(b"half")
    (folder / ".z.tfrecord.abcd").write_bytes(b"half")
    said = []
    assert bring(word, tmp_path / "home", say=said.append) == brought
    assert said == []
    assert _n_notes(brought) == 6
    assert len([path for path in folder.iterdir() if path.name != ".lock"]) == 2


def test_several_bring_it_once(word, tmp_path):
    said, brought = [], []

    def work():
        brought.append(bring(word, tmp_path / "home", say=said.append))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(brought) == 3
    assert len(set(brought)) == 1
    assert len(said) == 2  # a line for each object
    assert _n_notes(brought[0]) == 6
