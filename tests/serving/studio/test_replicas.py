"""Three studios that share a home, each on a machine of its own, behind a balancer that sends each call to another."""

import asyncio
import contextlib
import json
import os
import signal

import grpc
import grpc.aio
import pytest

from amadeus.v1 import studio_pb2_grpc
from tests.cli.terminal import is_alive
from tests.serving.studio import (
    practising,
    test_practice_ends,
    test_practice_workers,
    test_practices,
    test_uploads,
)
from tests.serving.studio.balancer import balancer
from tests.serving.studio.practising import (
    Client,
    States,
    StudioProcess,
    client,
    configure,
    hold,
    let_go,
    starts,
    until,
)

CONTENTS = [bytes(range(256)) * 2000, b"second" * 100]
ASKED = configure(CONTENTS, session_id="lesson")
PATIENCE_S = 60.0  # a lease, and a machine that is busy

pytestmark = pytest.mark.cluster

LAWS = [
    (test_practices, "test_a_session_goes_its_way_and_ends_with_who_plays"),
    (test_practices, "test_a_worker_that_refuses_ends_the_session_with_its_sentence"),
    (test_practices, "test_any_number_of_clients_see_all_events_whenever_they_come"),
    (test_practices, "test_sessions_are_listed_page_by_page_the_newest_first"),
    (test_practice_ends, "test_a_session_that_runs_stops_in_good_order_when_cancelled"),
    (
        test_practice_workers,
        "test_a_worker_that_dies_is_started_again_and_the_story_goes_on",
    ),
    (test_uploads, "test_an_upload_goes_on_where_it_broke_off"),
    (test_uploads, "test_the_same_recording_is_sent_and_kept_once"),
    (test_uploads, "test_a_chunk_at_another_place_is_refused_with_what_is_held"),
]


class Scatter:
    """A stub that opens a connection for each call, and so meets another replica each time."""

    def __init__(self, kind, port):
        self._kind, self._target = kind, f"127.0.0.1:{port}"

    def __getattr__(self, name):
        def call(*arguments, **options):
            alone = [("grpc.use_local_subchannel_pool", 1)]
            channel = grpc.aio.insecure_channel(self._target, options=alone)
            made = getattr(self._kind(channel), name)(*arguments, **options)
            made.channel = channel  # it lives as long as its call
            return made

        return call


@contextlib.contextmanager
def replicas(home, n_replicas=3):
    """Starts studios, on machines of their own as far as they know."""
    processes = [
        StudioProcess(home, AMADEUS_MACHINE=f"machine {n}") for n in range(n_replicas)
    ]
    try:
        assert all(process.port for process in processes)
        yield processes
    finally:
        for process in processes:
            if process.process.poll() is None:
                process.kill()
        for pid in _workers(home):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)


def _workers(home):
    marks = home.sessions_path.glob("*/worker.json")
    return [json.loads(mark.read_text())["pid"] for mark in marks]


@contextlib.asynccontextmanager
async def scattered(home, _limits=None):
    """Replicas and a client whose calls go to one after the other; stands in for `practising.studio`."""
    with replicas(home) as processes:
        async with balancer([process.port for process in processes]) as (port, sent):
            found = Client.__new__(Client)
            found.port = port
            found.studio = Scatter(studio_pb2_grpc.StudioStub, port)
            found.sessions = Scatter(studio_pb2_grpc.PracticeSessionsStub, port)
            found.sent = sent
            yield found


@pytest.mark.parametrize(("module", "law"), LAWS, ids=[name for _, name in LAWS])
def test_the_laws_of_one_studio_hold_for_three(home, monkeypatch, module, law):
    for place in (module, practising):  # wherever a law looks for its studio
        monkeypatch.setattr(place, "studio", scattered, raising=place is practising)
    monkeypatch.setattr(practising, "PATIENCE_S", PATIENCE_S)
    getattr(module, law)(home)


def run(body):
    asyncio.run(asyncio.wait_for(body, practising.WHOLE_S))


async def begin(found):
    async with found.attached(ASKED) as conversation:
        await conversation.send(CONTENTS)
        await conversation.read_until(lambda c: c.all("training_progress"))


def _owner(home, processes):
    """The replica that looks after the worker of the lesson."""
    machine = json.loads((home.sessions_path / "lesson/worker.json").read_text())
    return processes[int(machine["machine"].split()[1])]


def test_each_call_meets_another_replica(home):
    async def body():
        async with scattered(home) as found:
            for _ in range(3):
                await found.list()
            assert len(set(found.sent)) == 3

    run(body())


def test_a_machine_that_dies_with_its_worker_loses_no_practice(home, monkeypatch):
    monkeypatch.setattr(practising, "PATIENCE_S", PATIENCE_S)

    async def body():
        hold(home)
        with replicas(home) as processes:
            async with client(processes[0].port) as found:
                await begin(found)
            gone = _owner(home, processes)
            (pid,) = _workers(home)
            worker = int(starts(home)[0][2])
            gone.kill()
            os.killpg(pid, signal.SIGKILL)
            await until(lambda: not is_alive(worker))
            let_go(home)
            (other, *_) = [p for p in processes if p is not gone]
            async with client(other.port) as found:
                done = await found.attach("lesson")
        assert done.session.state == States.STATE_SUCCEEDED
        assert [p.step for p in done.all("training_progress")] == [10, 10, 20]
        assert len(starts(home)) == 2
        assert home.deu("cello").generations() == [1]

    run(body())


def test_a_worker_elsewhere_lives_on_without_its_studio_and_obeys_another(
    home, monkeypatch
):
    monkeypatch.setattr(practising, "PATIENCE_S", PATIENCE_S)

    async def body():
        hold(home)
        with replicas(home) as processes:
            async with client(processes[0].port) as found:
                await begin(found)
            gone = _owner(home, processes)
            worker = int(starts(home)[0][2])
            gone.kill()
            (other, *_) = [p for p in processes if p is not gone]
            async with client(other.port) as found:
                await asyncio.sleep(12)  # longer than a lease
                assert is_alive(worker), "it beats, so nobody ends it"
                assert (await found.get("lesson")).state == States.STATE_RUNNING
                assert len(starts(home)) == 1
                await found.cancel("lesson")
                await found.wait_for("lesson", States.STATE_CANCELLED)
                assert not is_alive(worker)

    run(body())


def test_a_studio_cancels_what_works_on_another_machine(home, monkeypatch):
    monkeypatch.setattr(practising, "PATIENCE_S", PATIENCE_S)

    async def body():
        hold(home)
        with replicas(home) as processes:
            async with client(processes[0].port) as found:
                await begin(found)
            others = [p for p in processes if p is not _owner(home, processes)]
            async with client(others[0].port) as found:
                await found.cancel("lesson")
                await found.wait_for("lesson", States.STATE_CANCELLED)
        assert len(starts(home)) == 1

    run(body())


def test_an_upload_goes_on_at_another_replica_when_one_dies(home, monkeypatch):
    monkeypatch.setattr(practising, "PATIENCE_S", PATIENCE_S)

    async def body():
        with replicas(home) as processes:
            first, second, _ = processes
            async with client(first.port) as found, found.attached(ASKED) as sending:
                await sending.chunk(0, 0, CONTENTS[0][:300_000])
                part = home.sessions_path / "lesson" / "parts" / "0"
                await until(lambda: part.exists() and part.stat().st_size == 300_000)
                first.kill()
            async with client(second.port) as found:
                done = await found.practise(ASKED, CONTENTS)
        assert list(done.sessions[0].held_byte_counts) == [300_000, 0]
        assert done.session.state == States.STATE_SUCCEEDED

    run(body())


def test_connections_to_three_replicas_do_not_mix_the_bytes_of_one_session(home):
    content = bytes(range(256)) * 4096  # 1 MiB
    asked = configure([content], session_id="both")

    async def send(found):
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            await found.practise(asked, [content])

    async def body():
        async with scattered(home) as found:
            while True:  # those that were in the way of each other come again
                await asyncio.gather(*(send(found) for _ in range(3)))
                if (await found.get("both")).state == States.STATE_SUCCEEDED:
                    break
        (kept,) = {path.read_bytes() for path in home.recordings_path.iterdir()}
        assert kept == content

    run(body())
