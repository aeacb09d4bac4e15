"""Pitches are read from names of files as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amadeus.datasets.note_names import Named, parse_note, read_name
from amadeus.listen.words import note_name


@given(st.integers(0, 127))
def test_every_note_is_read_by_the_name_it_is_given(pitch):
    assert parse_note(note_name(pitch)) == pitch
    assert parse_note(note_name(pitch).replace("#", "s").lower()) == pitch


@pytest.mark.parametrize(
    ("name", "pitch", "velocity"),
    [
        ("A4.wav", 69, None),
        ("Csharp3.mp3", 49, None),
        ("C#4_forte.wav", 61, 100),
        ("As2.wav", 46, None),  # tonejs-instrument-*-wav
        ("F2 v2.wav", 41, None),
        ("Es4.wav", 65, None),
        ("cello-Fs2-v2.flac", 42, None),
        ("violin_A4_1_forte_arco-normal.mp3", 69, 100),
        ("flute_A5_phrase_mezzo-forte_double-tonguing.mp3", 81, 75),
        ("Bb3.wav", 58, None),
        ("Eflat4_pp.ogg", 63, 25),
        ("ges3.wav", 54, None),
        ("C-1.wav", 0, None),
        ("069.wav", 69, None),
        ("take 60.wav", 60, None),
        ("flute_acoustic_002-077-100.wav", 77, 100),
        ("piano_A4.wav", 69, None),
        ("grand_piano_A4.wav", 69, 50),
        ("Ces4.wav", 59, None),
    ],
)
def test_names_tell_pitch_and_loudness(name, pitch, velocity):
    assert read_name(name) == Named(pitch, velocity)


@pytest.mark.parametrize(
    "name",
    [
        "sax-phrase.wav",
        "A4_B4.wav",
        "01 - 60.wav",
        "G#9.wav",
        "B3B4.aiff",
        "7.wav",
        "200.wav",
        ".wav",
    ],
)
def test_names_that_tell_none_or_several_are_none(name):
    assert read_name(name) is None
