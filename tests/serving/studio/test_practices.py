"""Sessions from their last byte on: the coach, the queue, workers, clients that come and go, and their ends."""

import asyncio
import hashlib
import os
from pathlib import Path

import grpc
import pytest

from amadeus.cli.portrait import describe
from amadeus.report.page import render_report
from amadeus.v1 import profiles_pb2, session_pb2
from serving.studio import workers
from serving.studio.outcomes import Outcomes
from serving.studio.practice_limits import PracticeLimits
from serving.studio.sessions import State
from serving.studio.workers import NICENESS
from tests.cli.terminal import is_alive
from tests.serving.studio.practising import (
    States,
    configure,
    hold,
    let_go,
    reason_of,
    starts,
    studio,
    until,
)
from tests.serving.studio.stand_in_teacher import (
    CRASH_ONCE,
    DEAF,
    DIE,
    REFUSE,
)

CONTENTS = [b"noise" * 100, b"second" * 100]


async def begin(found, contents=CONTENTS, **fields):
    """Sends all of a session and leaves; hands back its id."""
    asked = configure(contents, **fields)
    async with found.attached(asked) as conversation:
        await conversation.send(contents)
        while conversation.session.state == States.STATE_UPLOADING:
            await conversation.read()
        return conversation.session.session_id


def practise(home, body, limits=None):
    async def run():
        async with studio(home, limits) as found:
            await body(found)

    asyncio.run(asyncio.wait_for(run(), 60))


# What a client sees


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


# The queue


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

    asyncio.run(asyncio.wait_for(run(), 60))


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

    asyncio.run(asyncio.wait_for(run(), 60))


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


# Workers


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
        assert not is_alive(int(starts(home)[0][2]))

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


# Ends


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


# Studios that stop, and studios that share a home


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

    asyncio.run(asyncio.wait_for(run(), 60))


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

    asyncio.run(asyncio.wait_for(run(), 60))


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

    asyncio.run(asyncio.wait_for(run(), 60))


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

    asyncio.run(asyncio.wait_for(run(), 60))


def test_a_studio_that_stops_hands_its_practice_to_another(home):
    async def run():
        hold(home)
        async with studio(home) as other:
            async with studio(home) as one:
                session_id = await begin(one)
                await until(lambda: starts(home))
            let_go(home)
            await other.wait_for(session_id, States.STATE_SUCCEEDED)

    asyncio.run(asyncio.wait_for(run(), 60))


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
