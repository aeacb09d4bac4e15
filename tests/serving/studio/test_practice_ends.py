"""How a session ends when somebody wants it: waiting, listening or running."""

import asyncio

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
    until,
)
from tests.serving.studio.stand_in_teacher import (
    DEAF,
)


def test_a_session_that_uploads_is_cancelled(home):
    async def body(found):
        async with found.attached(configure(CONTENTS)) as conversation:
            await conversation.chunk(0, 0, b"noi")
            session_id = conversation.session.session_id
            cancelled = await found.cancel(session_id)
            assert cancelled.state == States.STATE_CANCELLED
            await conversation.read_all()
            assert conversation.session.state == States.STATE_CANCELLED
        assert not list(home.sessions_path.glob("*/parts"))
        assert (await found.cancel(session_id)).end_time == cancelled.end_time

    practise(home, body)


def test_a_session_the_coach_listens_to_is_cancelled(home):
    async def body(found):
        hold(home, name="deaf")
        async with found.attached(configure(CONTENTS)) as conversation:
            await conversation.send(CONTENTS)
            await until(lambda: list(home.sessions_path.glob("*/worker.json")))
            await found.cancel(conversation.session.session_id)
            await conversation.read_all()
            assert conversation.session.state == States.STATE_CANCELLED

    practise(home, body)


def test_a_session_that_waits_never_starts_when_cancelled(home):
    async def body(found):
        hold(home)
        await begin(found)
        session_id = await begin(found, deu="viola")
        assert (await found.cancel(session_id)).state == States.STATE_CANCELLED
        let_go(home)
        await asyncio.sleep(0.6)
        assert [start[0] for start in starts(home)] == ["cello"]
        assert [deu.name for deu in home.deus()] == ["cello"]

    practise(home, body)


def test_a_session_that_runs_stops_in_good_order_when_cancelled(home):
    async def body(found):
        hold(home)
        session_id = await begin(found)
        await until(lambda: list(home.path.glob("deus/*/practices/*/journal.jsonl")))
        await asyncio.sleep(0.2)
        await found.cancel(session_id)
        seen = await found.attach(session_id)
        assert seen.session.state == States.STATE_CANCELLED
        assert not seen.all("failed")  # nobody should go on with it
        pid = int(starts(home)[0][2])
        assert not is_alive(pid)
        (practice,) = home.deu("cello").practices()
        assert "interrupted" in (practice / "journal.jsonl").read_text()
        assert home.deu("cello").generations() == []

    practise(home, body)


def test_a_worker_that_does_not_listen_is_killed_when_patience_ends(home):
    async def body(found):
        hold(home)
        session_id = await begin(found, seed=DEAF)
        await until(lambda: list(home.path.glob("deus/*/practices/*/journal.jsonl")))
        await asyncio.sleep(0.2)
        await found.cancel(session_id)
        await asyncio.sleep(0.5)
        assert is_alive(int(starts(home)[0][2]))
        await found.wait_for(session_id, States.STATE_CANCELLED)
        assert not is_alive(int(starts(home)[0][2]))

    practise(home, body)


def test_what_is_over_stays_as_it_is(home):
    async def body(found):
        done = await found.practise(configure(CONTENTS), CONTENTS)
        after = await found.cancel(done.session.session_id)
        assert after == done.session

    practise(home, body)
