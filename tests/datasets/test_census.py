"""What a data set holds is counted, and so is what of it cannot be read."""

import gzip

import numpy as np
import pytest

from amadeus.datasets import tfrecord
from amadeus.datasets.census import Census, Kind, take_census
from amadeus.datasets.choice import Choice, parse_choice
from amadeus.datasets.files import find_files
from amadeus.datasets.notes import Found, Unusable, read_sound, walk
from amadeus.datasets.table import render
from tests.datasets import notes_made


def _census(path, said=""):
    return take_census(find_files([str(path)]), parse_choice(said))


@pytest.fixture
def folder(tmp_path):
    notes_made.write(tmp_path / "a.tfrecord", notes_made.several(33))
    framed = tfrecord.frame(notes_made.tfds())
    (tmp_path / "b.tfrecord").write_bytes(gzip.compress(framed))
    return tmp_path


def test_notes_are_counted_by_family_and_source(folder):
    census = _census(folder)
    assert census.n_notes == 34
    assert census.n_files == 2
    assert len(census.rows) == 33
    row = census.rows[Kind("string", "acoustic")]
    assert (row.n_notes, row.lowest, row.highest) == (1 + 1, 48, 70)
    assert row.duration_s == pytest.approx(0.1)
    assert row.instruments == {"string_acoustic_012", "string_acoustic_030"}
    assert census.schemas == {"google": 33, "tfds": 1}
    assert sum(census.velocities.values()) == 34


def test_what_is_not_chosen_is_counted_apart(folder):
    census = _census(folder, "family=string,source=acoustic")
    assert (census.n_notes, census.n_passed) == (2, 32)


def test_parts_add_up_to_the_whole(folder):
    joined = Census()
    for name in ("b.tfrecord", "a.tfrecord"):
        joined.join(_census(folder / name))
    assert joined.to_json() == _census(folder).to_json()


def test_damage_is_counted_by_kind_and_told(tmp_path):
    records = notes_made.several(6)
    path = notes_made.write(tmp_path / "a.tfrecord", [*records[:4], b"foreign"])
    data = bytearray(path.read_bytes())
    data[200] ^= 1  # in the first record
    path.write_bytes(data)
    cut = notes_made.write(tmp_path / "b.tfrecord", records[4:])
    cut.write_bytes(cut.read_bytes()[:-5])
    census = _census(tmp_path)
    assert census.n_notes == 4
    assert census.unusable == {"corrupt_record": 1, "wrong_schema": 1, "truncated": 1}
    text = render(census)
    assert "cannot be used: 1 damaged, 1 cut off, 1 of another kind" in text
    assert "a.tfrecord, byte 0: the bytes of a record do not fit" in text
    assert "what follows in this file is lost" in text


def test_of_much_damage_the_first_is_told(tmp_path):
    notes_made.write(tmp_path / "a.tfrecord", [b"foreign"] * 50)
    census = _census(tmp_path)
    assert census.n_unusable == 50
    assert len(census.sentences) == 5
    assert "and 45 more" in render(census)


def test_the_table_says_pitches_and_lengths(folder):
    lines = render(_census(folder, "family=string")).splitlines()
    assert lines[0].split() == [
        *("family", "source", "notes"),
        *("instruments", "pitches", "duration"),
    ]
    assert lines[1].split() == [
        *("string", "acoustic", "2", "2"),
        *("48-70", "(C3", "to", "A#4)", "0:00"),
    ]
    assert "not chosen: 30" in lines


def test_mixed_rates_are_told(tmp_path):
    notes_made.write(
        tmp_path / "a.tfrecord", [notes_made.google(), notes_made.google(rate=44_100)]
    )
    assert "sample rates in Hz: 16000 (1), 44100 (1)" in render(_census(tmp_path))


@pytest.mark.parametrize(
    ("audio", "fault"),
    [
        (np.array([0.1, np.nan], "f4"), "corrupt_record"),
        (np.array([np.inf, 0], "f4"), "corrupt_record"),
        (np.zeros(0, "f4"), "wrong_schema"),
    ],
)
def test_sound_that_cannot_be_learned_from_is_told(tmp_path, audio, fault):
    path = notes_made.write(tmp_path / "a.tfrecord", [notes_made.google(audio=audio)])
    (found,) = walk(path, Choice())
    assert isinstance(found, Found)
    sound = read_sound(found)
    assert isinstance(sound, Unusable)
    assert sound.fault == fault


def test_sound_beyond_full_scale_is_made_softer(tmp_path):
    audio = np.array([0.5, -2.0], "f4")
    path = notes_made.write(tmp_path / "a.tfrecord", [notes_made.google(audio=audio)])
    (found,) = walk(path, Choice())
    assert read_sound(found).tolist() == [0.25, -1.0]
