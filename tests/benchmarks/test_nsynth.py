"""The records of the benchmark are those of the GANSynth subset, and its peer writes the same notes."""

import pytest

from amadeus.datasets import nsynth
from amadeus.datasets.choice import Choice
from amadeus.datasets.notes import Found, walk
from benchmarks import nsynth as benchmark


def test_records_have_the_schema_and_the_size_of_the_subset():
    tf = pytest.importorskip("tensorflow")
    record, again = (next(benchmark.make_records(1)) for _ in range(2))
    assert record == again
    assert nsynth.read_label(record).schema is nsynth.Schema.TFDS
    curve = tf.io.FixedLenFeature([1_000], tf.float32)
    number = tf.io.FixedLenFeature([], tf.int64)
    tf.io.parse_single_example(
        record,
        {
            "audio": tf.io.FixedLenFeature([64_000], tf.float32),
            "id": tf.io.FixedLenFeature([], tf.string),
            **dict.fromkeys(
                ("f0/hz", "f0/midi", "f0/confidence", "loudness/db"), curve
            ),
            **dict.fromkeys(("pitch", "velocity", "instrument/label"), number),
            **dict.fromkeys(("instrument/family", "instrument/source"), number),
            **{f"qualities/{quality}": number for quality in nsynth.QUALITIES},
        },
    )


def test_the_peer_sorts_the_same_notes(tmp_path):
    paths = benchmark.write_files(tmp_path, 3)
    took_s = benchmark.run_peer(paths, tmp_path, 3)
    assert all(seconds > 0 for seconds in took_s.values())
    names = {one.label.name for path in paths for one in walk(path, Choice())}
    for way in ("thr", "par"):
        found = [
            one for path in tmp_path.glob(f"{way}-*") for one in walk(path, Choice())
        ]
        assert all(isinstance(one, Found) for one in found)
        assert {one.label.name for one in found} == names
