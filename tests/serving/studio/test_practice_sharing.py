"""Studios that stop leave their practices to be taken up, and studios that share a home share its sessions."""

import asyncio

import grpc
import pytest

from serving.studio.practice_limits import PracticeLimits
from tests.cli.terminal import is_alive
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
from tests.serving.studio.stand_in_teacher import DEAF


def test_a_studio_that_stops_leaves_its_practice_to_be_taken_up(home):
    async def run():
        hold(home)
        async with studio(home) as found:
            session_id = await begin(found)
            await until(
                lambda: list(home.path.glob("deus/*/practices/*/journal.jsonl"))
            )
            watcher = asyncio.create_task(found.attach(session_id))
            await asyncio.sleep(0.5)
            await found.practices.close()
            with pytest.raises(grpc.aio.AioRpcError, match="is stopping") as raised:
                await watcher
            assert raised.value.code() == grpc.StatusCode.UNAVAILABLE
            assert not is_alive(int(starts(home)[0][2]))
        let_go(home)
        async with studio(home) as found:
            seen = await found.attach(session_id)
            assert seen.session.state == States.STATE_SUCCEEDED
            assert [p.step for p in seen.all("training_progress")] == [10, 10, 20]
            assert not seen.all("failed")
        assert len(starts(home)) == 2

    asyncio.run(asyncio.wait_for(run(), WHOLE_S))


def test_a_worker_that_does_not_listen_does_not_keep_a_studio_from_stopping(home):
    async def run():
        hold(home)
        async with studio(home, PracticeLimits(close_s=0.5)) as found:
            session_id = await begin(found, seed=DEAF)
            await until(
                lambda: list(home.path.glob("deus/*/practices/*/journal.jsonl"))
            )
        assert not is_alive(int(starts(home)[0][2]))
        let_go(home)
        async with studio(home) as found:
            await found.wait_for(session_id, States.STATE_SUCCEEDED)

    asyncio.run(asyncio.wait_for(run(), WHOLE_S))


def test_studios_that_share_a_home_share_its_sessions(home):
    others = [b"other" * 100]

    async def run():
        hold(home)
        async with studio(home) as one, studio(home) as other:
            ids = [await begin(one, deu=f"d{n}", session_id=f"s{n}") for n in range(4)]
            async with other.attached(configure(others, deu="late")) as conversation:
                await conversation.chunk(0, 0, others[0][:7])
                late = conversation.session.session_id
                while not (await one.get(late)).held_byte_counts[0]:
                    await asyncio.sleep(0.02)
            asked = configure(others, deu="late", session_id=late)
            rest = asyncio.create_task(one.practise(asked, others))
            await asyncio.sleep(0.6)
            let_go(home)
            done = await rest
            assert done.sessions[0].held_byte_counts[0] == 7
            assert done.session.state == States.STATE_SUCCEEDED
            for session_id in ids:
                await other.wait_for(session_id, States.STATE_SUCCEEDED)
        assert [start[0] for start in starts(home)] == ["d0", "d1", "d2", "d3", "late"]

    asyncio.run(asyncio.wait_for(run(), WHOLE_S))


def test_any_studio_of_a_home_cancels(home):
    async def run():
        hold(home)
        async with studio(home) as one, studio(home) as other:
            session_id = await begin(one)
            await until(
                lambda: list(home.path.glob("deus/*/practices/*/journal.jsonl"))
            )
            await asyncio.sleep(0.2)
            await other.cancel(session_id)
            await other.wait_for(session_id, States.STATE_CANCELLED)

    asyncio.run(asyncio.wait_for(run(), WHOLE_S))


def test_a_studio_that_stops_hands_its_practice_to_another(home):
    async def run():
        hold(home)
        async with studio(home) as other:
            async with studio(home) as one:
                session_id = await begin(one)
                await until(lambda: starts(home))
            let_go(home)
            await other.wait_for(session_id, States.STATE_SUCCEEDED)

    asyncio.run(asyncio.wait_for(run(), WHOLE_S))


def test_a_damaged_session_is_passed_over(home):
    async def body(found):
        broken = home.sessions_path / "broken"
        broken.mkdir(parents=True)
        (broken / "session.json").write_text("{")
        (broken / "state.json").write_text("[]")
        done = await found.practise(configure(CONTENTS), CONTENTS)
        assert done.session.state == States.STATE_SUCCEEDED
        assert len((await found.list()).sessions) == 1

    practise(home, body)


def test_counts_are_kept_for_metrics(home):
    async def body(found):
        await found.practise(configure(CONTENTS), CONTENTS)
        counts = found.practices.session_counts()
        assert counts["succeeded"] == 1
        assert sum(counts.values()) == 1

    practise(home, body)
