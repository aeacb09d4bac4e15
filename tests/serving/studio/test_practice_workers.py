"""Workers of practices over gRPC: polite, taken up again when they die, and given up when they always do."""

import asyncio
import hashlib
import os
from pathlib import Path

import grpc
import pytest

from amadeus.cli.portrait import describe
from amadeus.report.page import render_report
from serving.studio import workers
from serving.studio.outcomes import Outcomes
from serving.studio.practice_limits import PracticeLimits
from serving.studio.sessions import State
from serving.studio.workers import NICENESS
from tests.cli.terminal import is_alive
from tests.serving.studio.practising import (
    CONTENTS,
    States,
    begin,
    configure,
    hold,
    let_go,
    practise,
    starts,
    studio,
    until,
)
from tests.serving.studio.stand_in_teacher import CRASH_ONCE, DIE


def test_a_worker_is_polite(home, monkeypatch):
    monkeypatch.setenv("AMADEUS_STUDIO_TOKEN", "secret")

    async def body(found):
        hold(home)
        session_id = await begin(found)
        (start,) = await until(lambda: starts(home))
        pid = int(start[2])
        environment = Path(f"/proc/{pid}/environ").read_text().split("\0")
        variables = dict(line.split("=", 1) for line in environment if line)
        assert int(start[3]) == NICENESS
        assert os.getpgid(pid) != os.getpgid(0), "a group of its own"
        assert variables["TF_NUM_INTRAOP_THREADS"] == "1"
        assert variables["OMP_NUM_THREADS"] == "1"
        assert "AMADEUS_STUDIO_TOKEN" not in variables
        assert len(os.sched_getaffinity(pid)) == 1
        let_go(home)
        await found.wait_for(session_id, States.STATE_SUCCEEDED)

    practise(home, body, PracticeLimits(threads=1))


def test_workers_are_sent_to_processors_of_their_own():
    here = os.sched_getaffinity(0)
    chosen = [workers._choose_processors(1, n) for n in range(len(here))]
    assert set().union(*chosen) == here
    assert workers._choose_processors(len(here) + 3, 1) == here


def test_who_plays_is_not_sent_if_it_cannot_be_packed(home):
    async def body(found):
        asked = configure(CONTENTS, send_personality=True)
        with pytest.raises(grpc.aio.AioRpcError, match="digest") as raised:
            await found.practise(asked, CONTENTS)
        assert raised.value.code() == grpc.StatusCode.FAILED_PRECONDITION
        assert str(home.path) not in raised.value.details()
        (session,) = (await found.list()).sessions
        assert session.state == States.STATE_SUCCEEDED

    practise(home, body)


def test_a_worker_that_dies_is_started_again_and_the_story_goes_on(home):
    async def body(found):
        done = await found.practise(configure(CONTENTS, seed=CRASH_ONCE), CONTENTS)
        assert done.session.state == States.STATE_SUCCEEDED
        assert len(starts(home)) == 2
        steps = [point.step for point in done.all("training_progress")]
        assert steps == [10, 10, 20]
        assert done.all("warning")[-1].text.endswith("goes on from where it stopped")
        elapsed = [event.elapsed_s for event in done.events]
        assert elapsed[1:] == sorted(elapsed[1:])

    practise(home, body)


def test_a_worker_that_always_dies_is_given_up(home):
    async def body(found):
        done = await found.practise(configure(CONTENTS, seed=DIE), CONTENTS)
        assert done.session.state == States.STATE_FAILED
        assert "died 2 times without a last word" in done.session.failure
        assert len(starts(home)) == 2

    practise(home, body, PracticeLimits(starts=2))


def test_a_practice_that_takes_too_long_is_ended(home):
    async def body(found):
        hold(home)
        done = await found.practise(configure(CONTENTS), CONTENTS)
        assert done.session.state == States.STATE_FAILED
        assert "more than 0.000278 hours" in done.session.failure
        assert not done.all("failed")
        assert not any(is_alive(int(start[2])) for start in starts(home))

    practise(home, body, PracticeLimits(practice_s=1.0))


def test_a_coach_that_comes_to_no_judgement_is_given_up(home):
    async def body(found):
        hold(home, name="deaf")
        done = await found.practise(configure(CONTENTS), CONTENTS)
        assert done.session.state == States.STATE_FAILED
        assert "the coach listened 2 times and came to no judgement" in (
            done.session.failure
        )

    practise(home, body, PracticeLimits(listening_s=0.3, starts=2))


def test_a_session_that_cannot_be_moved_on_stops_no_other(home, monkeypatch):
    conclude, is_ill = Outcomes.conclude, [True]

    def stumble(self, session):
        if session.session_id == "ill" and session.state is State.RUNNING and is_ill:
            raise PermissionError("no rights")
        return conclude(self, session)

    monkeypatch.setattr(Outcomes, "conclude", stumble)

    async def body(found):
        await begin(found, deu="viola", session_id="ill")
        await begin(found, session_id="well")
        await found.wait_for("well", States.STATE_SUCCEEDED)
        assert (await found.get("ill")).state == States.STATE_RUNNING
        is_ill.clear()
        await found.wait_for("ill", States.STATE_SUCCEEDED)

    practise(home, body, PracticeLimits(running=2, close_s=0.1))


def test_recordings_that_went_away_while_waiting_fail_their_session(home):
    async def body(found):
        hold(home)
        await begin(found, [b"one"])
        session_id = await begin(found, [b"two"], deu="viola")
        for path in home.recordings_path.glob(f"{hashlib.sha256(b'two').hexdigest()}*"):
            path.unlink()
        let_go(home)
        session = await found.wait_for(session_id, States.STATE_FAILED)
        assert "cannot prepare its practice (No such file" in session.failure

    practise(home, body)


def test_a_worker_that_is_not_there_is_said_so(home):
    async def run():
        async with studio(home, practice_command=lambda path: ["/no/such"]) as found:
            done = await found.practise(configure(CONTENTS), CONTENTS)
            assert done.session.state == States.STATE_FAILED
            assert "No such file" in done.session.failure

    asyncio.run(run())


def test_other_commands_read_what_a_studio_practised(home):
    async def body(found):
        asked = configure(CONTENTS, names=["élégie.wav", "fuga.wav"])
        await found.practise(asked, CONTENTS)

    practise(home, body)
    deu = home.deu("cello")
    (practice,) = deu.practices()
    assert any("made generation 1" in line for line in describe(deu))
    assert "élégie.wav" in render_report(deu, practice)
