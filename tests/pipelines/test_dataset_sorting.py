"""NSynth sorted by family with Beam: the bytes of records untouched, shards bounded, nothing half-written."""

import gzip
import hashlib
import json
import shutil
import signal
import subprocess
import sys
import time

import pytest

from amadeus.cli.main import main
from amadeus.datasets import folders, tfrecord
from amadeus.datasets.choice import Choice, parse_choice
from amadeus.datasets.files import find_files
from amadeus.datasets.notes import Found, walk
from amadeus.datasets.nsynth import FAMILIES
from amadeus.errors import ConfigError, RecordingError
from components.beam_engine import DIRECT_RUNNER
from pipelines import beam_options
from pipelines.datasets import command, sorting
from tests import processes
from tests.datasets import notes_made

ALONE = ["--direct_running_mode=in_memory"]
N_RECORD = len(tfrecord.frame(notes_made.google()))


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "in"
    place.mkdir()
    records = notes_made.several(60)
    notes_made.write(place / "a.tfrecord-0", records[:25])
    notes_made.write(place / "b.tfrecord-1", records[25:])
    return place


def _sort(folder, target, said="", *, beam_args=ALONE, **options):
    order = sorting.Order(choice=parse_choice(said), target=target, **options)
    return command.sort(find_files([str(folder)]), order, beam_args)


def _records(path):
    return [one.record.data for one in walk(path, Choice()) if isinstance(one, Found)]


def _expected(folder, said=""):
    wanted = parse_choice(said)
    by_family = {}
    for path in sorted(folder.iterdir()):
        for one in walk(path, wanted):
            if isinstance(one, Found):
                by_family.setdefault(one.label.family, []).append(one.record.data)
    return by_family


def _sorted(target):
    by_family = {}
    for path in sorted(target.glob("*.tfrecord")):
        family = path.name.partition("-")[0]
        by_family.setdefault(family, []).extend(_records(path))
    return by_family


@pytest.mark.parametrize("part_bytes", [1, sorting.PART_BYTES])
def test_every_record_is_in_its_family_byte_for_byte_and_in_order(
    folder, tmp_path, part_bytes
):
    result = _sort(folder, tmp_path / "out", part_bytes=part_bytes)
    assert _sorted(tmp_path / "out") == _expected(folder)
    assert set(_sorted(tmp_path / "out")) == set(FAMILIES)
    assert (
        result.census.n_notes == sum(shard.n_records for shard in result.shards) == 60
    )


def test_tensorflow_reads_the_shards_and_their_checksums(folder, tmp_path):
    tf = pytest.importorskip("tensorflow")
    _sort(folder, tmp_path / "out", "family=flute")
    (path,) = (tmp_path / "out").glob("*.tfrecord")
    read = [one.numpy() for one in tf.data.TFRecordDataset(str(path))]
    assert read == _expected(folder)["flute"]


def test_only_what_is_chosen_is_written(folder, tmp_path):
    result = _sort(folder, tmp_path / "out", "family=flute+reed,source=acoustic")
    assert _sorted(tmp_path / "out") == _expected(
        folder, "family=flute+reed,source=acoustic"
    )
    assert result.census.n_passed == 60 - result.census.n_notes > 0


@pytest.mark.parametrize("n_fitting", [2, 4])
def test_shards_are_bounded_and_full(folder, tmp_path, n_fitting):
    bound = n_fitting * (N_RECORD + 40)  # names differ in length
    result = _sort(folder, tmp_path / "out", "family=flute+vocal", shard_bytes=bound)
    assert _sorted(tmp_path / "out") == _expected(folder, "family=flute+vocal")
    for family in ("flute", "vocal"):
        sizes = [shard.n_records for shard in result.shards if shard.family == family]
        assert all(n == n_fitting for n in sizes[:-1])
        assert sizes[-1] <= n_fitting
    assert all(shard.n_bytes <= bound for shard in result.shards)


def test_a_record_larger_than_a_shard_has_its_own(folder, tmp_path):
    result = _sort(folder, tmp_path / "out", "family=flute", shard_bytes=10)
    assert [shard.n_records for shard in result.shards] == [1] * result.census.n_notes


def test_the_index_says_what_is_there(folder, tmp_path):
    target = tmp_path / "out"
    result = _sort(folder, target, "source=synthetic")
    index = json.loads((target / folders.INDEX_NAME).read_text())
    assert index["format"] == sorting.FORMAT
    assert index["filter"] == "source=synthetic"
    assert index["notes"] == sum(index["families"].values()) == result.census.n_notes
    names = {path.name for path in target.iterdir()} - {folders.INDEX_NAME}
    assert {shard["name"] for shard in index["shards"]} == names
    for shard in index["shards"]:
        data = (target / shard["name"]).read_bytes()
        assert shard["n_bytes"] == len(data)
        assert shard["sha256"] == hashlib.sha256(data).hexdigest()
        assert shard["n_records"] == len(_records(target / shard["name"]))


def test_gzipped_files_give_the_same(folder, tmp_path):
    _sort(folder, tmp_path / "plain")
    for path in folder.iterdir():
        path.write_bytes(gzip.compress(path.read_bytes(), 1))
    _sort(folder, tmp_path / "unpacked")
    assert _sorted(tmp_path / "plain") == _sorted(tmp_path / "unpacked")
    assert not [
        path for path in (tmp_path / "unpacked").iterdir() if path.name[0] == "."
    ]


def test_damage_is_counted_and_left_out(folder, tmp_path):
    whole = _expected(folder)
    path = folder / "a.tfrecord-0"
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data[:-3])
    (folder / "c.tfrecord").write_bytes(tfrecord.frame(b"foreign"))
    result = _sort(folder, tmp_path / "out")
    assert result.census.unusable == {
        "corrupt_record": 1,
        "truncated": 1,
        "wrong_schema": 1,
    }
    found = _sorted(tmp_path / "out")
    assert found == _expected(folder)
    assert sum(map(len, found.values())) == sum(map(len, whole.values())) - 2
    index = json.loads((tmp_path / "out" / folders.INDEX_NAME).read_text())
    assert index["unusable"] == dict(sorted(result.census.unusable.items()))


def test_where_nothing_is_chosen_nothing_is_written(folder, tmp_path):
    with pytest.raises(
        RecordingError,
        match="none of the 60 notes is one of pitch=1; nothing was written",
    ):
        _sort(folder, tmp_path / "out", "pitch=1")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_files_without_notes_say_what_they_are(tmp_path):
    notes_made.write(tmp_path / "x.tfrecord", [b"foreign"])
    with pytest.raises(
        RecordingError,
        match=r"no note of NSynth can be read there.*x\.tfrecord, byte 0",
    ):
        _sort(tmp_path / "x.tfrecord", tmp_path / "out")


def test_what_is_there_is_not_written_over(folder, tmp_path):
    _sort(folder, tmp_path / "out", "family=flute")
    before = sorted(path.name for path in (tmp_path / "out").iterdir())
    with pytest.raises(ConfigError, match="is there already and holds notes"):
        _sort(folder, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == before


def test_a_file_that_changes_meanwhile_stops_in_a_sentence(
    folder, tmp_path, monkeypatch
):
    write = sorting.write_shard

    def spoil(shard, **options):
        (folder / "a.tfrecord-0").write_bytes(bytes(9_000_000))
        return write(shard, **options)

    monkeypatch.setattr(sorting, "write_shard", spoil)
    with pytest.raises(RecordingError, match="changed while it was sorted"):
        _sort(folder, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_options_for_beam_are_completed():
    small, large = 1, command.ALONE_BYTES + 1
    assert "--direct_running_mode=in_memory" in command.complete_beam_args([], small)
    assert "--direct_running_mode=multi_processing" in command.complete_beam_args(
        [], large
    )
    given = ["--direct_num_workers=2", "--direct_running_mode=multi_processing"]
    completed = command.complete_beam_args(given, small)
    assert completed[-2:] == given  # the last of two counts
    assert command.complete_beam_args(["--runner=FlinkRunner"], 1) == [
        "--runner=FlinkRunner"
    ]


@pytest.mark.parametrize(
    ("given", "mode", "n_workers"),
    [
        ([], "in_memory", "1"),
        (["--direct_num_workers=2"], "multi_processing", "2"),
        (["--direct_running_mode=in_memory"], "in_memory", "1"),
        (["--direct_running_mode", "in_memory"], "in_memory", "1"),
        (["--runner", "direct", "--direct_num_workers", "3"], "multi_processing", "3"),
    ],
)
def test_workers_are_as_many_as_can_work(given, mode, n_workers):
    known = beam_options.parse(command.complete_beam_args(given, 1))
    assert known.runner == DIRECT_RUNNER
    assert known.direct_running_mode == mode
    assert str(known.direct_num_workers) == n_workers


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--runner=DataflowRunner"], "cannot sort"),
        (["--runner=Kazoo"], "is none that Amadeus runs on"),
        (["--runner=PortableRunner"], "needs a job service"),
        (["--direct_num_worker=2"], "did you mean --direct_num_workers"),
        (["--direct_num_workers=x"], "invalid int value"),
    ],
)
def test_options_for_beam_that_cannot_work_are_a_sentence(
    folder, tmp_path, given, says
):
    with pytest.raises(ConfigError, match=says):
        _sort(folder, tmp_path / "out", beam_args=given)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_what_a_killed_sorting_left_in_the_input_is_not_sorted(folder):
    target = folder / "out"
    scratch = folders.scratch_of(target)
    scratch.mkdir()
    (scratch / ".amadeus").touch()
    notes_made.write(scratch / "flute.tfrecord", notes_made.several(3))
    result = _sort(folder, target)
    assert result.census.n_files == 2
    assert result.census.n_notes == 60


def test_the_scratch_folder_itself_is_not_sorted_away(folder):
    path = folder / "a.tfrecord-0"
    named = folder.rename(folder.with_name("out.part"))
    with pytest.raises(ConfigError, match=r"lies in .*out\.part, which sorting"):
        _sort(named, named.with_name("out"))
    assert (named / path.name).is_file()


@pytest.mark.cluster
def test_two_processes_sort_as_one_does(folder, tmp_path):
    _sort(folder, tmp_path / "one", shard_bytes=1)
    two = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]
    result = _sort(folder, tmp_path / "two", beam_args=two, part_bytes=1, shard_bytes=1)
    assert result.n_processes == 2
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == names
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (
            tmp_path / "two" / name
        ).read_bytes()


@pytest.mark.cluster
@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGKILL])
def test_a_sorting_that_is_ended_leaves_nothing_that_looks_whole(
    folder, tmp_path, signal_number
):
    target = tmp_path / "out"
    scratch = folders.scratch_of(target)
    words = ["dataset", "nsynth", str(folder), "--sort", str(target)]
    for _ in range(5):  # it may have ended before the signal comes
        with processes.start(
            [sys.executable, "-m", "amadeus.cli.main", *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                while not scratch.is_dir() and process.poll() is None:
                    time.sleep(0.005)
                process.send_signal(signal_number)
                _, said = process.communicate(timeout=120)
            finally:
                process.kill()
        if process.returncode != 0:
            break
        shutil.rmtree(target)
    assert not target.exists()
    if signal_number == signal.SIGINT:
        assert process.returncode == 130
        assert "amadeus: stopped by Ctrl-C" in said
        assert "Traceback" not in said
        assert not scratch.exists()
    assert main(words) == 0
    assert _sorted(target) == _expected(folder)
    assert not scratch.exists()
