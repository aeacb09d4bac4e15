"""A practice on a data set, through the real worker: notes of NSynth to a voice that knows what it learned from."""

import gzip
import json

import pytest

from amadeus import lineage
from amadeus.datasets import tfrecord
from amadeus.voice.player import Voice
from tests.datasets import notes_made
from tests.pipelines.conftest import Studio, profile_with

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def records():
    return [
        notes_made.google(
            number,
            family="flute" if number % 2 else "reed",
            pitch=60 + number,
            audio=notes_made.tone(60 + number, seconds=1.0, rate=rate),
            rate=rate,
        )
        for number in range(12)
        for rate in (44_100 if number == 5 else 16_000,)
    ]


@pytest.fixture(scope="module")
def practised(tmp_path_factory, records, tiny_profile):
    folder = tmp_path_factory.mktemp("set")
    framed = b"".join(map(tfrecord.frame, records))
    (folder / "a.tfrecord").write_bytes(framed)
    (folder / "b.gz").write_bytes(gzip.compress(framed))
    (folder / "c.tfrecord").write_bytes(framed[:-9])
    studio = Studio(tmp_path_factory.mktemp("home"))
    flutes = f"nsynth:{folder / 'a.tfrecord'}#family=flute"
    studio.first = studio.practise("1-first", [flutes], tiny_profile)
    same = f"nsynth:{folder / 'b.gz'}#family=flute"
    studio.same = studio.practise("2-same", [same], tiny_profile)
    damaged = f"nsynth:{folder / 'c.tfrecord'}#family=flute"
    studio.damaged = studio.practise("3-damaged", [damaged], tiny_profile)
    allowed = profile_with(tiny_profile, max_skipped_fraction=0.5)
    studio.allowed = studio.practise("4-allowed", [damaged], allowed)
    return studio


def test_a_voice_learns_from_the_notes_that_were_chosen(practised):
    assert practised.first.status == 0
    voice = Voice.load(practised.deu.voices_path / "1")
    counts = dict(voice.personality.statistics.take_count)
    assert sum(counts.values()) == 6
    assert counts["eval"] >= 1


def test_the_lineage_says_which_notes_they_were(practised):
    (record, *_) = lineage.generations_of(practised.home, practised.deu)
    assert record.generation == 1
    text = json.dumps(_taught(practised))
    assert "6 notes of nsynth (family=flute)" in text
    (row,) = _taught(practised)
    assert row["note_count"] == row["take_count"] == 6
    assert row["notes_of_the_set"] == 12
    assert row["files"] == ["a.tfrecord"]
    assert row["sample_rates"] == {"16000": 5, "44100": 1}
    assert len(row["content"]) == 64


def test_damage_stops_or_is_skipped_and_counted_as_the_profile_says(practised):
    assert practised.damaged.status == 2
    (failed,) = practised.damaged.all("failed")
    assert "c.tfrecord" in failed.text
    assert "max_skipped_fraction" in failed.text
    assert practised.allowed.status == 0


def test_the_same_notes_in_another_file_are_the_same_practice(practised):
    assert practised.same.status == 0
    (finished,) = practised.same.all("finished")
    (first,) = practised.first.all("finished")
    assert finished.digest == first.digest


def _taught(studio):
    from amadeus.lineage.store import connect, connection

    store = connect(connection(studio.home))
    found = store.get_artifacts_by_type("Examples")
    rows = [
        json.loads(one.custom_properties["takes"].string_value)
        for one in found
        if "takes" in one.custom_properties
    ]
    return rows[0]
