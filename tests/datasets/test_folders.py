"""A folder appears when it is whole, for one writer at a time, and never replaces another."""

import pytest

from amadeus.datasets import folders
from amadeus.errors import ConfigError, HomeError


def test_a_folder_appears_at_the_end(tmp_path):
    target = tmp_path / "out"
    with folders.appearing(target) as scratch:
        (scratch / "a").write_text("x")
        (scratch / ".notes").write_text("x")
        (scratch / ".deep").mkdir()
        assert not target.exists()
    assert [path.name for path in target.iterdir()] == ["a"]
    assert not folders.scratch_of(target).exists()


def test_what_fails_leaves_nothing(tmp_path):
    target = tmp_path / "out"

    def fail():
        with folders.appearing(target) as scratch:
            (scratch / "a").write_text("x")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_one_left_is_begun_again(tmp_path):
    scratch = folders.scratch_of(tmp_path / "out")
    (scratch / "deep").mkdir(parents=True)
    (scratch / "half").write_text("x")
    with folders.appearing(tmp_path / "out") as folder:
        assert list(folder.iterdir()) == []


def test_two_may_not_write_the_same(tmp_path):
    target = tmp_path / "out"
    with folders.appearing(target) as scratch:
        (scratch / "a").write_text("x")
        with (
            pytest.raises(ConfigError, match="another process writes"),
            folders.appearing(target),
        ):
            pass
    assert (target / "a").exists()


def test_an_empty_folder_may_be_filled(tmp_path):
    (tmp_path / "out").mkdir()
    with folders.appearing(tmp_path / "out") as scratch:
        (scratch / "a").write_text("x")
    assert (tmp_path / "out" / "a").exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [("index.json", "holds notes"), ("thesis.txt", "holds something else")],
)
def test_what_is_there_is_left_alone(tmp_path, content, says):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / content).write_text("x")
    with pytest.raises(ConfigError, match=says):
        folders.check_target(tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "says"),
    [("none/out", "there is no folder"), ("gs://bucket/out", "is in a bucket")],
)
def test_a_place_that_cannot_be_is_told_first(tmp_path, monkeypatch, name, says):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=says):
        folders.read_target(name)


def test_a_disk_that_refuses_is_a_sentence(tmp_path):
    target = tmp_path / "out"
    with (
        pytest.raises(HomeError, match=r"cannot write .*out: No space"),
        folders.appearing(target),
    ):
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []
