import os

import pytest

from amadeus.errors import RecordingError
from components.audio_example_gen import takes


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
        return takes.fingerprint(takes.gather([str(path)]))

    first = mark(tmp_path / "here", b"one")
    assert mark(tmp_path / "there", b"one") == first
    assert mark(tmp_path / "here", b"two") != first  # same size, same second
    os.utime(tmp_path / "there" / "a.wav")
    assert takes.fingerprint(takes.gather([str(tmp_path / "there" / "a.wav")])) == first


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
