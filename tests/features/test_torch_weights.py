import pickle
import zipfile

import numpy as np
import pytest

from amadeus.errors import ConfigError
from amadeus.features.crepe import weights_path
from amadeus.features.torch_weights import read_state


def _copy_of_tiny(tmp_path):
    path = tmp_path / "tiny.pth"
    path.write_bytes(weights_path("tiny").read_bytes())
    return path


def test_the_tensors_of_crepe_tiny_are_read():
    state = read_state(weights_path("tiny"))
    assert state["conv1.weight"].shape == (128, 1, 512, 1)
    assert state["classifier.weight"].shape == (360, 256)
    assert state["conv1.weight"].dtype == np.float32
    # Batch normalisation cannot have measured a negative variance.
    variances = [state[f"conv{n}_BN.running_var"] for n in range(1, 7)]
    assert all((variance > 0).all() for variance in variances)


def test_a_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(ConfigError, match="reinstall the package"):
        read_state(tmp_path / "none.pth")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_file_is_refused(tmp_path, share):
    path = _copy_of_tiny(tmp_path)
    raw = path.read_bytes()
    path.write_bytes(raw[: int(share * len(raw))])
    with pytest.raises(ConfigError, match="cannot read network weights"):
        read_state(path)


def test_flipped_bytes_are_noticed(tmp_path):
    path = _copy_of_tiny(tmp_path)
    raw = bytearray(path.read_bytes())
    middle = len(raw) // 2
    raw[middle : middle + 64] = bytes(64)
    path.write_bytes(raw)
    with pytest.raises(ConfigError, match="cannot read network weights"):
        read_state(path)


def test_any_damage_to_the_index_is_one_sentence(tmp_path, rng):
    with zipfile.ZipFile(weights_path("tiny")) as archive:
        name = next(n for n in archive.namelist() if n.endswith("data.pkl"))
        members = {n: archive.read(n) for n in archive.namelist()}
    for attempt in range(200):
        index = bytearray(members[name])
        index[rng.integers(len(index))] = rng.integers(256)
        path = tmp_path / f"{attempt}.pth"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            for other, content in members.items():
                archive.writestr(other, bytes(index) if other == name else content)
        try:
            state = read_state(path)
        except ConfigError:
            continue
        assert all(isinstance(tensor, np.ndarray) for tensor in state.values())
        path.unlink()


def test_a_pickle_that_calls_something_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "written"), "w"))

    path = tmp_path / "evil.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"x": Evil()}))
    with pytest.raises(ConfigError, match=r"asks for .*open"):
        read_state(path)
    assert not (tmp_path / "written").exists()
