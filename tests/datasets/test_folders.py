"""A folder appears when it is whole, for one writer at a time, and never replaces another."""

import subprocess
import sys

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
    half = folders.scratch_of(tmp_path / "out") / "deep" / "half"
    program = (
        "import os, pathlib, sys\n"
        "from amadeus.datasets import folders\n"
        "with folders.appearing(pathlib.Path(sys.argv[1])) as folder:\n"
        "    (folder / 'deep').mkdir()\n"
        "    (folder / 'deep' / 'half').write_text('x')\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "out")])
        assert done.returncode == -9
        assert half.exists()
    with folders.appearing(tmp_path / "out") as folder:
        assert [path.name for path in folder.iterdir() if path.name[0] != "."] == []
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("is_link", [False, True])
def test_a_folder_of_somebody_else_is_not_emptied(tmp_path, is_link):
    mine, scratch = tmp_path / "mine", folders.scratch_of(tmp_path / "out")
    mine.mkdir()
    (mine / "thesis.txt").write_text("x")
    if is_link:
        scratch.symlink_to(mine)
    else:
        mine.rename(scratch)
    with (
        pytest.raises(ConfigError, match=r"out\.part.* holds something else"),
        folders.appearing(tmp_path / "out"),
    ):
        pass
    assert [path.name for path in scratch.iterdir()] == ["thesis.txt"]


def test_what_another_made_meanwhile_is_not_written_over(tmp_path, monkeypatch):
    begin = folders._begin

    def overtaken(folder, target):
        begin(folder, target)
        target.mkdir()
        (target / "index.json").write_text("x")

    monkeypatch.setattr(folders, "_begin", overtaken)
    with (
        pytest.raises(ConfigError, match="is there already and holds notes"),
        folders.appearing(tmp_path / "out"),
    ):
        pass


def test_a_folder_that_moved_before_it_was_locked_is_anothers(tmp_path, monkeypatch):
    lock = folders.fcntl.flock

    def overtaken(*words):
        folders.scratch_of(tmp_path / "out").rename(tmp_path / "elsewhere")
        lock(*words)

    monkeypatch.setattr(folders.fcntl, "flock", overtaken)
    with (
        pytest.raises(ConfigError, match="another process writes"),
        folders.appearing(tmp_path / "out"),
    ):
        pass


def test_here_may_be_filled(tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    with folders.appearing(folders.read_target(".")) as scratch:
        (scratch / "a").write_text("x")
    assert (tmp_path / "out" / "a").exists()


def test_a_link_is_refused_first(tmp_path):
    (tmp_path / "out").symlink_to(tmp_path / "none")
    with pytest.raises(ConfigError, match="out is a link"):
        folders.check_target(tmp_path / "out")


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


def interrupt(*_):
    raise KeyboardInterrupt


@pytest.mark.parametrize("step", ["_locked", "_empty"])
def test_an_interrupt_before_anything_is_written_leaves_nothing(
    tmp_path, monkeypatch, step
):
    monkeypatch.setattr(folders, step, interrupt)
    with pytest.raises(KeyboardInterrupt), folders.appearing(tmp_path / "out"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_takes_nothing_from_who_writes_there(tmp_path, monkeypatch):
    with folders.appearing(tmp_path / "out") as folder:
        with monkeypatch.context() as patch:
            patch.setattr(folders, "_begin", interrupt)
            with (
                pytest.raises(KeyboardInterrupt),
                folders.appearing(tmp_path / "out"),
            ):
                pass
        assert folder.is_dir()
