import os
import resource

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal

from amadeus.errors import PracticeError
from amadeus.features import Features
from amadeus.voice.sampler import (
    CropSampler,
    cut_crop,
    read_passages,
    spread_windows,
)

HOP = 160


def make_sampler(passages, **settings):
    defaults = {
        "n_frames": 25,
        "batch_size": 3,
        "f0_confidence_threshold": 0.5,
        "seed": 5,
    }
    return CropSampler(passages, **{**defaults, **settings})


def count_up(passage):
    """Replaces sound and loudness by their own positions, in units that float32 holds exactly."""
    n_samples, n_frames = len(passage.audio), len(passage.features.f0_hz)
    loudness_db = np.arange(n_frames, dtype=np.float32)
    return passage._replace(
        audio=np.arange(n_samples, dtype=np.float32),
        features=passage.features._replace(loudness_db=loudness_db),
    )


def test_crops_are_a_function_of_seed_and_step(make_passage):
    passages = [make_passage(220), make_passage(330, take="b")]
    sampler = make_sampler(passages)
    for ours, again in zip(
        sampler.crops(7), make_sampler(passages).crops(7), strict=True
    ):
        assert_array_equal(ours, again)
    assert np.abs(sampler.crops(7).audio - sampler.crops(8).audio).max() > 0
    other = make_sampler(passages, seed=6)
    assert np.abs(sampler.crops(7).audio - other.crops(7).audio).max() > 0


def test_the_dataset_takes_up_at_any_step(make_passage):
    sampler = make_sampler([make_passage()])
    streamed = list(sampler.dataset(3).take(2))
    for step, crops in zip((3, 4), streamed, strict=True):
        for ours, theirs in zip(crops, sampler.crops(step), strict=True):
            assert_array_equal(ours, theirs)


def test_frame_j_belongs_to_the_end_of_block_j_minus_one(make_passage):
    sampler = make_sampler([count_up(make_passage())])
    crops = sampler.crops(0)
    first_frames = crops.audio[:, 0] / HOP
    assert_array_equal(first_frames, np.round(first_frames))
    frames = first_frames[:, None] + np.arange(26)
    assert_array_equal(crops.loudness_db, frames)


def test_all_of_a_passage_is_heard(make_passage):
    sampler = make_sampler([count_up(make_passage(seconds=2.0))])
    heard = np.unique([sampler.crops(step).audio for step in range(200)])
    assert len(heard) == 2 * 8000


def test_long_passages_are_heard_more_often(make_passage):
    short, long = make_passage(220, seconds=1.0), make_passage(330, seconds=4.0)
    sampler = make_sampler([short, long], batch_size=10)
    pitches = np.concatenate([sampler.crops(step).f0_hz[:, 0] for step in range(50)])
    assert_allclose(np.mean(np.abs(pitches) > 300), 0.8, atol=0.05)


def test_outside_a_short_passage_is_unvoiced_silence(make_passage):
    passage = make_passage(220, seconds=0.2)
    crop = cut_crop(passage, passage.features.f0_hz, -5, 25)
    assert_array_equal(crop.audio[: 5 * HOP], 0)
    assert_array_equal(crop.audio[5 * HOP : 15 * HOP], passage.audio)
    assert_array_equal(crop.audio[15 * HOP :], 0)
    assert_array_equal(crop.f0_hz[5:16], 220)
    assert_array_equal(np.delete(crop.f0_hz, np.arange(5, 16)), -220)
    assert_array_equal(np.delete(crop.loudness_db, np.arange(5, 16)), -80)


def test_unsure_frames_do_not_teach_the_harmonics(make_passage):
    passage = make_passage()
    confidence = passage.features.f0_confidence.copy()
    confidence[:40] = 0.1
    unsure = passage.features._replace(f0_confidence=confidence)
    sampler = make_sampler([passage._replace(features=unsure)], n_frames=100)
    crops = sampler.crops(0)
    assert (crops.f0_hz[:, :40] == -220).all()
    assert (crops.f0_hz[:, 41:] == 220).all()


def test_windows_are_spread_over_all_passages(make_passage):
    passages = [
        make_passage(hz, take=str(hz), seconds=2.0) for hz in (200, 300, 400, 500)
    ]
    windows = spread_windows(
        passages, n_frames=50, max_windows=4, f0_confidence_threshold=0.5
    )
    assert windows.f0_hz[:, 25].tolist() == [200, 300, 400, 500]
    assert windows.audio.shape == (4, 50 * HOP)


def test_without_passages_there_is_nothing_to_learn():
    with pytest.raises(PracticeError, match="nothing to learn from"):
        make_sampler([])


def write_records(path, passages):
    def floats(values):
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))

    def number(value):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))

    def text(value):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode()]))

    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for passage in passages:
            feature = {
                "take": text(passage.take),
                "name": text(passage.name),
                "offset_samples": number(passage.offset_samples),
                "sample_rate": number(passage.spec.sample_rate),
                "frame_rate": number(passage.spec.frame_rate),
                "audio": floats(passage.audio),
                **{k: floats(v) for k, v in passage.features._asdict().items()},
            }
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())


@pytest.mark.parametrize("resident_limit_bytes", [2**30, 20_000])
def test_records_come_back_whole_from_memory_or_disk(
    make_passage, tmp_path, resident_limit_bytes
):
    passages = [
        make_passage(200, seconds=0.5, take="a")._replace(offset_samples=77),
        make_passage(300, seconds=1.0, take="b"),
        make_passage(400, seconds=0.3, take="c"),
    ]
    write_records(tmp_path / "part-0.gz", passages[:2])
    write_records(tmp_path / "part-1.gz", passages[2:])
    found = read_passages(
        str(tmp_path / "*.gz"), resident_limit_bytes=resident_limit_bytes
    )
    is_short = resident_limit_bytes < 2**20
    on_disk = [isinstance(passage.audio, np.memmap) for passage in found]
    assert on_disk == [False, is_short, is_short]
    for ours, theirs in zip(found, passages, strict=True):
        assert_array_equal(ours.audio, theirs.audio)
        for name in Features._fields:
            assert_array_equal(
                getattr(ours.features, name), getattr(theirs.features, name)
            )
        assert ours._replace(audio=0, features=0) == theirs._replace(
            audio=0, features=0
        )


def test_notes_on_disk_may_be_more_than_files_may_be_open(make_passage, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    passage = make_passage(200, seconds=0.05)
    write_records(tmp_path / "part-0.gz", [passage] * 400)
    n_open = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (n_open + 100, hard))
    try:
        found = read_passages(str(tmp_path / "*.gz"), resident_limit_bytes=0)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(found) == 400
    assert_array_equal(found[-1].audio, passage.audio)


def test_missing_records_are_named(tmp_path):
    with pytest.raises(PracticeError, match=r"no training records match .*none"):
        read_passages(str(tmp_path / "none*.gz"))


def test_damaged_records_are_told_from_none(tmp_path):
    (tmp_path / "part-0.gz").write_bytes(b"not a record")
    with pytest.raises(PracticeError, match="damaged or of another kind"):
        read_passages(str(tmp_path / "*.gz"))


def test_a_file_whose_name_reads_as_a_glob_is_found(make_passage, tmp_path):
    path = tmp_path / "part[0].gz"
    write_records(path, [make_passage(seconds=0.5)])
    assert len(read_passages([str(path)])) == 1
    assert read_passages([]) == []


def test_heavier_frames_are_heard_more_often(make_passage):
    passages = [make_passage(220.0, take="a"), make_passage(330.0, take="b")]
    n_frames = [len(p.features.f0_hz) for p in passages]
    weights = [np.ones(n_frames[0]), np.full(n_frames[1], 3.0)]
    sampler = CropSampler(
        passages,
        n_frames=25,
        batch_size=4,
        f0_confidence_threshold=0.5,
        seed=3,
        frame_weights=weights,
    )
    heard = np.concatenate([sampler.crops(step).f0_hz[:, 5] for step in range(200)])
    assert np.mean(np.abs(heard - 330) < 1) == pytest.approx(0.75, abs=0.03)


def test_heavier_moments_are_heard_more_often(make_passage):
    passage = make_passage(220.0, seconds=4.0)
    n_frames = len(passage.features.f0_hz)
    late = np.where(np.arange(n_frames) < n_frames // 2, 1.0, 9.0)
    ramp = passage.features._replace(
        loudness_db=np.linspace(-60, -20, n_frames).astype(np.float32)
    )
    sampler = CropSampler(
        [passage._replace(features=ramp)],
        n_frames=25,
        batch_size=4,
        f0_confidence_threshold=0.5,
        seed=3,
        frame_weights=[late],
    )
    middles = np.concatenate(
        [sampler.crops(step).loudness_db[:, 13] for step in range(100)]
    )
    assert np.mean(middles > -40) > 0.8
    again = sampler.crops(7)
    for one, other in zip(again, sampler.crops(7), strict=True):
        np.testing.assert_array_equal(one, other)
