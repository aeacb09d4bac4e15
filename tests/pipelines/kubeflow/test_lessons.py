"""A recurring run: what is new is learned from by the latest voice, and where nothing is new, nothing happens."""

import pytest

from amadeus.personality import content
from amadeus.stores import open_store, publish_voice
from pipelines.kubeflow import lessons, names, preparing
from pipelines.kubeflow.contract import Invocation
from pipelines.kubeflow.sources import Parent

NOBODY = Parent(0, "")


class Folder:
    """A folder that grows, a store, and what `prepare` finds there when a run begins."""

    def __init__(self, path):
        self.path, self.store = path, str(path / "store")
        self.takes = path / "takes"
        self.takes.mkdir()
        self.record("a.wav")
        self._n_runs = 0

    def record(self, name):
        (self.takes / name).write_text(name)

    def begin(self, settings="of today", parent=names.LATEST_IF_NEW):
        self._n_runs += 1
        given = {
            names.RECORDINGS: [str(self.takes)],
            names.RECORDING_NAMES: [],
            names.PARENT_GENERATION: parent,
        }
        found = preparing.prepare(
            Invocation(given, {}, {}, {}, self.path / "out"),
            "cello",
            self.store,
            self.path / f"scratch-{self._n_runs}",
            settings=settings,
        )
        parent = Parent(found[names.PARENT_GENERATION], found[names.PARENT_DIGEST])
        return found, parent


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def taught(folder, voice_path, lesson, parent):
    """Pushes a voice as the run of a lesson does."""
    uri = publish_voice(folder.store, "cello", voice_path)
    lessons.keep(uri, lesson, parent)
    return Parent(1, content.read_personality(voice_path).digest)


def test_where_nothing_is_new_a_run_asks_for_what_the_cache_has(folder, voice_path):
    first, parent = folder.begin()
    assert parent == NOBODY
    taught(folder, voice_path, first[names.LESSON], parent)
    for _ in range(2):
        assert folder.begin() == (first, NOBODY)


def test_what_is_new_is_taught_to_the_latest(folder, voice_path):
    first, parent = folder.begin()
    latest = taught(folder, voice_path, first[names.LESSON], parent)
    folder.record("b.wav")
    second, parent = folder.begin()
    assert parent == latest
    assert second[names.FINGERPRINT] != first[names.FINGERPRINT]
    _, parent = folder.begin(settings="of tomorrow")
    assert parent == latest


def test_who_is_asked_to_grow_from_the_latest_does_so(folder, voice_path):
    """A practice by hand goes on where the last one ended, with the same recordings, too."""
    first, parent = folder.begin()
    latest = taught(folder, voice_path, first[names.LESSON], parent)
    assert folder.begin(parent=names.LATEST)[1] == latest


def test_a_voice_that_was_taught_elsewhere_is_taught_anew(folder, voice_path):
    publish_voice(folder.store, "cello", voice_path)
    latest = Parent(1, content.read_personality(voice_path).digest)
    assert folder.begin()[1] == latest


@pytest.mark.parametrize(
    "told",
    [b"", b"[]", b"\xff", b'{"lesson": 1}', b'{"lesson": "x", "generation": "y"}'],
)
def test_what_another_release_kept_is_passed_over(folder, voice_path, told):
    uri = publish_voice(folder.store, "cello", voice_path)
    open_store(uri).write("lesson.json", told)
    assert folder.begin()[1].generation == 1


def test_a_parent_that_is_gone_or_another_is_not_asked_for(folder, voice_path):
    lesson = folder.begin()[0][names.LESSON]
    for parent in (Parent(7, "sha256:x"), Parent(1, "sha256:another")):
        latest = taught(folder, voice_path, lesson, parent)
        assert folder.begin()[1] == latest
