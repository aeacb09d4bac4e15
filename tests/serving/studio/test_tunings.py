"""Tunings over gRPC: knobs of the player at once, knobs of the learner in the queue with the recordings kept here."""

import asyncio
import contextlib
import json
import os
import socket

import grpc
import pytest

from amadeus.lineage import patience
from amadeus.lineage.addresses import sqlite_url
from amadeus.personality.content import read_personality
from amadeus.v1 import session_pb2
from serving.studio.practice_limits import PracticeLimits
from tests.export.voices import SMALL, write_voice
from tests.serving.metadata_server.process import metadata_server
from tests.serving.studio.practising import (
    WHOLE_S,
    States,
    configure,
    hold,
    let_go,
    starts,
    studio,
)
from tests.serving.studio.teaching import CONTENT, NAME, teach


@pytest.fixture(scope="module")
def voice_path(tmp_path_factory):
    return write_voice(tmp_path_factory.mktemp("voice") / "1", **SMALL)


@pytest.fixture
def taught(home, voice_path):
    return teach(home, voice_path)


def tuning(*, session_id="", deu="cello", **fields):
    return session_pb2.PracticeConfiguration(
        session_id=session_id, deu=deu, tuning=session_pb2.TuningConfiguration(**fields)
    )


BRIGHT = {"player_profile": {"brightness": 0.5}}


def practise(home, body, limits=None, **commands):
    async def run():
        async with studio(home, limits, **commands) as found:
            await body(found)

    asyncio.run(asyncio.wait_for(run(), WHOLE_S))


async def refused(found, configuration):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await found.practise(configuration, [])
    return caught.value


def test_knobs_of_the_player_are_turned_at_once_and_the_voice_comes_back(home, taught):
    async def body(found):
        asked = tuning(**BRIGHT)
        asked.send_personality = True
        done = await found.practise(asked, [])
        assert done.session.state == States.STATE_SUCCEEDED
        assert done.session.personality.player_profile.brightness == 0.5
        assert States.STATE_UPLOADING not in done.states
        (finished,) = done.all("finished")
        assert (finished.generation, finished.is_new) == (2, True)
        assert done.bundle
        assert starts(home) == [], "no worker was needed"

    practise(home, body)
    assert taught.current_generation() == 2


def test_knobs_wait_for_metadata_that_are_gone_and_nothing_else_does(
    home, taught, tmp_path, monkeypatch
):
    """A metadata server that comes up late: the session stays in its place, and the studio answers meanwhile."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setattr(patience, "_given_up_at", {})
    monkeypatch.setenv("AMADEUS_METADATA", f"grpc://127.0.0.1:{port}")

    async def body(found):
        asked = tuning(session_id="knobs", **BRIGHT)
        async with found.attached(asked):
            await asyncio.sleep(2.0)
            assert (await found.get("knobs")).state == States.STATE_QUEUED
        assert taught.generations() == [1], "nothing was begun"
        backing = sqlite_url(tmp_path / "late.sqlite")
        with metadata_server(backing, port=port):
            await found.wait_for("knobs", States.STATE_SUCCEEDED)

    practise(home, body)
    assert taught.current_generation() == 2


def test_knobs_of_the_player_do_not_wait_for_the_practice_of_another_deu(home, taught):
    hold(home)

    async def body(found):
        asked = configure([CONTENT], deu="viola")
        async with found.attached(asked) as viola:
            await viola.send([CONTENT])
            await found.wait_for(viola.session.session_id, States.STATE_RUNNING)
            done = await found.practise(tuning(**BRIGHT), [])
            assert done.session.state == States.STATE_SUCCEEDED
            now = await found.get(viola.session.session_id)
            assert now.state == States.STATE_RUNNING
            let_go(home)

    practise(home, body)


def test_a_deu_that_is_in_a_practice_is_tuned_when_that_is_over(home, taught):
    async def body(found):
        with contextlib.ExitStack() as held:
            held.enter_context(taught.locked())
            async with found.attached(tuning(**BRIGHT)) as conversation:
                assert conversation.session.state == States.STATE_QUEUED
                await asyncio.sleep(1.0)
                assert taught.generations() == [1]
                held.close()
                await conversation.read_all()
                assert conversation.session.state == States.STATE_SUCCEEDED

    practise(home, body)
    assert taught.generations() == [1, 2]


def test_a_tuning_that_changes_nothing_makes_no_generation(home, taught):
    async def body(found):
        asked = tuning(player_profile={"brightness": 0}, default_knobs=["a4_hz"])
        done = await found.practise(asked, [])
        assert done.session.state == States.STATE_SUCCEEDED
        (finished,) = done.all("finished")
        assert (finished.generation, finished.is_new) == (1, False)

    practise(home, body)
    assert taught.generations() == [1]


def test_an_earlier_generation_can_be_tuned_and_tuned_back(home, taught):
    async def body(found):
        await found.practise(tuning(**BRIGHT), [])
        done = await found.practise(
            tuning(generation=1, player_profile={"a4_hz": 442}), []
        )
        who = done.session.personality
        assert (who.player_profile.a4_hz, who.player_profile.brightness) == (442, 0)
        back = await found.practise(tuning(default_knobs=["a4_hz"]), [])
        first = read_personality(taught.voice_path(1))
        assert back.session.personality.digest == first.digest

    practise(home, body)


def test_knobs_of_the_learner_go_to_a_worker_with_the_recordings_kept_here(
    home, taught
):
    async def body(found):
        asked = tuning(
            learner_profile={"learning_rate": 0.001, "step_count": 1},
            player_profile={"brightness": 1},
            session_id="mine",
        )
        done = await found.practise(asked, [])
        assert done.session.state == States.STATE_SUCCEEDED, done.session.failure
        assert list(done.session.held_byte_counts) == [len(CONTENT)]
        again = await found.practise(asked, [])
        assert again.session.create_time == done.session.create_time

    practise(home, body)
    ((_, practice, *_),) = starts(home)
    request = json.loads(
        (taught.practices_path / practice / "request.json").read_text()
    )
    assert request["recordings"]["name"] == ["élégie.wav"]
    assert request["parent_generation"] == 1
    assert request["player_profile"]["brightness"] == 1
    assert request["learner_profile"]["sample_rate"] == 8_000
    assert {c["knob"] for c in request["changes"]} == {
        "learning_rate", "step_count", "brightness",
    }  # fmt: skip


def test_a_session_of_a_tuning_is_not_taken_for_another(home, taught):
    async def body(found):
        await found.practise(tuning(session_id="mine", **BRIGHT), [])
        error = await refused(
            found, tuning(session_id="mine", player_profile={"brightness": 1})
        )
        assert error.code() == grpc.StatusCode.ALREADY_EXISTS
        assert "turns other knobs" in error.details()
        there = await found.attach("mine")
        assert there.session.state == States.STATE_SUCCEEDED

    practise(home, body)


@pytest.mark.parametrize(
    ("asked", "code", "sentence"),
    [
        (tuning(), "INVALID_ARGUMENT", "names no knob"),
        (tuning(deu="tuba", **BRIGHT), "NOT_FOUND", "no deu 'tuba'"),
        (tuning(deu="viola", **BRIGHT), "NOT_FOUND", "no voice yet"),
        (tuning(generation=9, **BRIGHT), "NOT_FOUND", "no generation 9"),
        (tuning(generation=-1, **BRIGHT), "INVALID_ARGUMENT", "generation is -1"),
        (
            tuning(player_profile={"brightness": 9}),
            "INVALID_ARGUMENT",
            "choose from -2 to 2",
        ),
        (
            tuning(player_profile={"brightness": float("nan")}),
            "INVALID_ARGUMENT",
            "out of range",
        ),
        (
            tuning(player_profile={"voice_mode": 9}),
            "INVALID_ARGUMENT",
            "choose one of",
        ),
        (
            tuning(default_knobs=["brightnes"]),
            "INVALID_ARGUMENT",
            "did you mean brightness",
        ),
        (
            tuning(default_knobs=["brightness"], **BRIGHT),
            "INVALID_ARGUMENT",
            "given twice",
        ),
        (
            tuning(learner_profile={"step_count": 9_000_000}),
            "RESOURCE_EXHAUSTED",
            "more than allowed here",
        ),
        (
            tuning(learner_profile={"frame_rate": 70}),
            "INVALID_ARGUMENT",
            "does not divide",
        ),
    ],
)
def test_what_cannot_be_tuned_is_refused_at_the_door(
    home, taught, asked, code, sentence
):
    home.create_deu("viola")

    async def body(found):
        error = await refused(found, asked)
        assert error.code().name == code, error.details()
        assert sentence in error.details()
        assert not (await found.list()).sessions

    practise(home, body)
    assert taught.generations() == [1]


def test_a_tuning_brings_no_recordings(home, taught):
    async def body(found):
        asked = configure([CONTENT])
        asked.tuning.CopyFrom(tuning(**BRIGHT).tuning)
        error = await refused(found, asked)
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT

    practise(home, body)


def test_recordings_that_are_gone_are_called_by_their_names(home, taught):
    (home.recordings_path / f"{NAME}.wav").unlink()

    async def body(found):
        error = await refused(found, tuning(learner_profile={"seed": 7}))
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert "learned from élégie.wav, which is not there" in error.details()
        assert str(home.path) not in error.details()

    practise(home, body)


def test_a_damaged_voice_is_not_tuned(home, taught):
    (taught.voice_path(1) / "saved_model.pb").write_bytes(b"")

    async def body(found):
        done = await found.practise(tuning(**BRIGHT), [])
        assert done.session.state == States.STATE_FAILED
        assert "is damaged" in done.session.failure
        assert str(home.path) not in done.session.failure

    practise(home, body)
    assert taught.generations() == [1]


def test_recordings_of_a_tuning_that_waits_are_kept(home, taught):
    limits = PracticeLimits(keep_s=2.0, patience_s=2.0, close_s=2.0)

    async def body(found):
        with taught.locked():
            asked = tuning(learner_profile={"seed": 1}, session_id="mine")
            async with found.attached(asked) as conversation:
                assert conversation.session.state == States.STATE_QUEUED
                for path in home.recordings_path.iterdir():
                    os.utime(path, (0, 0))  # as if nobody had used them for years
                await asyncio.sleep(1.0)
                assert (home.recordings_path / NAME).exists()
                assert (home.recordings_path / f"{NAME}.wav").exists()
                await found.cancel("mine")

    practise(home, body, limits)


@pytest.mark.parametrize("said", ["nothing", "all"])
def test_a_studio_that_dies_while_it_tunes_makes_one_generation(home, taught, said):
    """Killed when the voice was in its place, before or after the journal's last word."""

    async def tune(found):
        await found.practise(tuning(session_id="mine", **BRIGHT), [])

    practise(home, tune)
    state = home.sessions_path / "mine" / "state.json"
    standing = json.loads(state.read_text())
    state.write_text(json.dumps({**standing, "state": "queued", "ended_at": ""}))
    if said == "nothing":
        (taught.practices()[-1] / "journal.jsonl").write_text("")

    async def again(found):
        done = await found.attach("mine")
        assert done.session.state == States.STATE_SUCCEEDED
        (finished,) = done.all("finished")
        assert (finished.generation, finished.is_new) == (2, True)

    practise(home, again)
    assert taught.generations() == [1, 2]
