import os
import subprocess
import sys
import threading

import pytest

from amadeus.errors import HomeError
from amadeus.personality import content, generations
from amadeus.v1 import personality_pb2
from components.pusher import push


@pytest.fixture
def model(tmp_path):
    """What looks like a SavedModel, of enough files that copying it takes a while."""
    path = tmp_path / "model"
    (path / "variables").mkdir(parents=True)
    (path / "saved_model.pb").write_bytes(b"graph")
    for number in range(100):
        (path / "variables" / f"shard-{number}").write_bytes(os.urandom(1000))
    content.write_personality(path, personality("sha256:none"))
    return path


def personality(digest, **fields):
    return personality_pb2.Personality(deu="cello", digest=digest, **fields)


def names(path):
    return sorted(entry.name for entry in path.iterdir())


def test_a_push_is_the_next_generation_and_says_who_it_is(model, tmp_path):
    voices = tmp_path / "voices"
    first = push.push(model, voices, personality("sha256:a"))
    second = push.push(
        model, voices, personality("sha256:b", practice="p", metrics={"m": 1.0})
    )
    assert names(voices) == ["1", "2"]
    assert (first.personality.generation, second.personality.generation) == (1, 2)
    assert content.read_personality(voices / "2") == second.personality
    assert second.personality.metrics["m"] == 1.0
    exported = (voices / "2" / "assets.extra" / "mlmd_uuid").read_text()
    assert exported == second.mlmd_uuid != first.mlmd_uuid
    assert names(voices / "2" / "variables") == names(model / "variables")


def test_a_push_never_touches_what_is_there(model, tmp_path):
    voices = tmp_path / "voices"
    (voices / "7").mkdir(parents=True)
    (voices / "7" / "mine").write_text("untouched")
    (voices / "9").write_text("a file, even")
    pushed = push.push(model, voices, personality("sha256:a"))
    assert pushed.path.name == "10"
    assert names(voices / "7") == ["mine"]


def test_a_number_is_never_seen_before_it_is_whole(model, tmp_path):
    voices = tmp_path / "voices"
    voices.mkdir()
    over = threading.Event()
    seen, torn = set(), []

    def watch():
        while not over.is_set():
            for entry in voices.iterdir():
                if entry.name.isdecimal():
                    whole = len(list((entry / "variables").iterdir())) == 100
                    who = content.read_personality(entry).generation == int(entry.name)
                    seen.add(entry.name)
                    if not (whole and who):
                        torn.append(entry.name)

    watcher = threading.Thread(target=watch)
    watcher.start()
    for number in range(5):
        push.push(model, voices, personality(f"sha256:{number}"))
    over.set()
    watcher.join()
    assert not torn
    assert seen


def test_the_same_voice_is_not_pushed_twice(model, tmp_path):
    voices = tmp_path / "voices"
    first = push.push(model, voices, personality("sha256:a", practice="one"))
    push.push(model, voices, personality("sha256:b"))
    again = push.push(model, voices, personality("sha256:a", practice="two"))
    assert again == first
    assert names(voices) == ["1", "2"]


def test_what_a_killed_push_left_is_removed(model, tmp_path):
    voices = tmp_path / "voices"
    (voices / ".staging-1-dead" / "variables").mkdir(parents=True)
    with generations.staged(voices) as alive:
        push.push(model, voices, personality("sha256:a"))
        assert names(voices) == [alive.name, f"{alive.name}.lock", "1"]
    assert names(voices) == ["1"]


def test_what_is_being_prepared_goes_with_the_process_that_was_killed(model, tmp_path):
    voices = tmp_path / "voices"
    program = (
        "import pathlib, signal; from amadeus.personality import generations\n"
        f"with generations.staged(pathlib.Path({str(voices)!r})):\n"
        "    print('there', flush=True); signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=-1) as child:
        child.stdout.readline()
        push.push(model, voices, personality("sha256:a"))
        assert len(names(voices)) == 3  # the child's with its lock, and the voice
        child.kill()
    push.push(model, voices, personality("sha256:b"))
    assert names(voices) == ["1", "2"]


def test_pushes_at_once_get_numbers_of_their_own(model, tmp_path, monkeypatch):
    voices = tmp_path / "voices"
    voices.mkdir()
    (voices / ".rival").mkdir()
    taken = []
    rename = generations._rename_to_new

    def rival_takes_it_first(staging, target):
        if not taken:
            (voices / ".rival").rename(target)
            (target / "theirs").write_text("")
            taken.append(target.name)
        return rename(staging, target)

    monkeypatch.setattr(generations, "_rename_to_new", rival_takes_it_first)
    pushed = push.push(model, voices, personality("sha256:a"))
    assert pushed.path.name == "2"
    assert pushed.personality.generation == 2
    assert names(voices / "1") == ["theirs"]


def test_a_folder_that_cannot_be_written_is_named(model, tmp_path):
    (tmp_path / "voices").write_text("a file where a folder should be")
    with pytest.raises(HomeError, match="cannot write"):
        push.push(model, tmp_path / "voices", personality("sha256:a"))
