"""AudioExampleGen over a folder of which not all is well: it skips and counts, or stops and leaves nothing."""

import json

import apache_beam as beam
import numpy as np
import pytest
from google.protobuf import json_format

from amadeus.audio import skips
from amadeus.audio.recordings import to_uri
from amadeus.errors import PracticeError, RecordingError, legible
from amadeus.v1 import practice_pb2
from components import records
from components.audio_example_gen import describing, ingest, listing, takes
from components.split_names import SPLITS
from pipelines.blame import find_reason
from pipelines.runner import beam_args
from tests.components import sounds

RATE = sounds.SAMPLE_RATE


class Folder:
    """A folder of takes, and what comes of them."""

    def __init__(self, path):
        self.takes, self.out = path / "takes", path / "out"
        self.takes.mkdir()

    def add(self, name, audio, rate=RATE):
        import soundfile

        soundfile.write(self.takes / name, audio, rate, subtype="PCM_16")

    def run(self, *, max_skipped_fraction=0.0, eval_fraction=0.1):
        uris = {split: str(self.out / split) for split in SPLITS}
        for uri in uris.values():
            (self.out / uri).mkdir(parents=True)
        gathered = takes.gather(sorted(map(to_uri, self.takes.iterdir())))
        path = str(self.out / describing.FILE_NAME)
        with beam.Pipeline(argv=beam_args([])) as pipeline:
            ingest.run(
                gathered,
                uris,
                path,
                settings=ingest.Settings(RATE, eval_fraction, max_skipped_fraction),
                pipeline=pipeline,
            )
        return describing.complete(path, gathered.sets)

    def files(self):
        return sorted(
            str(path.relative_to(self.out))
            for path in self.out.rglob("*")
            if path.is_file()
        )

    def names(self):
        found = set()
        for split in SPLITS:
            for path in records.list_files(str(self.out / split)):
                for record in records.read_records(path):
                    name = record.features.feature["name"].bytes_list.value[0].decode()
                    found.add(name)
        return found


@pytest.fixture
def folder(tmp_path, rng):
    made = Folder(tmp_path)
    for number in range(6):
        made.add(f"{number}.wav", sounds.notes(rng, seconds=1.0))
    return made


def test_a_corrupt_take_stops_a_practice_and_nothing_is_written(folder):
    (folder.takes / "bad.wav").write_text("do re mi")
    with pytest.raises(Exception, match="1 of 7 recordings cannot be used") as caught:
        folder.run()
    reason = find_reason(caught.value, place="home")
    assert isinstance(reason, RecordingError)
    assert "1 cannot be decoded (bad.wav)" in str(reason)
    assert "max_skipped_fraction=0.143." in str(reason)
    assert "\n" not in str(reason)
    assert folder.files() == []


def test_a_take_that_changes_after_it_was_digested_stops_and_nothing_is_written(
    folder, rng, monkeypatch
):
    gather = takes.gather

    def late(uris):
        gathered = gather(uris)
        folder.add("3.wav", sounds.notes(rng, seconds=1.0, f0_hz=330.0))
        return gathered

    monkeypatch.setattr(takes, "gather", late)
    with pytest.raises(Exception, match=r"3\.wav changed while the practice read it"):
        folder.run(max_skipped_fraction=1.0)  # an accident is never skipped
    assert folder.files() == []


def test_as_much_as_the_profile_allows_is_skipped_and_counted(folder):
    (folder.takes / "bad.wav").write_text("do re mi")
    (folder.takes / "cut.wav").write_bytes((folder.takes / "0.wav").read_bytes()[:9000])
    (folder.takes / "gone.wav").symlink_to("nowhere")
    folder.add("rest.wav", np.zeros(RATE))
    found = folder.run(max_skipped_fraction=0.3)
    assert folder.names() == {f"{n}.wav" for n in range(6)}
    assert found.skipped.counts == {
        reason: 1 for reason in ("unreadable", "undecodable", "truncated", "silent")
    }
    assert (found.n_given, found.n_takes) == (10, 6)
    assert [row["name"] for row in found.takes] == [f"{n}.wav" for n in range(6)]
    (told,) = found.warnings(sample_rate=RATE)
    assert told == (
        "skipped 4 of 10: 1 cannot be opened (gone.wav), 1 cannot be decoded (bad.wav), 1 ends early (cut.wav), "
        "1 is silent (rest.wav)."
    )
    own = found.properties()
    assert own["skipped_count"] == 4
    assert skips.from_json(json.loads(own["skipped"])).counts == found.skipped.counts


def test_silent_takes_are_left_out_and_told(folder):
    folder.add("rest.wav", np.zeros(RATE))
    click = np.zeros(RATE)
    click[RATE // 2] = 5e-4  # loud enough for a peak, and too soft to be sound
    folder.add("click.wav", click)
    found = folder.run()
    assert folder.names() == {f"{n}.wav" for n in range(6)}
    assert found.skipped.counts == {"silent": 2}
    assert found.n_takes == 6
    assert {row["name"] for row in found.takes} == folder.names()


def test_a_mix_of_rates_and_channels_becomes_one_rate_and_the_dull_part_is_told(folder):
    time_s = np.arange(8_000) / 8_000
    low = 0.3 * np.sin(2 * np.pi * 440 * time_s)
    folder.add("low.wav", low, 8_000)
    time_s = np.arange(44_100) / 44_100
    high = 0.3 * np.sin(2 * np.pi * 440 * time_s)
    folder.add("wide.wav", np.stack([high, -high, 0 * high], axis=1), 44_100)
    found = folder.run()
    assert found.rates == {8_000: 1, 16_000: 6, 44_100: 1}
    (told,) = found.warnings(sample_rate=RATE)
    assert told.startswith("1 of 8 takes was recorded at 8000 Hz: nothing above 4000")
    heard = {}
    for split in SPLITS:
        for path in records.list_files(str(folder.out / split)):
            for record in records.read_records(path):
                feature = record.features.feature
                name = feature["name"].bytes_list.value[0].decode()
                heard[name] = records.floats(feature["audio"])
    for name in ("low.wav", "wide.wav"):
        assert len(heard[name]) == pytest.approx(RATE, abs=RATE / 50)
        spectrum = np.abs(np.fft.rfft(heard[name]))
        loudest_hz = np.argmax(spectrum) * RATE / len(heard[name])
        assert loudest_hz == pytest.approx(440, abs=2)


def test_names_of_any_script_reach_the_lineage(tmp_path, rng):
    made = Folder(tmp_path)
    names = ["مقام.wav", "e\u0301.wav", "👩\u200d🎤.wav", "a\nb.wav", "caf\udce9.wav", "n" * 251 + ".wav"]  # fmt: skip
    for name in names:
        made.add("0.wav", sounds.notes(rng, seconds=1.0))
        (made.takes / "0.wav").rename(made.takes / name)
    found = made.run()
    assert {row["name"] for row in found.takes} == set(map(legible, names))
    assert made.names() == set(map(legible, names))


def test_many_takes_share_files_and_read_in_the_same_order(folder, monkeypatch):
    def passages():
        return [
            record.SerializeToString(deterministic=True)
            for path in records.list_files(str(folder.out / "train"))
            for record in records.read_records(path)
        ]

    apart = folder.run()
    alone, files = passages(), folder.files()
    folder.out = folder.out.with_name("shared")
    monkeypatch.setattr(ingest, "shard_digits", lambda n_takes: 1)
    together = folder.run()
    assert passages() == alone  # so a practice learns the same
    assert apart == together
    assert len(folder.files()) <= len(files)
    again, folder.out = folder.out, folder.out.with_name("again")
    folder.run()
    for name in folder.files():
        assert (folder.out / name).read_bytes() == (again / name).read_bytes()


@pytest.mark.parametrize("n_takes", [1, 512, 513, 100_000, 131_072, 131_073, 10**7])
def test_files_are_bounded_whatever_the_number_of_takes(n_takes):
    n_digits = ingest.shard_digits(n_takes)
    n_files = min(n_takes, 16**n_digits)
    assert n_files <= max(512, n_takes / 8)
    assert n_takes / n_files <= ingest.MAX_FILES


def test_properties_are_bounded_whatever_the_number_of_takes():
    def description(n_takes):
        rows = [
            {"name": f"{n}.wav", "digest": "0" * 64, "splits": ["train"]}
            for n in range(n_takes)
        ]
        nothing = skips.Skips()
        return describing.Description(rows, nothing, n_takes, n_takes, {}, {})

    few, many = description(100).properties(), description(20_000).properties()
    assert len(json.loads(few["takes"])) == 100
    assert many["takes_file"] == describing.FILE_NAME
    assert sum(len(str(value)) for value in many.values()) < 1_000
    assert sum(len(str(value)) for value in few.values()) < 1 << 17


def test_a_long_list_of_recordings_is_a_short_parameter(tmp_path):
    few = practice_pb2.Recordings(uri=["/a/b.wav"])
    assert listing.shorten(few, tmp_path) == few
    many = practice_pb2.Recordings(uri=[f"/a/{n:06d}.wav" for n in range(50_000)])
    short = listing.shorten(many, tmp_path / "lists")
    assert len(json_format.MessageToJson(short)) < 1_000
    assert (
        listing.shorten(many, tmp_path / "lists") == short
    )  # and so is the cache's key
    assert listing.lengthen(short) == many
    (path,) = (tmp_path / "lists").iterdir()
    path.unlink()
    with pytest.raises(PracticeError, match="start the practice again"):
        listing.lengthen(short)
