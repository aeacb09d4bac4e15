import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_array_equal

from components import records


def example(audio, **more):
    feature = {"audio": records.float_feature(audio), **more}
    return records.example(feature)


@pytest.mark.parametrize("n", [0, 1, 31, 32, 127, 128, 4096, 600_000])
def test_floats_pack_as_protobuf_packs_them(n, rng):
    audio = rng.normal(size=n).astype(np.float32)
    feature = records.float_feature(audio)
    theirs = tf.train.Feature(float_list=tf.train.FloatList(value=audio))
    assert feature.SerializeToString() == theirs.SerializeToString()
    assert_array_equal(records.floats(feature), audio)


def test_records_read_back_here_and_in_tensorflow(tmp_path, rng):
    sounds = [rng.normal(size=n).astype(np.float32) for n in (3, 5_000, 1)]
    path = str(tmp_path / records.file_name("a" * 64))
    with records.write_records(path) as write:
        for number, audio in enumerate(sounds):
            write(example(audio, number=records.int_feature(number)))
    assert records.list_files(str(tmp_path)) == [path]
    for number, read in enumerate(records.read_records(path)):
        assert read.features.feature["number"].int64_list.value == [number]
        assert_array_equal(
            records.floats(read.features.feature["audio"]), sounds[number]
        )
    dataset = tf.data.TFRecordDataset(path, compression_type="GZIP")
    theirs = [tf.train.Example.FromString(r.numpy()) for r in dataset]
    ours = [
        tf.train.Example.FromString(record.SerializeToString())
        for record in records.read_records(path)
    ]
    assert theirs == ours
    assert len(theirs) == len(sounds)


def test_records_of_tensorflow_read_here(tmp_path, rng):
    audio = rng.normal(size=300).astype(np.float32)
    path = str(tmp_path / records.file_name("c" * 64))
    options = tf.io.TFRecordOptions(compression_type="GZIP")
    feature = {
        "audio": tf.train.Feature(float_list=tf.train.FloatList(value=audio)),
        "take": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"x"])),
    }
    theirs = tf.train.Example(features=tf.train.Features(feature=feature))
    with tf.io.TFRecordWriter(path, options) as writer:
        writer.write(theirs.SerializeToString())
    (ours,) = records.read_records(path)
    assert_array_equal(records.floats(ours.features.feature["audio"]), audio)
    assert ours.features.feature["take"].bytes_list.value == [b"x"]


def test_the_same_records_are_the_same_bytes(tmp_path, rng):
    audio = rng.normal(size=1_000).astype(np.float32)
    keys = [f"key {n}" for n in range(20)]

    def write(name, order):
        path = tmp_path / name
        with records.write_records(str(path)) as write:
            write(example(audio, **{key: records.int_feature(1) for key in order}))
        return path.read_bytes()

    assert write("one.gz", keys) == write("other.gz", keys[::-1])


def test_records_load_neither_tensorflow_nor_tfx():
    probe = (
        "import sys; from components import records; "
        "sys.exit(bool({'tensorflow', 'tfx', 'apache_beam'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", probe], check=True)


def test_a_file_that_was_cut_short_does_not_appear(tmp_path, rng):
    path = str(tmp_path / records.file_name("b" * 64))

    def stop_half_way():
        with records.write_records(path) as write:
            write(example(rng.normal(size=100)))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop_half_way()
    assert records.list_files(str(tmp_path)) == []
