"""Whatever is sent to `Practice`: a status or a session, never a fault, and nobody else notices."""

import asyncio

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amadeus.v1 import practice_pb2, profiles_pb2, session_pb2, studio_pb2
from serving.studio.practice_limits import PracticeLimits
from tests.serving.studio.practising import PATIENCE_S, States, configure, studio
from tests.serving.studio.test_personalities import lay_down

CONTENTS = [b"fuzz" * 1000]
N_CONVERSATIONS = 150

numbers = st.one_of(
    st.integers(-(2**31), 2**31 - 1), st.sampled_from([0, 1, -1, 2**31 - 1])
)
names = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["", "cello", "mine", "../x", "a" * 65, ".lock", "\u202e", "-"]),
)
profile_fields = st.dictionaries(
    st.sampled_from(["seed", "step_count", "sample_rate", "frame_rate", "batch_size"]),
    numbers,
    max_size=3,
)
digests = st.one_of(st.text(max_size=5), st.just("a" * 64), st.just("B" * 64))


def make_info(name, size, digest):
    return session_pb2.RecordingInfo(name=name, byte_size=size, sha256=digest)


infos = st.builds(make_info, names, st.integers(-(2**63), 2**63 - 1), digests)


def make_configuration(session_id, deu, profile, recordings, is_sent):
    return session_pb2.PracticeRequest(
        configuration=session_pb2.PracticeConfiguration(
            session_id=session_id,
            deu=deu,
            learner_profile=profiles_pb2.LearnerProfile(**profile),
            recordings=recordings,
            send_personality=is_sent,
        )
    )


def make_chunk(recording, offset, data):
    return session_pb2.PracticeRequest(
        chunk=session_pb2.RecordingChunk(
            recording=recording, byte_offset=offset, data=data
        )
    )


def make_feedback(session_id, deu, recordings, marks, note, minutes, step_count):
    return session_pb2.PracticeRequest(
        configuration=session_pb2.PracticeConfiguration(
            session_id=session_id,
            deu=deu,
            recordings=recordings,
            feedback=session_pb2.FeedbackConfiguration(
                regions=marks,
                note=note,
                training_minutes=minutes,
                step_count=step_count,
            ),
        )
    )


marks = st.builds(
    lambda take, start_s, end_s, weight: practice_pb2.JudgedRegion(
        take_index=take, start_s=start_s, end_s=end_s, weight=weight
    ),
    numbers,
    st.floats(),
    st.floats(),
    st.floats(),
)
feedbacks = st.builds(
    make_feedback,
    names,
    st.one_of(names, st.just("judged")),
    st.lists(infos, max_size=2),
    st.lists(marks, max_size=3),
    st.text(max_size=30),
    st.floats(),
    numbers,
)
configurations = st.one_of(
    feedbacks,
    st.builds(
        make_configuration,
        names,
        names,
        profile_fields,
        st.lists(infos, max_size=3),
        st.booleans(),
    ),
    st.just(
        session_pb2.PracticeRequest(configuration=configure(CONTENTS, session_id="it"))
    ),
)
chunks = st.builds(
    make_chunk,
    numbers,
    st.one_of(st.just(0), st.integers(-(2**63), 2**63 - 1)),
    st.binary(max_size=50),
)
requests = st.one_of(configurations, chunks, st.just(session_pb2.PracticeRequest()))
conversations = st.tuples(
    st.one_of(configurations, requests), st.lists(requests, max_size=8)
)


async def converse(found, first, rest):
    """Says all of it at once; hands back the status, or None where the studio listens on."""
    call = found.studio.Practice(iter([first, *rest]))
    try:
        while await asyncio.wait_for(call.read(), 0.3) is not grpc.aio.EOF:
            pass
        return await _code(call)
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
        return await _code(call)
    except TimeoutError:
        return None
    finally:
        call.cancel()


async def _code(call):
    # This client forgets the status where the studio ended the call in the middle of a write.
    is_forgotten = await call.details() == "Internal error from Core"
    return None if is_forgotten else await call.code()


@pytest.fixture
def said():
    """Conversations of a hypothesis, gathered first: a studio for each would take too long."""
    gathered = []

    @settings(
        max_examples=N_CONVERSATIONS,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(conversations)
    def gather(conversation):
        gathered.append(conversation)

    gather()
    return gathered


def test_nonsense_ends_in_a_status_and_disturbs_nobody(home, said, caplog):
    async def run():
        limits = PracticeLimits(sessions=1000, queued=1000, sessions_per_deu=1000)
        async with studio(home, limits) as found:
            lay_down(home.create_deu("judged"), 1)
            steady = asyncio.create_task(practise_on(found))
            codes = set()
            for start in range(0, len(said), 10):
                batch = said[start : start + 10]
                codes |= set(
                    await asyncio.gather(*(converse(found, *c) for c in batch))
                )
            assert grpc.StatusCode.INTERNAL not in codes
            assert grpc.StatusCode.UNKNOWN not in codes
            assert grpc.StatusCode.INVALID_ARGUMENT in codes
            assert await asyncio.wait_for(steady, 5 * PATIENCE_S) == 5
            listed = await found.list(page_size=1000)
            assert all(session.session_id for session in listed.sessions)

    async def practise_on(found):
        n_done = 0
        for n in range(5):
            contents = [f"steady {n}".encode() * 100]
            asked = configure(contents, deu="steady")
            done = await found.practise(asked, contents)
            n_done += done.session.state == States.STATE_SUCCEEDED
        return n_done

    asyncio.run(asyncio.wait_for(run(), 200))
    assert not [r for r in caplog.records if "fault" in r.message]
    outside = {p.name for p in home.path.parent.iterdir()}
    assert outside == {"home"}


@pytest.mark.parametrize(
    "request_",
    [
        studio_pb2.GetPracticeSessionRequest(session_id="../../x"),
        studio_pb2.GetPracticeSessionRequest(session_id=""),
        studio_pb2.CancelPracticeSessionRequest(session_id=".lock"),
        studio_pb2.CancelPracticeSessionRequest(session_id="\0"),
        studio_pb2.ListPracticeSessionsRequest(page_token="\u00e9"),
        studio_pb2.ListPracticeSessionsRequest(page_token="AAAA"),
    ],
    ids=lambda request: f"{type(request).__name__} {request}".strip(),
)
def test_names_that_are_none_are_refused(home, request_):
    async def run():
        async with studio(home) as found:
            method = type(request_).__name__.removesuffix("Request")
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await getattr(found.sessions, method)(request_)
            assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT

    asyncio.run(run())
