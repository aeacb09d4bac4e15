"""TFRecord files: TensorFlow reads what we write and writes what we read, and damage is told where it is."""

import gzip
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amadeus.datasets import tfrecord
from amadeus.datasets.tfrecord import Damage, Record
from amadeus.errors import RecordingError

RECORDS = [b"", b"a", bytes(range(256)) * 3, b"last"]
SOME = st.lists(st.binary(max_size=300), min_size=1, max_size=8)


def _framed(records):
    return b"".join(map(tfrecord.frame, records))


def _read(path, *args):
    return [
        one.data if isinstance(one, Record) else one
        for one in tfrecord.read(path, *args)
    ]


@pytest.mark.parametrize("compression", ["", "GZIP"])
def test_what_tensorflow_writes_is_read(tmp_path, compression):
    tf = pytest.importorskip("tensorflow")
    path = tmp_path / "notes.tfrecord"
    with tf.io.TFRecordWriter(str(path), compression) as writer:
        for record in RECORDS:
            writer.write(record)
    assert _read(path) == RECORDS
    assert tfrecord.is_gzipped(path) == bool(compression)
    if not compression:
        assert path.read_bytes() == _framed(RECORDS)


def test_tensorflow_reads_what_is_written(tmp_path):
    tf = pytest.importorskip("tensorflow")
    path = tmp_path / "notes.tfrecord"
    path.write_bytes(_framed(RECORDS))
    assert [one.numpy() for one in tf.data.TFRecordDataset(str(path))] == RECORDS


@settings(max_examples=30, deadline=None)
@given(records=SOME, data=st.data())
def test_a_file_cut_anywhere_gives_all_that_is_whole(tmp_path_factory, records, data):
    path = tmp_path_factory.mktemp("cut") / "notes"
    whole = _framed(records)
    n_bytes = data.draw(st.integers(0, len(whole) - 1))
    path.write_bytes(whole[:n_bytes])
    ends = [len(_framed(records[: n + 1])) for n in range(len(records))]
    n_whole = sum(end <= n_bytes for end in ends)
    found = _read(path)
    assert found[:n_whole] == records[:n_whole]
    if n_bytes in (0, *ends):
        assert len(found) == n_whole
    else:
        (damage,) = found[n_whole:]
        assert damage.ends
        assert damage.offset == ([0, *ends])[n_whole]


@settings(max_examples=30, deadline=None)
@given(records=SOME, data=st.data())
def test_a_flipped_bit_costs_its_record_and_no_other(tmp_path_factory, records, data):
    path = tmp_path_factory.mktemp("bit") / "notes"
    number = data.draw(st.integers(0, len(records) - 1))
    start = len(_framed(records[:number]))
    n_framed = len(records[number]) + tfrecord.FRAME_BYTES
    place = data.draw(st.integers(0, n_framed - 1))
    damaged = bytearray(_framed(records))
    damaged[start + place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(damaged)
    found = list(tfrecord.read(path))
    assert [one.data for one in found[:number]] == records[:number]
    damage = found[number]
    assert isinstance(damage, Damage)
    assert damage.offset == start
    assert damage.ends == (place < 12)  # in the length or its checksum
    rest = [] if damage.ends else records[number + 1 :]
    assert [one.data for one in found[number + 1 :]] == rest


@settings(max_examples=30, deadline=None)
@given(records=SOME, target=st.integers(1, 900))
def test_ranges_together_are_the_whole(tmp_path_factory, records, target):
    path = tmp_path_factory.mktemp("ranges") / "notes"
    path.write_bytes(_framed(records))
    ranges = tfrecord.divide(path, target_bytes=target)
    joined = [one for part in ranges for one in tfrecord.read(path, part)]
    assert joined == list(tfrecord.read(path))
    assert all(part.end - part.start >= target for part in ranges[:-1])


def test_a_file_with_a_damaged_length_is_divided_up_to_there(tmp_path):
    path = tmp_path / "notes"
    damaged = bytearray(_framed(RECORDS))
    damaged[len(_framed(RECORDS[:2]))] ^= 1
    path.write_bytes(damaged)
    ranges = tfrecord.divide(path, target_bytes=1)
    joined = [one for part in ranges for one in tfrecord.read(path, part)]
    assert joined == list(tfrecord.read(path))
    assert joined[-1].ends


def test_a_gzip_that_is_cut_off_gives_what_is_whole(tmp_path):
    path = tmp_path / "notes.gz"
    path.write_bytes(gzip.compress(_framed(RECORDS), 0)[:-30])
    found = _read(path)
    assert found[:2] == RECORDS[:2]
    assert found[-1].ends
    assert "gzip is cut off" in found[-1].reason


def test_a_gzip_that_is_damaged_is_not_called_cut_off(tmp_path):
    path = tmp_path / "notes.gz"
    packed = bytearray(gzip.compress(_framed(RECORDS), 0))
    packed[-8] ^= 1  # its checksum
    path.write_bytes(packed)
    damage = _read(path)[-1]
    assert damage.ends
    assert "gzip is damaged" in damage.reason


def test_a_length_that_reads_as_a_gzip_is_a_length(tmp_path):
    record = bytes(0x8B1F)  # its length begins with gzip's first two bytes
    path = tmp_path / "notes"
    path.write_bytes(tfrecord.frame(record))
    assert path.read_bytes()[:2] == b"\x1f\x8b"
    assert _read(path) == [record]


def test_a_record_that_would_fill_the_memory_is_not_read(tmp_path):
    path = tmp_path / "notes"
    length = struct.pack("<Q", 1 << 40)
    path.write_bytes(length + struct.pack("<I", tfrecord.masked_crc(length)))
    (damage,) = tfrecord.read(path)
    assert damage.ends
    assert "more than any note" in damage.reason


@pytest.mark.parametrize("n_bytes", [1 << 60, 1 << 63, (1 << 64) - 1])
def test_a_length_that_no_file_has_divides_nothing(tmp_path, n_bytes):
    path = tmp_path / "notes"
    length = struct.pack("<Q", n_bytes)
    head = length + struct.pack("<I", tfrecord.masked_crc(length))
    path.write_bytes(_framed(RECORDS) + head)
    ranges = tfrecord.divide(path, target_bytes=1)
    joined = [one for part in ranges for one in tfrecord.read(path, part)]
    assert [one.data for one in joined[:-1]] == RECORDS
    assert "more than any note" in joined[-1].reason


def test_an_empty_file_holds_nothing(tmp_path):
    path = tmp_path / "notes"
    path.write_bytes(b"")
    assert _read(path) == []


def test_a_file_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(RecordingError, match=r"cannot read .*none: No such file"):
        list(tfrecord.read(tmp_path / "none"))


@given(record=st.binary(max_size=99), flipped=st.integers(0, 8 * 16 - 1))
def test_a_frame_is_taken_off_or_refused(record, flipped):
    framed = tfrecord.frame(record)
    assert tfrecord.unframe(framed) == record
    assert tfrecord.unframe(framed[:-1]) is None
    assert tfrecord.unframe(framed + b"\0") is None
    damaged = bytearray(framed)
    damaged[flipped // 8 % len(framed)] ^= 1 << flipped % 8
    assert tfrecord.unframe(bytes(damaged)) is None
