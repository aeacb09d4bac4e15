"""Conditions on notes, as words of the command and as the end of an address."""

import pytest

from amadeus.datasets import nsynth
from amadeus.datasets.choice import Choice, Place, parse_choice, parse_place
from amadeus.errors import ConfigError
from tests.datasets import notes_made

LABEL = nsynth.read_label(
    notes_made.google(family="flute", source="acoustic", pitch=66, velocity=75)
)


@pytest.mark.parametrize(
    ("said", "takes"),
    [
        ("", True),
        ("family=flute", True),
        ("family=reed", False),
        ("family=reed+flute", True),
        ("family=flute,source=acoustic", True),
        ("family=flute,source=electronic", False),
        ("pitch=66", True),
        ("pitch=67-80", False),
        ("pitch=67-80+60-66", True),
        ("pitch=C4-F#4", True),
        ("pitch=Gb4", True),
        ("pitch=G4-C5", False),
        ("velocity=75-127", True),
        ("velocity=76", False),
        ("instrument=flute_acoustic_000", True),
        ("instrument=flute_*", True),
        ("instrument=flute_acoustic_00", False),
    ],
)
def test_conditions_choose(said, takes):
    assert parse_choice(said).takes(LABEL) is takes


def test_an_address_is_read_and_written_again():
    place = parse_place("nsynth:a folder/*#velocity=25+100,family=flute")
    assert place.path == "a folder/*"
    assert place.uri == "nsynth:a folder/*#family=flute,velocity=25+100"
    assert parse_place(place.uri) == place
    assert parse_place("nsynth:notes") == ("notes", Choice())


def test_a_hash_in_a_name_is_no_condition():
    assert parse_place("nsynth:take #2.tfrecord").path == "take #2.tfrecord"
    assert parse_place("nsynth:x#pitch=F#4-G#4").uri == "nsynth:x#pitch=66-68"


@pytest.mark.parametrize("path", ["a#b=c", "a#b", "#", "a#"])
@pytest.mark.parametrize("said", ["", "family=flute"])
def test_any_path_is_written_so_that_it_is_read_again(path, said):
    place = Place(path, parse_choice(said))
    assert parse_place(place.uri) == place


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("nsynth:", "names no data set"),
        ("nsynth:x#family=flute,reed", r"'reed' is no condition .* family=flute\+reed"),
        ("nsynth:x#famly=flute", "keys? of family, source, pitch"),
        ("nsynth:x#family=flut", "its families are bass, brass, flute"),
        ("nsynth:x#source=real", "its sources are acoustic, electronic, synthetic"),
        ("nsynth:x#family=flute,family=reed", r"twice: .* family=flute\+reed"),
        ("nsynth:x#pitch=72-60", "write pitch=60-72, 60 or C4-C5"),
        ("nsynth:x#pitch=128", "no number or range in 0 to 127"),
        ("nsynth:x#velocity=C4", "write velocity=25-75 or 100"),
        ("nsynth:x#instrument=", "names none"),
    ],
)
def test_bad_conditions_are_a_sentence_with_the_valid_names(word, says):
    with pytest.raises(ConfigError, match=says) as error:
        parse_place(word)
    assert str(error.value).endswith(".")
