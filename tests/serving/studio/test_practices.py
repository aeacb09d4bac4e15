"""Sessions from their last byte on: the coach, the queue, workers, clients that come and go, and their ends."""

import asyncio

import grpc
import pytest

from amadeus.v1 import profiles_pb2, session_pb2
from tests.serving.studio.practising import (
    CONTENTS,
    States,
    begin,
    configure,
    hold,
    let_go,
    practise,
    reason_of,
    starts,
)
from tests.serving.studio.stand_in_teacher import (
    REFUSE,
)


def test_a_session_goes_its_way_and_ends_with_who_plays(home):
    async def body(found):
        done = await found.practise(configure(CONTENTS), CONTENTS)
        assert done.states[0] == States.STATE_UPLOADING
        assert done.states[-1] == States.STATE_SUCCEEDED
        assert done.session.personality.digest == f"sha256:{1:064x}"
        assert done.session.progress.step == 20
        assert done.session.create_time <= done.session.end_time
        (finished,) = done.all("finished")
        assert finished.is_new
        assert [point.step for point in done.all("training_progress")] == [10, 20]

    practise(home, body)


def test_the_deu_is_made_when_its_turn_comes(home):
    async def body(found):
        async with found.attached(configure(CONTENTS, deu="new-one")):
            assert home.deus() == []
        await begin(found, deu="new-one")
        assert [deu.name for deu in home.deus()] == ["new-one"]

    practise(home, body)


def test_the_coach_is_heard_before_the_practice_and_calls_takes_by_their_names(home):
    async def body(found):
        asked = configure(CONTENTS, names=["élégie.wav", "b.ogg"])
        done = await found.practise(asked, CONTENTS)
        (warning,) = done.all("warning")
        assert warning.text == "élégie.wav: noise 12 dB below the sound"
        assert done.events[0].warning == warning

    practise(home, body)


def test_recordings_that_teach_nothing_fail_with_the_words_of_the_coach(home):
    async def body(found):
        contents = [b"fine", b"unteachable"]
        asked = configure(contents, names=["a.wav", "silence.flac"])
        done = await found.practise(asked, contents)
        assert done.session.state == States.STATE_FAILED
        assert done.session.failure == "silence.flac in silence.flac is silent."
        assert done.all("failed")[0].text == done.session.failure
        assert starts(home) == []
        assert home.deus() == []

    practise(home, body)


def test_a_worker_that_refuses_ends_the_session_with_its_sentence(home):
    async def body(found):
        done = await found.practise(configure(CONTENTS, seed=REFUSE), CONTENTS)
        assert done.session.state == States.STATE_FAILED
        assert done.session.failure == "take 0.wav cannot be learned from."
        assert str(home.path) not in str(done.sessions) + str(done.events)

    practise(home, body)


def test_any_number_of_clients_see_all_events_whenever_they_come(home):
    async def body(found):
        hold(home)
        session_id = await begin(found)
        watchers = [asyncio.create_task(found.attach(session_id)) for _ in range(3)]
        await asyncio.sleep(0.5)
        let_go(home)
        late = [await watcher for watcher in watchers]
        late.append(await found.attach(session_id))  # when all is over
        assert all(w.events == late[0].events for w in late)
        assert len(late[0].events) == 5
        assert {w.session.state for w in late} == {States.STATE_SUCCEEDED}

    practise(home, body)


def test_a_client_that_leaves_changes_nothing(home):
    async def body(found):
        hold(home)
        session_id = await begin(found)
        for _ in range(5):
            attach = session_pb2.PracticeConfiguration(session_id=session_id)
            async with found.attached(attach) as conversation:
                assert conversation.session.state == States.STATE_RUNNING
        let_go(home)
        await found.wait_for(session_id, States.STATE_SUCCEEDED)
        assert len(starts(home)) == 1

    practise(home, body)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"deu": "viola"}, "is of deu 'cello'"),
        ({"learner_profile": {"seed": 9, "step_count": 1}}, "has another seed"),
        ({"recordings": [{"name": "a", "byte_size": 1, "sha256": "a" * 64}]}, "other"),
    ],
)
def test_an_id_with_other_settings_is_refused(home, change, sentence):
    async def body(found):
        asked = configure(CONTENTS, session_id="mine")
        async with found.attached(asked):
            pass
        for name, value in change.items():
            asked.ClearField(name)
            asked.MergeFrom(session_pb2.PracticeConfiguration(**{name: value}))
        with pytest.raises(grpc.aio.AioRpcError, match=sentence) as raised:
            await found.practise(asked, [])
        assert raised.value.code() == grpc.StatusCode.ALREADY_EXISTS

    practise(home, body)


def test_settings_said_in_full_are_those_left_open(home):
    async def body(found):
        asked = configure(CONTENTS, session_id="mine")
        async with found.attached(asked):
            pass
        asked.learner_profile.preset = profiles_pb2.PRESET_LIVE
        asked.learner_profile.sample_rate = 16_000
        async with found.attached(asked) as conversation:
            assert conversation.session.session_id == "mine"

    practise(home, body)


@pytest.mark.parametrize("method", ["attach", "get", "cancel"])
def test_a_session_that_is_not_there_is_said_so(home, method):
    async def body(found):
        with pytest.raises(grpc.aio.AioRpcError, match="no session 'nobody'") as raised:
            await getattr(found, method)("nobody")
        assert raised.value.code() == grpc.StatusCode.NOT_FOUND
        assert reason_of(raised.value)[0] == "SESSION_NOT_HELD"

    practise(home, body)


def test_sessions_are_listed_page_by_page_the_newest_first(home):
    async def body(found):
        for n in range(5):
            asked = configure(
                CONTENTS, session_id=f"s{n}", deu=["cello", "viola"][n % 2]
            )
            async with found.attached(asked):
                pass
        first = await found.list(page_size=3)
        assert [s.session_id for s in first.sessions] == ["s4", "s3", "s2"]
        async with found.attached(configure(CONTENTS, session_id="s9")):
            pass  # one that comes meanwhile moves no page
        second = await found.list(page_size=3, page_token=first.next_page_token)
        assert [s.session_id for s in second.sessions] == ["s1", "s0"]
        assert not second.next_page_token
        violas = await found.list(deu="viola")
        assert [s.session_id for s in violas.sessions] == ["s3", "s1"]
        for fields in ({"page_size": -1}, {"page_token": "mine"}):
            with pytest.raises(grpc.aio.AioRpcError, match="page_") as raised:
                await found.list(**fields)
            assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT

    practise(home, body)
