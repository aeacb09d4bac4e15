"""Knobs of the player turned: the same network, another profile, a digest that covers content only."""

import contextlib
import errno
import json
import os
import sqlite3
import subprocess
import sys

import numpy as np
import pytest

from amadeus import lineage
from amadeus.errors import HomeError, VoiceError
from amadeus.journal import read_journal
from amadeus.personality import content, generations, inspection
from amadeus.play.notation import Note, Score
from amadeus.play.perform import perform_score
from amadeus.tuning import network, player
from amadeus.tuning.plan import make_plan
from amadeus.tuning.wish import read_wish
from amadeus.v1 import profiles_pb2


def names(folder):
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


def test_a_tuned_generation_is_whole_and_plays_now(deu, tune):
    tuned = tune("brightness=0.5")
    who = inspection.check_voice(tuned.path)
    assert tuned.is_new
    assert deu.current_generation() == who.generation == 2
    assert who.player_profile.brightness == 0.5
    first = content.read_personality(deu.voice_path(1))
    assert who.parent_digest == first.digest != who.digest
    assert who.practice == "p1"
    assert (tuned.path / "assets.extra" / "mlmd_uuid").read_text() == (
        generations.mlmd_uuid(who)
    )


def test_the_network_is_shared_and_who_it_is_is_not(deu, tune):
    before = {
        path: (path.stat().st_ino, path.read_bytes())
        for path in deu.voice_path(1).rglob("*")
        if path.is_file()
    }
    tuned = tune("brightness=0.5")
    for path, (inode, written) in before.items():
        assert path.read_bytes() == written, "the parent is as it was"
        twin = tuned.path / path.relative_to(deu.voice_path(1))
        own = path.parent.name == content.EXTRAS_FOLDER
        assert (twin.stat().st_ino == inode) != own, twin


def test_a_disk_without_links_gets_copies(deu, tune, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    tuned = tune("brightness=0.5")
    inspection.check_voice(tuned.path)
    assert names(tuned.path) >= names(deu.voice_path(1))


def test_tuning_back_gives_the_old_digest(deu, tune):
    first = content.read_personality(deu.voice_path(1)).digest
    bright = tune("brightness=0.5", "voice_mode=mono").personality.digest
    half = tune("brightness=default").personality.digest
    back = tune("voice_mode=poly")
    assert len({first, bright, half}) == 3
    assert back.personality.digest == first
    assert (back.same_as, back.personality.generation) == (1, 4)
    assert tune("brightness=0.5", "voice_mode=mono").personality.digest == bright


def test_tuning_back_gives_the_old_digest_of_a_voice_that_knew_fewer_knobs(deu, tune):
    """Its profile lacks a knob, which stays lacking when it is back at its default."""
    old = content.read_personality(deu.voice_path(1))
    old.player_profile.ClearField("brightness")
    values = network.weights.read_weights(deu.voice_path(1) / "variables")
    old.digest = content.digest(
        values, old.learner_profile, old.player_profile, old.statistics
    )
    content.write_personality(deu.voice_path(1), old)
    tune("brightness=0.5")
    tune("a4_hz=442")
    tune("brightness=0")
    assert tune("a4_hz=440").personality.digest == old.digest


def test_the_same_tuning_of_the_same_parent_is_found_again(deu, tune):
    first = tune("brightness=0.5")
    deu.point_to(1)
    again = tune("brightness=0.5")
    assert not again.is_new
    assert again.path == first.path
    assert deu.current_generation() == 2
    assert deu.generations() == [1, 2]


def test_a_branch_grows_from_where_the_pointer_stands(deu, tune):
    tune("brightness=0.5")
    deu.point_to(1)
    other = tune("noise_gain_db=-6").personality
    assert other.player_profile.brightness == 0
    assert other.generation == 3
    assert other.parent_digest == content.read_personality(deu.voice_path(1)).digest


def test_the_practice_and_the_lineage_tell_of_it(home, deu, tune):
    tune("brightness=0.5")
    tune("noise_gain_db=-6", "brightness=default")
    practice = deu.practices()[-1]
    (event,) = read_journal(practice / "journal.jsonl")
    assert (event.finished.generation, event.finished.is_new) == (3, True)
    assert json.loads((practice / "result.json").read_text())["generation"] == 3
    changes = json.loads((practice / "request.json").read_text())["changes"]
    assert {c["knob"]: c["after"] for c in changes} == {
        "noise_gain_db": "-6",
        "brightness": "0",
    }
    first, second = lineage.lineage_of(home, deu)
    assert (first.generation, second.generation) == (2, 3)
    assert second.parent_generation == 2
    assert second.parent_digest == first.digest


@pytest.mark.parametrize("step", ["place", "record", "point", "finish"])
def test_a_tuning_that_is_killed_is_whole_when_it_is_done_again(
    home, deu, tune, monkeypatch, step
):
    class Killed(BaseException):
        pass

    def die(*_, **__):
        raise Killed

    where = {
        "place": (player, "_place"),
        "record": (player, "record"),
        "point": (type(deu), "point_to"),
        "finish": (player, "_conclude"),
    }[step]
    with monkeypatch.context() as patch:
        patch.setattr(*where, die)
        with pytest.raises(Killed):
            tune("brightness=0.5")
    plan = make_plan(deu, read_wish(["brightness=0.5"], []))
    if plan.changes:
        tune("brightness=0.5")
    else:
        player.mend_record(home, deu, plan.parent)
    assert deu.generations() == [1, 2]
    assert deu.current_generation() == 2
    (record,) = lineage.lineage_of(home, deu)
    assert record.generation == 2
    inspection.check_voice(deu.voice_path())


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("variables/variables.data-00000-of-00001", lambda old: old[:-4]),
        ("variables/variables.data-00000-of-00001", lambda old: b"\x01" + old[1:]),
        ("variables/variables.index", lambda old: old[: len(old) // 2]),
        ("saved_model.pb", lambda old: old[: len(old) // 2]),
        ("saved_model.pb", lambda old: b""),
        ("assets.extra/personality.json", lambda old: old[:-9]),
    ],
)
def test_a_damaged_voice_is_not_tuned_and_nothing_changes(deu, tune, name, damage):
    path = deu.voice_path(1) / name
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(VoiceError, match="damaged"):
        tune("brightness=0.5")
    assert deu.generations() == [1]
    assert not deu.practices()
    assert not list(deu.voices_path.glob(".*"))


@pytest.mark.parametrize("name", ["saved_model.pb", "variables/variables.index"])
def test_a_voice_that_lacks_a_file_is_not_tuned(deu, tune, name):
    (deu.voice_path(1) / name).unlink()
    with pytest.raises(VoiceError, match="damaged"):
        tune("brightness=0.5")
    assert deu.generations() == [1]


def test_metadata_that_cannot_be_written_are_said_and_nothing_changes(home, deu, tune):
    home.metadata_path.mkdir()
    with pytest.raises(HomeError, match="metadata"):
        tune("brightness=0.5")
    assert deu.generations() == [1]
    assert not deu.practices()


@pytest.mark.parametrize(
    "damage",
    [
        *("text", "read-only", "newer"),
        pytest.param("locked", marks=pytest.mark.cluster),  # ML Metadata waits long
    ],
)
def test_a_store_that_takes_nothing_in_is_said_and_nothing_changes(
    home, deu, tune, damage
):
    tune("brightness=0.5")
    with contextlib.ExitStack() as held:
        _spoil(home.metadata_path, damage, held)
        with pytest.raises(HomeError, match="metadata") as caught:
            tune("brightness=1")
    assert "\n" not in str(caught.value)
    assert deu.generations() == [1, 2]
    assert len(deu.practices()) == 1


def _spoil(path, damage, held):
    if damage == "text":
        path.write_text("Dear Constanze, this is no database at all. " * 99)
    elif damage == "read-only":
        if os.geteuid() == 0:
            pytest.skip("nothing is read-only to root")
        path.chmod(0o444)
    elif damage == "newer":
        with contextlib.closing(sqlite3.connect(path)) as store:
            store.execute("UPDATE MLMDEnv SET schema_version = 999")
            store.commit()
    else:  # from another process: SQLite's locks do not hold within one
        hold = (
            "import sqlite3, sys; store = sqlite3.connect(sys.argv[1])\n"
            "store.execute('BEGIN EXCLUSIVE'); print('held', flush=True); input()"
        )
        holder = held.enter_context(
            subprocess.Popen(
                [sys.executable, "-c", hold, str(path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        held.callback(holder.kill)
        assert holder.stdout.readline() == "held\n"


def test_a_generation_that_could_not_be_recorded_is_withdrawn(deu, tune, monkeypatch):
    def refuse(*_, **__):
        raise HomeError("the metadata were locked a moment after they were not")

    with monkeypatch.context() as patch:
        patch.setattr(player, "record", refuse)
        with pytest.raises(HomeError, match="a moment after"):
            tune("brightness=0.5")
    assert [path.name for path in deu.voices_path.iterdir()] == ["1"]
    assert tune("brightness=0.5").is_new


def test_a_tuned_voice_performs_as_tuned(deu, tune):
    """No knob is given to the performance: what it starts from is the personality."""
    from amadeus.voice.player import Voice

    score = Score([Note(0.0, 1.5, 60, 100)])
    centroids = {
        brightness: _centroid(
            perform_score(Voice.load(tune(f"brightness={brightness}").path), score)
        )
        for brightness in (-1, 1)
    }
    assert centroids[1] > 1.1 * centroids[-1]


def _centroid(performance):
    spectrum = np.abs(np.fft.rfft(performance.audio)) ** 2
    hz = np.fft.rfftfreq(len(performance.audio), 1 / performance.sample_rate)
    return float((spectrum * hz).sum() / spectrum.sum())


def test_every_knob_of_the_player_makes_another_personality(deu):
    parent = content.read_personality(deu.voice_path(1))
    names_ = [f.name for f in profiles_pb2.PlayerProfile.DESCRIPTOR.fields]
    digests = {parent.digest}
    for name in names_:
        profile = profiles_pb2.PlayerProfile()
        profile.CopyFrom(parent.player_profile)
        value = getattr(profile, name)
        setattr(profile, name, 2 if value == 1 else 1)
        digests.add(network.digest_tuned(deu.voice_path(1), parent, profile))
    assert len(digests) == len(names_) + 1
