"""A studio that is killed in the middle of things, and one that comes after it: nothing is lost."""

import asyncio
import contextlib
import os
import signal

import grpc
import pytest

from tests.cli.terminal import is_alive
from tests.serving.studio.practising import (
    WHOLE_S,
    States,
    client,
    configure,
    hold,
    let_go,
    starts,
    studio_process,
    until,
)

CONTENTS = [bytes(range(256)) * 2000, b"second" * 100]
ASKED = configure(CONTENTS, session_id="lesson")


def run(body):
    asyncio.run(asyncio.wait_for(body, WHOLE_S))


async def begin(found):
    async with found.attached(ASKED) as conversation:
        await conversation.send(CONTENTS)
        await conversation.read_until(lambda c: c.all("training_progress"))


async def pid_of_worker(home):
    return int((await until(lambda: starts(home)))[-1][2])


def test_killed_in_the_middle_of_an_upload(home):
    async def body():
        with studio_process(home) as studio:
            async with client(studio.port) as found, found.attached(ASKED) as sending:
                await sending.chunk(0, 0, CONTENTS[0][:300_000])
                await sending.chunk(1, 0, CONTENTS[1][:50])
                part = home.sessions_path / "lesson" / "parts" / "1"
                await until(lambda: part.exists() and part.stat().st_size == 50)
                studio.kill()
                with pytest.raises(grpc.aio.AioRpcError) as raised:
                    await sending.read_all()
                assert raised.value.code() == grpc.StatusCode.UNAVAILABLE
        with studio_process(home) as studio:
            async with client(studio.port) as found:
                done = await found.practise(ASKED, CONTENTS)
                assert list(done.sessions[0].held_byte_counts) == [300_000, 50]
                assert done.session.state == States.STATE_SUCCEEDED

    run(body())


def test_killed_while_the_coach_listens(home):
    async def body():
        hold(home, name="deaf")
        with studio_process(home) as studio:
            async with client(studio.port) as found, found.attached(ASKED) as sending:
                await sending.send(CONTENTS)
                marks = home.sessions_path / "lesson" / "worker.json"
                await until(marks.exists)
                studio.kill()
        let_go(home, name="deaf")
        with studio_process(home) as studio:
            async with client(studio.port) as found:
                done = await found.attach("lesson")
                assert done.session.state == States.STATE_SUCCEEDED

    run(body())


def test_killed_in_the_middle_of_a_practice_that_goes_on_meanwhile(home):
    async def body():
        hold(home)
        with studio_process(home) as studio:
            async with client(studio.port) as found:
                await begin(found)
                studio.kill()
        pid = await pid_of_worker(home)
        assert is_alive(pid)
        with studio_process(home) as studio:
            async with client(studio.port) as found:
                watcher = asyncio.create_task(found.attach("lesson"))
                await asyncio.sleep(1.0)
                assert is_alive(pid)
                let_go(home)
                done = await watcher
        assert done.session.state == States.STATE_SUCCEEDED
        assert [point.step for point in done.all("training_progress")] == [10, 20]
        assert len(starts(home)) == 1

    run(body())


def test_a_practice_that_ended_while_no_studio_was_there_has_its_result(home):
    async def body():
        hold(home)
        with studio_process(home) as studio:
            async with client(studio.port) as found:
                await begin(found)
                studio.kill()
        pid = await pid_of_worker(home)
        let_go(home)
        await until(lambda: not is_alive(pid))
        with studio_process(home) as studio:
            async with client(studio.port) as found:
                done = await found.attach("lesson")
        assert done.session.state == States.STATE_SUCCEEDED
        assert done.all("finished")[0].generation == 1
        assert len(starts(home)) == 1

    run(body())


def test_a_worker_that_was_killed_with_its_studio_is_started_again(home):
    async def body():

        hold(home)
        with studio_process(home) as studio:
            async with client(studio.port) as found:
                await begin(found)
                studio.kill()
        pid = await pid_of_worker(home)
        os.kill(pid, signal.SIGKILL)
        await until(lambda: not is_alive(pid))
        let_go(home)
        with studio_process(home) as studio:
            async with client(studio.port) as found:
                done = await found.attach("lesson")
        assert done.session.state == States.STATE_SUCCEEDED
        assert [p.step for p in done.all("training_progress")] == [10, 10, 20]
        assert len(starts(home)) == 2

    run(body())


def test_a_worker_of_a_studio_that_is_gone_is_cancelled_by_the_next(home):
    async def body():
        hold(home)
        with studio_process(home) as studio:
            async with client(studio.port) as found:
                await begin(found)
                studio.kill()
        with studio_process(home) as studio:
            async with client(studio.port) as found:
                await found.cancel("lesson")
                await found.wait_for("lesson", States.STATE_CANCELLED)
        assert not is_alive(await pid_of_worker(home))

    run(body())


def test_the_queue_is_kept(home):
    async def body():
        hold(home)
        with studio_process(home) as studio:
            async with client(studio.port) as found:
                for n in range(3):
                    asked = configure(CONTENTS, deu=f"d{n}", session_id=f"s{n}")
                    async with found.attached(asked) as conversation:
                        await conversation.send(CONTENTS)
                        while conversation.session.state == States.STATE_UPLOADING:
                            await conversation.read()
                studio.kill()
        with studio_process(home) as studio:
            async with client(studio.port) as found:
                assert (await found.get("s2")).queue_position == 1
                let_go(home)
                await found.wait_for("s2", States.STATE_SUCCEEDED)
        assert [start[0] for start in starts(home)] == ["d0", "d1", "d2"]

    run(body())


def test_two_studios_of_a_home_of_which_one_is_killed(home):
    async def body():
        hold(home)
        with studio_process(home) as one, studio_process(home) as other:
            async with client(one.port) as first, client(other.port) as second:
                await begin(first)
                watcher = asyncio.create_task(second.attach("lesson"))
                one.kill()
                await asyncio.sleep(1.0)
                assert len(starts(home)) == 1
                let_go(home)
                done = await watcher
        assert done.session.state == States.STATE_SUCCEEDED
        assert len(starts(home)) == 1

    run(body())


def test_a_studio_that_is_told_to_stop_ends_within_its_time(home):
    async def body():
        hold(home)
        with studio_process(home) as studio:
            async with client(studio.port) as found:
                await begin(found)
                pid = await pid_of_worker(home)
                await asyncio.to_thread(studio.stop)
        assert not is_alive(pid)
        let_go(home)
        with studio_process(home) as studio:
            async with client(studio.port) as found:
                with contextlib.suppress(grpc.aio.AioRpcError):
                    await found.attach("lesson")
                await found.wait_for("lesson", States.STATE_SUCCEEDED)

    run(body())
