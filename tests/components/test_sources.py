"""Notes of data sets as takes: chosen, split by their content, resampled, many to a file."""

import gzip
import json

import numpy as np
import pytest

from amadeus.datasets import left_out
from amadeus.datasets.bringing import bring
from amadeus.errors import ConfigError, RecordingError
from components import records
from components.audio_example_gen import sources
from components.audio_example_gen.splitting import make_rule
from tests.datasets import notes_made


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "set"
    place.mkdir()
    made = notes_made.several(44)
    notes_made.write(place / "a.tfrecord", made[:20])
    notes_made.write(place / "b.tfrecord", made[20:])
    return place


@pytest.fixture
def uris(tmp_path):
    found = {split: tmp_path / split for split in ("train", "eval")}
    for path in found.values():
        path.mkdir()
    return {split: str(path) for split, path in found.items()}


def _written(gathered, uris, *, sample_rate=16_000, eval_fraction=0.25):
    rule = make_rule((n.digest for n in gathered.notes), eval_fraction=eval_fraction)
    for job in sources.jobs(gathered.notes):
        sources.write_job(job, rule, split_uris=uris, sample_rate=sample_rate)
    return {
        split: [
            one
            for path in records.list_files(uri)
            for one in records.read_records(path)
        ]
        for split, uri in uris.items()
    }


def _take(example):
    (digest,) = example.features.feature["take"].bytes_list.value
    return digest.decode()


def _takes(found):
    return {
        split: {_take(one) for one in examples} for split, examples in found.items()
    }


def test_a_data_set_is_told_from_recordings():
    assert sources.is_dataset("nsynth:x")
    assert not sources.is_dataset("/music/nsynth:x.wav")


def test_chosen_notes_are_gathered_with_what_is_said_of_them(folder):
    found = sources.gather(f"nsynth:{folder}#family=flute")
    assert {note.name.split("_")[0] for note in found.notes} == {"flute"}
    facts = json.loads(json.dumps(found.facts))
    assert facts["note_count"] == len(found.notes) == 4
    assert facts["notes_of_the_set"] == 44
    assert facts["filter"] == "family=flute"
    assert facts["families"] == {"flute": 4}
    assert facts["files"] == ["a.tfrecord", "b.tfrecord"]
    assert facts["sample_rates"] == {"16000": 4}
    assert found.skipped.n_takes == 0


def test_what_stayed_behind_in_a_bucket_is_counted(folder, tmp_path):
    data = bytearray((folder / "a.tfrecord").read_bytes())
    data[70] ^= 1
    (folder / "a.tfrecord").write_bytes(bytes(data))
    here = sources.gather(f"nsynth:{folder}")
    brought = sources.gather(bring(f"nsynth:{folder.as_uri()}", tmp_path / "home"))
    assert here.skipped.counts == {"corrupt_record": 1}
    assert brought.skipped == here.skipped
    assert brought.facts["content"] == here.facts["content"]
    assert brought.facts["files"] == here.facts["files"]


def test_content_and_nothing_else_decides_who_the_notes_are(folder, tmp_path):
    one = sources.gather(f"nsynth:{folder}#source=acoustic")
    everything = b"".join(
        path.read_bytes() for path in sorted(folder.iterdir(), reverse=True)
    )
    other_path = tmp_path / "other.gz"
    other_path.write_bytes(gzip.compress(everything))
    other = sources.gather(f"nsynth:{other_path}#source=acoustic")
    assert {note.digest for note in one.notes} == {note.digest for note in other.notes}
    assert one.facts["content"] == other.facts["content"]


def test_notes_that_come_twice_are_learned_from_once(folder):
    (folder / "c.tfrecord").write_bytes((folder / "a.tfrecord").read_bytes())
    found = sources.gather(f"nsynth:{folder}")
    assert len(found.notes) == len({note.digest for note in found.notes}) == 44
    assert found.facts["twice"] == 20


def test_a_set_that_changed_is_gathered_anew(folder):
    before = sources.gather(f"nsynth:{folder}")
    notes_made.write(folder / "c.tfrecord", notes_made.several(3, first=100))
    assert len(sources.gather(f"nsynth:{folder}").notes) == len(before.notes) + 3


def test_many_notes_share_a_file_and_each_is_in_one_split(folder, uris):
    gathered = sources.gather(f"nsynth:{folder}")
    found = _written(gathered, uris)
    takes = _takes(found)
    assert takes["train"] | takes["eval"] == {note.digest for note in gathered.notes}
    assert not takes["train"] & takes["eval"]
    assert 0 < len(takes["eval"]) < len(takes["train"])
    assert (
        sum(len(records.list_files(uri)) for uri in uris.values()) == 4
    )  # 2 files, 2 splits


def test_added_notes_move_no_other(folder, uris, tmp_path):
    first = _takes(_written(sources.gather(f"nsynth:{folder}"), uris))
    notes_made.write(folder / "c.tfrecord", notes_made.several(30, first=100))
    later = {split: f"{uri}-later" for split, uri in uris.items()}
    for uri in later.values():
        (tmp_path / uri).mkdir()
    second = _takes(_written(sources.gather(f"nsynth:{folder}"), later))
    for split, takes in first.items():
        assert takes < second[split]


def test_files_are_bounded(folder, uris, monkeypatch):
    monkeypatch.setattr(sources, "NOTES_A_FILE", 3)
    gathered = sources.gather(f"nsynth:{folder}")
    assert all(len(job.notes) <= 3 for job in sources.jobs(gathered.notes))
    found = _written(gathered, uris)
    assert sum(map(len, found.values())) == 44
    for uri in uris.values():
        for path in records.list_files(uri):
            assert len({_take(one) for one in records.read_records(path)}) <= 3


def test_a_gzipped_set_gives_the_same_records(folder, uris, tmp_path):
    plain = _written(sources.gather(f"nsynth:{folder}#family=flute+bass"), uris)
    for path in folder.iterdir():
        path.write_bytes(gzip.compress(path.read_bytes(), 1))
    other = {split: f"{uri}-gz" for split, uri in uris.items()}
    for uri in other.values():
        (tmp_path / uri).mkdir()
    unpacked = _written(sources.gather(f"nsynth:{folder}#family=flute+bass"), other)
    assert unpacked == plain


def test_sound_is_as_recorded_at_the_rate_of_the_learner(tmp_path, uris):
    path = tmp_path / "x.tfrecord"
    audio = notes_made.tone(57, rate=44_100) + np.float32(0.1)  # with a mean
    notes_made.write(
        path, [notes_made.google(audio=audio, rate=44_100), notes_made.google(1)]
    )
    found = _written(sources.gather(f"nsynth:{path}"), uris)
    example = max(
        (one for examples in found.values() for one in examples),
        key=lambda one: len(one.features.feature["audio"].float_list.value),
    )
    heard = records.floats(example.features.feature["audio"])
    (offset,) = example.features.feature["offset_samples"].int64_list.value
    true = notes_made.tone(57, rate=16_000)[offset : offset + len(heard)]
    assert len(heard) > 15_000
    assert np.abs(heard[200:-200] - true[200:-200]).max() < 0.01
    assert example.features.feature["sample_rate"].int64_list.value == [16_000]


def test_a_lone_note_is_divided_in_time(tmp_path, uris):
    path = tmp_path / "x.tfrecord"
    audio = notes_made.tone(57, seconds=4.0)
    notes_made.write(path, [notes_made.google(audio=audio)])
    found = _written(sources.gather(f"nsynth:{path}"), uris)
    n_samples = {
        split: sum(
            len(one.features.feature["audio"].float_list.value) for one in examples
        )
        for split, examples in found.items()
    }
    assert n_samples["eval"] == pytest.approx(0.25 * 64_000, rel=0.05)
    assert n_samples["train"] + n_samples["eval"] == pytest.approx(64_000, rel=0.05)


def test_what_cannot_be_used_is_counted_with_its_reason(folder):
    path = folder / "a.tfrecord"
    data = bytearray(path.read_bytes())
    data[60] ^= 1
    path.write_bytes(data[:-3])
    bad = notes_made.google(audio=np.array([np.nan, 0], "f4"))
    notes_made.write(folder / "c.tfrecord", [b"foreign", bad])
    found = sources.gather(f"nsynth:{folder}")
    assert len(found.notes) == 42
    assert found.skipped.counts == {
        "truncated": 1,
        "corrupt_record": 2,
        "wrong_schema": 1,
    }
    names = [one.name for ones in found.skipped.first.values() for one in ones]
    assert "a.tfrecord at byte 0" in names


def test_names_of_files_are_told_so_that_any_terminal_takes_them(tmp_path):
    path = tmp_path / "x\x1b[2J\udcff.tfrecord"
    notes_made.write(path, [notes_made.google(), b"foreign"])
    found = sources.gather(f"nsynth:{path}")
    assert found.facts["files"] == [r"x\x1b[2J\xff.tfrecord"]
    (one,) = found.skipped.first["wrong_schema"]
    assert (one.name + one.text).isprintable()


def test_millions_of_faults_are_counted_and_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(left_out, "_KEPT", 4)
    kept = []
    gather = left_out.skips.gather
    monkeypatch.setattr(
        left_out.skips, "gather", lambda ones: kept.append(len(ones)) or gather(ones)
    )
    notes_made.write(tmp_path / "x", [notes_made.google(), *[b"foreign"] * 21])
    found = sources.gather(f"nsynth:{tmp_path / 'x'}")
    assert found.skipped.counts == {"wrong_schema": 21}
    assert len(found.skipped.first["wrong_schema"]) == 3
    assert max(kept) == 4


def test_samples_as_large_as_floats_can_be_are_brought_into_range(tmp_path, uris):
    most = np.finfo(np.float32).max
    audio = notes_made.tone(57)
    audio = most * np.where(np.arange(len(audio)) % 5 < 4, 1, -1).astype("f4")
    notes_made.write(tmp_path / "x", [notes_made.google(audio=audio)])
    found = _written(sources.gather(f"nsynth:{tmp_path / 'x'}"), uris)
    heard = np.concatenate(
        [
            records.floats(one.features.feature["audio"])
            for examples in found.values()
            for one in examples
        ]
    )
    assert len(heard) > 15_000
    assert np.abs(heard).max() == pytest.approx(1)


def test_a_gzip_that_was_damaged_meanwhile_stops_in_a_sentence(folder, uris):
    path = folder / "a.tfrecord"
    path.write_bytes(gzip.compress(path.read_bytes(), 1))
    gathered = sources.gather(f"nsynth:{folder}")
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(RecordingError, match="has changed while it was read"):
        _written(gathered, uris)


def test_a_set_that_changes_between_looking_and_writing_stops(folder, uris):
    gathered = sources.gather(f"nsynth:{folder}")
    notes_made.write(folder / "a.tfrecord", notes_made.several(20, first=7))
    with pytest.raises(RecordingError, match="has changed while it was read"):
        _written(gathered, uris)


@pytest.mark.parametrize(
    ("end", "kind", "says"),
    [
        (
            "#pitch=1",
            RecordingError,
            "none of the 44 notes .* is one of pitch=1: `amadeus dataset nsynth",
        ),
        ("#family=kazoo", ConfigError, "its families are bass"),
        ("/none", RecordingError, "there is no "),
    ],
)
def test_what_cannot_be_is_a_sentence(folder, end, kind, says):
    with pytest.raises(kind, match=says):
        sources.gather(f"nsynth:{folder}{end}")


def test_a_file_of_other_records_is_no_data_set(tmp_path):
    notes_made.write(tmp_path / "x", [b"foreign"])
    with pytest.raises(RecordingError, match="holds no notes of NSynth") as error:
        sources.gather(f"nsynth:{tmp_path / 'x'}")
    assert error.value.fault == "wrong_schema"
