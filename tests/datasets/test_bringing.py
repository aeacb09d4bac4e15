"""Data sets that lie elsewhere are brought once, whatever killed processes left, and by several at a time."""

import threading

import pytest

from amadeus.datasets import left_out, tfrecord
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
    names = [path.name for path in folder.iterdir() if path.name != ".lock"]
    assert len([name for name in names if name.endswith(".tfrecord")]) == 2
    assert len(names) == 4  # beside each it is written where it comes from


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


def test_what_is_damaged_stays_behind_and_is_counted_here(word, tmp_path):
    data = bytearray((tmp_path / "store" / "a.tfrecord").read_bytes())
    data[70] ^= 1
    (tmp_path / "store" / "a.tfrecord").write_bytes(bytes(data))
    framed = tfrecord.frame(b"none of NSynth")
    with (tmp_path / "store" / "b.tfrecord").open("ab") as file:
        file.write(2_000 * framed)
    said = []
    brought = bring(word, tmp_path / "home", say=said.append)
    again = bring(word, tmp_path / "home")
    assert brought == again
    found = [
        left_out.read_origin(file.place)
        for file in find_files([parse_place(brought).path])
    ]
    counts = {one.name: dict(one.skipped.counts) for one in found}
    assert counts == {
        "a.tfrecord": {"corrupt_record": 1},
        "b.tfrecord": {"wrong_schema": 2_000},
    }
    told = [line for line in said if line.startswith("left out: ")]
    assert told[0].startswith("left out: a.tfrecord, byte 0: ")
    assert told[-1] == "left out: 1,997 more that are records of another kind"
    assert len(told) == 5


def test_a_file_that_was_always_here_comes_from_itself(tmp_path):
    origin = left_out.read_origin(tmp_path / "x.tfrecord")
    assert (origin.name, origin.skipped.n_takes) == ("x.tfrecord", 0)
