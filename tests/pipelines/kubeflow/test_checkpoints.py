"""Checkpoints that outlast the disk they were written on."""

import errno
import shutil
import threading
import time
from pathlib import Path

import pytest

from amadeus.errors import ConfigError
from amadeus.stores import open_store
from pipelines.kubeflow import checkpoints


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    from amadeus.voice import training

    monkeypatch.setenv(checkpoints.INTERVAL_VARIABLE, "0.01")
    monkeypatch.setattr(training, "CHECKPOINT_INTERVAL_S", 15.0)


def write(folder, text):
    path = folder / "lesson" / "training.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(".training.npz.1")
    scratch.write_text(text)
    scratch.replace(path)


def keys(url):
    listed = [entry.key for entry in open_store(url).list()]
    return [key for key in listed if not key.endswith("taught-at")]


def read(url):
    return open_store(url).read("lesson/training.npz", max_bytes=100).decode()


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def learn(folder, url):
    with checkpoints.kept(folder, url):
        write(folder, "step 100")
        wait_for(lambda: keys(url) == ["lesson/training.npz"])
        assert read(url) == "step 100"
        write(folder, "step 200")
        wait_for(lambda: read(url) == "step 200")
        write(folder, "step 210")
        raise KeyboardInterrupt


def test_what_is_written_is_copied_while_the_lesson_goes_on(tmp_path):
    url = str(tmp_path / "store")
    with pytest.raises(KeyboardInterrupt):
        learn(tmp_path / "pod-1", url)
    assert read(url) == "step 210", "who is asked to stop leaves what is newest"
    with checkpoints.kept(tmp_path / "pod-2", url):
        taken_up = tmp_path / "pod-2" / "lesson" / "training.npz"
        assert taken_up.read_text() == "step 210"
    assert read(url) == "step 210", "its voice has not left the container yet"
    assert not [t for t in threading.enumerate() if t.name == "checkpoints"]


def test_a_lesson_whose_voice_is_in_the_bucket_is_forgotten(tmp_path):
    url = str(tmp_path / "store")
    with checkpoints.kept(tmp_path / "pod", url):
        write(tmp_path / "pod", "step 100")
        wait_for(lambda: keys(url) == ["lesson/training.npz"])
    for _ in range(2):  # who forgets may be killed and tried again
        checkpoints.forget(url)
        assert list(open_store(url).list()) == []


def test_what_nobody_came_back_to_is_removed_after_a_while(tmp_path, monkeypatch):
    def teach(lesson):
        url = str(tmp_path / "checkpoints" / lesson)
        with checkpoints.kept(tmp_path / f"pod-{lesson}", url):
            write(tmp_path / f"pod-{lesson}", "step 100")
            wait_for(lambda: keys(url))

    def left():
        return sorted(path.name for path in (tmp_path / "checkpoints").iterdir())

    clock = [1e9]
    monkeypatch.setattr(checkpoints.time, "time", lambda: clock[0])
    undated = tmp_path / "checkpoints" / "undated" / "lesson" / "training.npz"
    undated.parent.mkdir(parents=True)
    undated.write_text("of a release that dated nothing")
    teach("first")
    clock[0] += checkpoints.MAX_AGE_S - 1
    teach("second")
    assert left() == ["first", "second", "undated"]
    clock[0] += 2
    teach("third")
    assert left() == ["second", "third"]


def test_a_lesson_that_goes_on_for_weeks_does_not_grow_old(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "_DATED_S", 0.0)
    url = str(tmp_path / "store")

    def dated():
        return open_store(url).read("taught-at", max_bytes=100)

    with checkpoints.kept(tmp_path / "pod", url):
        before, now = dated(), checkpoints.time.time() + 1e6
        monkeypatch.setattr(checkpoints.time, "time", lambda: now)
        write(tmp_path / "pod", "step 100")
        wait_for(lambda: dated() != before)


def test_a_store_that_is_gone_for_a_while_ends_no_lesson(tmp_path, caplog):
    url, folder = tmp_path / "store", tmp_path / "pod"
    with checkpoints.kept(folder, str(url)):
        shutil.rmtree(url)
        url.write_text("a file where a folder should be")
        write(folder, "step 100")
        wait_for(lambda: "was not kept" in caplog.text)
        url.unlink()
        wait_for(lambda: keys(str(url)) == ["lesson/training.npz"])


def test_a_disk_that_knows_no_links_ends_no_lesson(tmp_path, monkeypatch, caplog):
    def refuse(*_):
        raise PermissionError(errno.EPERM, "no links here")

    monkeypatch.setattr(Path, "hardlink_to", refuse)

    def learn_in_vain():
        with checkpoints.kept(tmp_path / "pod", str(tmp_path / "store")):
            write(tmp_path / "pod", "step 100")
            wait_for(lambda: caplog.text.count("was not kept") > 1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learn_in_vain()


def test_a_bucket_that_a_container_may_not_reach_ends_no_lesson(
    tmp_path, monkeypatch, caplog
):
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    caplog.set_level("INFO")
    with checkpoints.kept(tmp_path / "pod", "minio://mlpipeline/checkpoints"):
        write(tmp_path / "pod", "step 100")
    assert "keeps no checkpoints" in caplog.text
    assert "AWS_ENDPOINT_URL_S3" in caplog.text


def test_lessons_that_differ_are_kept_apart():
    def folder(**parts):
        return checkpoints.lesson_folder("gs://b/runs/", "imitation-cello", parts)

    assert folder(seed=1).startswith("gs://b/runs/imitation-cello/checkpoints/")
    assert folder(seed=1, digest="a") == folder(digest="a", seed=1)
    assert len({folder(seed=1), folder(seed=2), folder(seed=1, digest="a")}) == 3


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan", "inf"])
def test_an_interval_that_is_none_is_refused(monkeypatch, text):
    monkeypatch.setenv(checkpoints.INTERVAL_VARIABLE, text)
    with pytest.raises(ConfigError, match="is no time"):
        checkpoints.interval_s()
