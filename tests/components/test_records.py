import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_array_equal

from components import records


def example(audio, **more):
    feature = {"audio": records.float_feature(audio), **more}
    return tf.train.Example(features=tf.train.Features(feature=feature))


@pytest.mark.parametrize("n", [0, 1, 31, 32, 127, 128, 4096, 600_000])
def test_floats_pack_as_protobuf_packs_them(n, rng):
    audio = rng.normal(size=n).astype(np.float32)
    feature = records.float_feature(audio)
    assert feature == tf.train.Feature(float_list=tf.train.FloatList(value=audio))
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
    assert theirs == list(records.read_records(path))
    assert len(theirs) == len(sounds)


def test_a_file_that_was_cut_short_does_not_appear(tmp_path, rng):
    path = str(tmp_path / records.file_name("b" * 64))

    def stop_half_way():
        with records.write_records(path) as write:
            write(example(rng.normal(size=100)))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop_half_way()
    assert records.list_files(str(tmp_path)) == []
