"""Whose turn it is: sessions practise in order, at most so many at once, each deu once at a time."""

import asyncio

from serving.studio.practice_limits import PracticeLimits
from tests.serving.studio.practising import (
    CONTENTS,
    WHOLE_S,
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


def test_sessions_practise_in_order_and_know_their_place(home):
    async def body(found):
        hold(home)
        names = ["first", "second", "third", "fourth"]
        for name in names:
            await begin(found, deu=name, session_id=name)
        places = {s.session_id: s.queue_position for s in (await found.list()).sessions}
        assert places == {"first": 0, "second": 0, "third": 1, "fourth": 2}
        watcher = asyncio.create_task(found.attach("fourth"))
        await asyncio.sleep(0.5)
        await found.cancel("third")
        await asyncio.sleep(0.5)
        let_go(home)
        seen = await watcher
        queued = [s for s in seen.sessions if s.state == States.STATE_QUEUED]
        assert [s.queue_position for s in queued][:2] == [2, 1]
        assert [start[0] for start in starts(home)] == ["first", "second", "fourth"]

    practise(home, body)


def test_as_many_practise_at_once_as_allowed(home):
    async def body(found):
        hold(home)
        for name in ("a", "b", "c"):
            await begin(found, deu=name, session_id=name)
        await until(lambda: len(starts(home)) == 2)
        await asyncio.sleep(0.6)
        states = [(await found.get(name)).state for name in "abc"]
        running, queued = States.STATE_RUNNING, States.STATE_QUEUED
        assert states == [running, running, queued]
        assert len(starts(home)) == 2
        let_go(home)
        await found.wait_for("c", States.STATE_SUCCEEDED)

    practise(home, body, PracticeLimits(running=2, close_s=2.0))


def test_a_studio_that_only_plays_leaves_listening_and_practising_to_others(home):
    player = PracticeLimits(running_here=0, close_s=2.0)

    async def run():
        async with studio(home, player) as stage:
            asked = configure(CONTENTS, session_id="one")
            async with stage.attached(asked) as conversation:
                await conversation.send(CONTENTS)
                await until(lambda: stage.practices.session_counts())
                await asyncio.sleep(1.0)  # four looks at what is due
                assert (await stage.get("one")).state == States.STATE_UPLOADING
                async with studio(home):
                    await conversation.read_all()
            assert conversation.session.state == States.STATE_SUCCEEDED
            assert len(starts(home)) == 1

    asyncio.run(asyncio.wait_for(run(), WHOLE_S))


def test_each_studio_starts_no_more_than_its_share(home):
    limits = PracticeLimits(running=3, running_here=1, close_s=2.0)

    async def run():
        hold(home)
        async with studio(home, limits) as one:
            for name in ("a", "b", "c"):
                await begin(one, deu=name, session_id=name)
            await until(lambda: len(starts(home)) == 1)
            await asyncio.sleep(0.6)
            assert len(starts(home)) == 1
            async with studio(home, limits):
                await until(lambda: len(starts(home)) == 2)
                await asyncio.sleep(0.6)
                assert len(starts(home)) == 2
                let_go(home)
                await one.wait_for("c", States.STATE_SUCCEEDED)

    asyncio.run(asyncio.wait_for(run(), WHOLE_S))


def test_a_deu_practises_once_at_a_time_and_is_passed_meanwhile(home):
    async def body(found):
        hold(home)
        await begin(found, deu="cello", session_id="one")
        await begin(found, deu="cello", session_id="two")
        await begin(found, deu="viola", session_id="three")
        await found.wait_for("three", States.STATE_RUNNING)
        assert (await found.get("two")).state == States.STATE_QUEUED
        let_go(home)
        await found.wait_for("two", States.STATE_SUCCEEDED)
        assert [start[0] for start in starts(home)] == ["cello", "viola", "cello"]

    practise(home, body, PracticeLimits(running=2, close_s=2.0))


def test_a_practice_by_hand_is_waited_for(home):
    async def body(found):
        with home.create_deu("cello").locked():
            session_id = await begin(found)
            await asyncio.sleep(0.6)
            assert (await found.get(session_id)).state == States.STATE_QUEUED
        await found.wait_for(session_id, States.STATE_SUCCEEDED)

    practise(home, body)


def test_each_practice_grows_from_the_last(home):
    async def body(found):
        hold(home)
        for _ in range(2):
            last = await begin(found)
        let_go(home)
        session = await found.wait_for(last, States.STATE_SUCCEEDED)
        assert session.personality.generation == 2

    practise(home, body)
