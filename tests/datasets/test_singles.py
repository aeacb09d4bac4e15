"""Single notes named by their pitch are heard, and become records of NSynth."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from amadeus.audio import decode
from amadeus.audio.write import write_wav
from amadeus.datasets import folders, hearing, nsynth, singles, tfrecord
from amadeus.datasets.choice import Choice
from amadeus.datasets.notes import Found, walk
from amadeus.errors import ConfigError, RecordingError
from tests.datasets import notes_made


@pytest.fixture(scope="module")
def listener():
    return hearing.Listener()


@pytest.fixture
def folder(tmp_path):
    """Good notes, one called by a neighbour's name, one by another octave's, and what is no note."""
    sounds = {
        "A4.wav": (notes_made.tone(69, rate=44_100), 44_100),
        "Fs4_forte.wav": (notes_made.tone(66), 16_000),
        "B3.wav": (notes_made.tone(60), 16_000),
        "C4.wav": (notes_made.tone(72), 16_000),
        "melody.wav": (notes_made.tone(64), 16_000),
    }
    place = tmp_path / "a flute"
    place.mkdir()
    for name, (sound, rate) in sounds.items():
        write_wav(place / name, sound, sample_rate=rate)
    (place / "E4.wav").write_text("this is a text")
    return place


def _examined(folder, **options):
    paths = sorted(folder.iterdir())
    return {one.path.name: one for one in singles.examine(paths, **options)}


@pytest.mark.parametrize("pitch", [55, 69, 84])
def test_a_note_that_is_what_it_is_called_is_right(listener, pitch):
    verdict = listener.judge(notes_made.tone(pitch), pitch)
    assert verdict.status == "right"
    assert abs(verdict.cents) < 20


@pytest.mark.parametrize(
    ("heard", "called", "says"),
    [
        (70, 69, "A#4 is heard, [0-9]+ cents above"),
        (57, 69, "A3 is heard, an octave below"),
        (84, 60, "C6 is heard, 2 octaves above"),
    ],
)
def test_a_wrong_name_is_told_by_how_far(listener, heard, called, says):
    verdict = listener.judge(notes_made.tone(heard), called)
    assert verdict.status == "wrong"
    assert verdict.cents == pytest.approx(100 * (heard - called), abs=20)
    import re

    assert re.search(says, verdict.text)


def test_several_notes_are_no_single_one(listener):
    sound = np.concatenate([notes_made.tone(p, seconds=0.5) for p in (60, 64, 67, 72)])
    verdict = listener.judge(sound, 64)
    assert verdict.status == "wrong"
    assert "several notes are heard" in verdict.text


def test_silence_contradicts_no_name(listener):
    assert listener.judge(np.zeros(16_000, "f4"), 69).status == "unsure"


def test_every_file_is_told_apart(folder):
    found = _examined(folder)
    assert {name: one.outcome for name, one in found.items()} == {
        "A4.wav": "taken",
        "Fs4_forte.wav": "taken",
        "B3.wav": "wrong",
        "C4.wav": "wrong",
        "melody.wav": "nameless",
        "E4.wav": "unreadable",
    }
    assert found["Fs4_forte.wav"].velocity == 100


@pytest.mark.parametrize(("wrong", "pitch"), [("keep", 60), ("rename", 72)])
def test_a_wrong_name_is_kept_or_mended_on_wish(folder, wrong, pitch):
    found = _examined(folder, wrong=wrong)["C4.wav"]
    assert (found.outcome, found.pitch) == ("taken", pitch)


def _made(folder, target, **options):
    making = singles.check_making(singles.Making(family="flute", **options))
    with folders.appearing(target) as scratch:
        found = singles.examine(sorted(folder.iterdir()), wrong=making.wrong)
        singles.write(found, target, making, scratch)
    shards = sorted(target.glob("*.tfrecord"))
    return [one for path in shards for one in walk(path, Choice())], shards


def test_notes_keep_their_rate_and_their_sound(folder, tmp_path):
    found, _ = _made(folder, tmp_path / "out")
    assert all(isinstance(one, Found) for one in found)
    labels = {one.label.name: one.label for one in found}
    assert labels.keys() == {
        *("flute_acoustic_000-069-075", "flute_acoustic_000-066-100")
    }
    assert labels["flute_acoustic_000-069-075"].sample_rate == 44_100
    (record,) = [one.record.data for one in found if one.label.pitch == 69]
    true = decode.read(folder / "A4.wav", sample_rate=44_100)
    assert nsynth.read_audio(record).tobytes() == true.tobytes()


def test_rate_length_velocity_source_and_number_are_as_asked(folder, tmp_path):
    found, _ = _made(
        folder,
        tmp_path / "out",
        sample_rate=22_050,
        seconds=2.0,
        velocity=31,
        source="electronic",
        instrument=7,
    )
    label = next(one.label for one in found if one.label.pitch == 69)
    assert label.name == "flute_electronic_007-069-031"
    assert (label.sample_rate, label.n_samples, label.source) == (
        22_050,
        44_100,
        "electronic",
    )


def test_a_note_that_comes_again_is_another_instrument(tmp_path):
    place = tmp_path / "flute"
    place.mkdir()
    for name in ("A4.wav", "A4 v2.wav"):
        write_wav(place / name, notes_made.tone(69), sample_rate=16_000)
    found, _ = _made(place, tmp_path / "out")
    assert [one.label.name for one in found] == [
        *("flute_acoustic_000-069-075", "flute_acoustic_001-069-075")
    ]


def test_shards_are_bounded_and_the_index_tells_them(folder, tmp_path):
    found, shards = _made(folder, tmp_path / "out", shard_bytes=1)
    assert [path.name for path in shards] == [
        *("flute-00000-of-00002.tfrecord", "flute-00001-of-00002.tfrecord")
    ]
    index = json.loads((tmp_path / "out" / "index.json").read_text())
    assert index["notes"] == len(found) == 2
    assert [one["n_bytes"] for one in index["shards"]] == [
        p.stat().st_size for p in shards
    ]
    told = {one["file"]: one for one in index["files"]}
    assert told["C4.wav"]["outcome"] == "wrong"
    assert told["C4.wav"]["cents"] == pytest.approx(1200, abs=20)


def test_tensorflow_reads_the_shards(folder, tmp_path):
    tf = pytest.importorskip("tensorflow")
    found, shards = _made(folder, tmp_path / "out")
    read = [one.numpy() for one in tf.data.TFRecordDataset(list(map(str, shards)))]
    assert read == [one.record.data for one in found]


def test_where_no_note_is_left_nothing_is_written(folder, tmp_path):
    place = tmp_path / "wrong"
    place.mkdir()
    (folder / "melody.wav").rename(place / "melody.wav")
    with pytest.raises(RecordingError, match="none of 1 files became a note"):
        _made(place, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_lasts_too_long_is_no_note(tmp_path):
    path = tmp_path / "A4.wav"
    write_wav(path, np.zeros(61 * 8_000, "f4"), sample_rate=8_000)
    (one,) = singles.examine([path])
    assert one.outcome == "too long"


def test_what_lasts_too_long_and_does_not_say_so_is_no_note(tmp_path, monkeypatch):
    path = tmp_path / "A4.wav"
    write_wav(path, np.zeros(61 * 8_000, "f4"), sample_rate=8_000)
    silent = decode.probe(path)._replace(duration_s=None)
    monkeypatch.setattr(decode, "probe", lambda _: silent)
    (one,) = singles.examine([path])
    assert one.outcome == "too long"


def test_a_file_that_goes_away_leaves_no_shard_open(folder, tmp_path):
    making = singles.Making(family="flute")
    found = list(singles.examine(sorted(folder.glob("[AF]*.wav"))))
    (folder / "Fs4_forte.wav").unlink()
    with pytest.raises(RecordingError, match=r"Fs4_forte\.wav") as error:
        singles.write(found, tmp_path / "out", making, tmp_path)
    shard = str((tmp_path / ".shard-00000").resolve(strict=True))
    opened = [os.path.realpath(one) for one in Path("/proc/self/fd").iterdir()]
    assert shard not in opened
    assert error.tb is not None  # which holds what was not closed


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"family": "kazoo"}, "choose one of bass, brass"),
        ({"family": "flute", "source": "real"}, "choose one of acoustic"),
        ({"family": "flute", "sample_rate": 100}, "from 8000 to 192000"),
        ({"family": "flute", "seconds": 0.0}, "more than 0 and at most 60"),
    ],
)
def test_settings_that_cannot_work_are_a_sentence(options, says):
    with pytest.raises(ConfigError, match=says):
        singles.check_making(singles.Making(**options))


@pytest.mark.parametrize(
    ("names", "family"),
    [
        (["cello/A4.wav", "cello/B4.wav"], "string"),
        (["x/bass-guitar-A1.wav"], "bass"),
        (["x/contrabass-A1.wav"], "string"),
        (["x/A4.wav"], None),
        (["x/flute-A4.wav", "x/violin-A4.wav"], None),
    ],
)
def test_families_are_read_from_names(names, family):
    assert singles.guess_family(map(Path, names)) == family


def test_records_stay_below_what_is_read():
    longest = singles.MAX_NOTE_S * 192_000 * 4
    assert longest < tfrecord.MAX_RECORD_BYTES
