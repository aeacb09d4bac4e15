import hashlib
import json
import os

import numpy as np
import pytest
import soundfile as sf

from amadeus.errors import RecordingError
from components.audio_example_gen import takes


def digests(n, *, salt=""):
    return [hashlib.sha256(f"{salt}{i}".encode()).hexdigest() for i in range(n)]


def test_adding_a_take_moves_no_other():
    before = takes.assign_splits(digests(200), eval_fraction=0.1)
    after = takes.assign_splits(
        [*digests(3, salt="new"), *digests(200)], eval_fraction=0.1
    )
    assert {take: after[take] for take in before} == before


def test_the_order_of_takes_does_not_matter():
    there = takes.assign_splits(digests(50), eval_fraction=0.2)
    assert takes.assign_splits(digests(50)[::-1], eval_fraction=0.2) == there


@pytest.mark.parametrize("eval_fraction", [0.05, 0.1, 0.5])
def test_about_the_share_asked_for_is_held_out(eval_fraction):
    splits = takes.assign_splits(digests(2000), eval_fraction=eval_fraction)
    n_eval = sum(split == {"eval"} for split in splits.values())
    assert n_eval / 2000 == pytest.approx(eval_fraction, rel=0.2)
    assert all(len(split) == 1 for split in splits.values())


@pytest.mark.parametrize("n", range(2, 12))
@pytest.mark.parametrize("eval_fraction", [0.01, 0.5])
def test_two_takes_or_more_fill_both_splits(n, eval_fraction):
    for salt in "abcdef":
        splits = takes.assign_splits(digests(n, salt=salt), eval_fraction=eval_fraction)
        assert {frozenset(split) for split in splits.values()} == {
            frozenset({"train"}),
            frozenset({"eval"}),
        }


def test_a_lone_take_is_in_both_splits():
    (take,) = digests(1)
    assert takes.assign_splits([take], eval_fraction=0.1) == {take: {"train", "eval"}}


def test_the_same_bytes_are_one_take_under_any_name(tmp_path):
    for name, text in {"a.wav": b"one", "b.wav": b"two", "c.wav": b"one"}.items():
        (tmp_path / name).write_bytes(text)
    gathered = takes.gather(
        [str(tmp_path / name) for name in ("a.wav", "b.wav", "c.wav")]
    )
    assert [take.name for take in gathered.takes] == ["a.wav", "b.wav"]
    assert gathered.duplicates == [("c.wav", "a.wav")]


def test_the_fingerprint_follows_content_and_not_time_or_folder(tmp_path):
    def mark(folder, content):
        folder.mkdir(exist_ok=True)
        path = folder / "a.wav"
        path.write_bytes(content)
        os.utime(
            path, (1_000_000_000, 1_000_000_000)
        )  # same second, whatever was written
        return takes.fingerprint(takes.gather([str(path)]).takes)

    first = mark(tmp_path / "here", b"one")
    assert mark(tmp_path / "there", b"one") == first
    assert mark(tmp_path / "here", b"two") != first  # same size, same second
    os.utime(tmp_path / "there" / "a.wav")
    assert (
        takes.fingerprint(takes.gather([str(tmp_path / "there" / "a.wav")]).takes)
        == first
    )


def test_a_practice_without_recordings_is_refused():
    with pytest.raises(RecordingError, match="without recordings"):
        takes.gather([])


def test_takes_may_be_called_otherwise_than_their_files(tmp_path):
    for name, content in {"1": b"one", "2": b"two", "3": b"one"}.items():
        (tmp_path / name).write_bytes(content)
    gathered = takes.gather(
        [str(tmp_path / name) for name in "123"], ["élégie.wav", "fuga.wav", "again"]
    )
    assert [take.name for take in gathered.takes] == ["élégie.wav", "fuga.wav"]
    assert gathered.duplicates == [("again", "élégie.wav")]


def test_the_lineage_is_told_name_and_length_of_each_take(tmp_path):
    paths = []
    for name, n_samples in {"a.wav": 24_000, "b.mp3": 16_000}.items():
        path = tmp_path / name
        sf.write(path, 0.1 * np.sin(np.arange(n_samples) / 9), 16_000)
        paths.append(str(path))
    found = takes.gather(paths).takes
    splits = {found[0].digest: {"train"}, found[1].digest: {"eval"}}
    first, second = json.loads(takes.describe(found, splits))
    assert (first["name"], first["splits"]) == ("a.wav", ["train"])
    assert first["duration_s"] == 1.5
    assert second["duration_s"] == pytest.approx(1.0, abs=0.1)  # mp3 is padded
