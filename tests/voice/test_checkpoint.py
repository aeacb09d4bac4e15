import numpy as np
from numpy.testing import assert_array_equal

from amadeus.voice import checkpoint


def test_a_checkpoint_comes_back_as_it_was(tmp_path, rng):
    arrays = {
        "model/0": rng.normal(size=(3, 4)).astype(np.float32),
        "adam/step": np.array(7),
    }
    notes = {"elapsed_s": 1.25, "history": [[1, 2.0, float("nan"), 3.0]]}
    checkpoint.save(tmp_path / "run", arrays, notes, fingerprint="a")
    saved = checkpoint.load(tmp_path / "run", fingerprint="a")
    assert saved.arrays.keys() == arrays.keys()
    for name, values in arrays.items():
        assert_array_equal(saved.arrays[name], values)
    assert saved.notes["elapsed_s"] == 1.25
    assert np.isnan(saved.notes["history"][0][2])


def test_another_runs_checkpoint_is_left_alone(tmp_path):
    checkpoint.save(tmp_path, {}, {"whose": "a"}, fingerprint="a")
    assert checkpoint.load(tmp_path, fingerprint="b") is None
    assert checkpoint.load(tmp_path, fingerprint="a").notes == {"whose": "a"}


def test_a_damaged_or_missing_checkpoint_counts_as_none(tmp_path):
    assert checkpoint.load(tmp_path, fingerprint="a") is None
    checkpoint.save(tmp_path, {"x": np.ones(1000)}, {}, fingerprint="a")
    path = tmp_path / checkpoint.CHECKPOINT_NAME
    path.write_bytes(path.read_bytes()[:2000])
    assert checkpoint.load(tmp_path, fingerprint="a") is None
    path.write_bytes(b"")
    assert checkpoint.load(tmp_path, fingerprint="a") is None


def test_saving_leaves_nothing_else_behind(tmp_path):
    for _ in range(2):
        checkpoint.save(tmp_path, {"x": np.ones(10)}, {}, fingerprint="a")
    assert [path.name for path in tmp_path.iterdir()] == [checkpoint.CHECKPOINT_NAME]
