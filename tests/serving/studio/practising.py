"""Studios that only practise, with workers that teach nothing, and clients for them."""

import asyncio
import contextlib
import functools
import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import grpc
import grpc.aio
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from amadeus.v1 import session_pb2, studio_pb2, studio_pb2_grpc
from serving.studio.practice_limits import PracticeLimits
from serving.studio.practices import Practices
from serving.studio.servicer import PracticeSessionsServicer
from serving.studio.status import StatusInterceptor
from tests import processes

HERE = Path(__file__).parent
PATIENCE_S = 60.0  # for one thing to happen
WHOLE_S = 150.0  # for a whole test: the machine may be busy
CONTENTS = [b"noise" * 100, b"second" * 100]
States = session_pb2.PracticeSession.State


def stand_ins():
    return {
        "practice_command": lambda path: [
            sys.executable, str(HERE / "stand_in_teacher.py"), str(path)
        ],
        "listen_command": lambda path: [
            sys.executable, str(HERE / "stand_in_coach.py"), str(path)
        ],
    }  # fmt: skip


async def serve(practices, port=0):
    """Starts a server with the servicers of practices; hands back the server and its port."""

    async def practice(requests, context):
        async for response in practices.practice(requests, context):
            yield response

    servicer = studio_pb2_grpc.StudioServicer()
    servicer.Practice = practice
    server = grpc.aio.server(interceptors=[StatusInterceptor()])
    studio_pb2_grpc.add_StudioServicer_to_server(servicer, server)
    studio_pb2_grpc.add_PracticeSessionsServicer_to_server(
        PracticeSessionsServicer(practices), server
    )
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    await practices.start()
    await server.start()
    return server, port


@contextlib.asynccontextmanager
async def studio(home, limits=None, **commands):
    """A studio in this process, and a client of it."""
    home.path.mkdir(parents=True, exist_ok=True)
    limits = limits or PracticeLimits(patience_s=2.0, close_s=2.0)
    practices = Practices(home, limits, **(stand_ins() | commands))
    server, port = await serve(practices)
    try:
        async with client(port) as found:
            found.practices = practices
            yield found
    finally:
        try:
            await practices.close()
        finally:
            await server.stop(None)


@contextlib.asynccontextmanager
async def client(port):
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Client(channel, port)


class StudioProcess:
    """A studio in a process of its own, to be killed."""

    def __init__(self, home, port=0, **variables):
        home.path.mkdir(parents=True, exist_ok=True)
        self.process = processes.start(
            [
                sys.executable,
                "-m",
                "tests.serving.studio.stand_in_studio",
                str(home.path),
                str(port),
            ],
            cwd=HERE.parents[2],
            env={**os.environ, **variables},
            stdout=subprocess.PIPE,
            text=True,
            process_group=0,
        )

    @functools.cached_property
    def port(self):
        return int(self.process.stdout.readline())

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=PATIENCE_S) == 0
        self.process.stdout.close()


@contextlib.contextmanager
def studio_process(home, port=0, **variables):
    process = StudioProcess(home, port, **variables)
    try:
        assert process.port
        yield process
    finally:
        if process.process.poll() is None:
            process.kill()


class Client:
    def __init__(self, channel, port):
        self.port = port
        self.studio = studio_pb2_grpc.StudioStub(channel)
        self.sessions = studio_pb2_grpc.PracticeSessionsStub(channel)

    @contextlib.asynccontextmanager
    async def attached(self, configuration):
        """Attaches, and hands out the conversation after its first message."""
        call = self.studio.Practice()
        await call.write(session_pb2.PracticeRequest(configuration=configuration))
        conversation = Conversation(call)
        try:
            await conversation.read()
            yield conversation
        finally:
            call.cancel()

    async def practise(self, configuration, contents):
        """Sends what is missing, and follows a session to its end."""
        async with self.attached(configuration) as conversation:
            await conversation.send(contents)
            await conversation.read_all()
            return conversation

    async def attach(self, session_id):
        return await self.practise(
            session_pb2.PracticeConfiguration(session_id=session_id), []
        )

    async def get(self, session_id):
        request = studio_pb2.GetPracticeSessionRequest(session_id=session_id)
        return await self.sessions.GetPracticeSession(request)

    async def cancel(self, session_id):
        request = studio_pb2.CancelPracticeSessionRequest(session_id=session_id)
        return await self.sessions.CancelPracticeSession(request)

    async def list(self, **fields):
        request = studio_pb2.ListPracticeSessionsRequest(**fields)
        return await self.sessions.ListPracticeSessions(request)

    async def wait_for(self, session_id, *states):
        async def wait():
            while (session := await self.get(session_id)).state not in states:
                await asyncio.sleep(0.05)
            return session

        return await asyncio.wait_for(wait(), PATIENCE_S)


class Conversation:
    """What was said on one connection."""

    def __init__(self, call):
        self.call = call
        self.sessions, self.events, self.bundle = [], [], b""

    @property
    def session(self):
        return self.sessions[-1]

    @property
    def states(self):
        return [session.state for session in self.sessions]

    def all(self, kind):
        return [getattr(e, kind) for e in self.events if e.WhichOneof("event") == kind]

    async def read(self):
        """Reads one message; hands back None at the end."""
        response = await asyncio.wait_for(self.call.read(), PATIENCE_S)
        if response is grpc.aio.EOF:
            code = await self.call.code()
            if code != grpc.StatusCode.OK:
                raise grpc.aio.AioRpcError(
                    code, await self.call.initial_metadata(),
                    await self.call.trailing_metadata(), await self.call.details(),
                )  # fmt: skip
            return None
        kind = response.WhichOneof("message")
        if kind == "session":
            self.sessions.append(response.session)
        elif kind == "event":
            self.events.append(response.event)
        else:
            self.bundle += response.personality_chunk
        return response

    async def read_all(self):
        while await self.read() is not None:
            pass

    async def read_until(self, is_enough):
        while not is_enough(self):
            assert await self.read() is not None

    async def chunk(self, recording, byte_offset, data):
        chunk = session_pb2.RecordingChunk(
            recording=recording, byte_offset=byte_offset, data=data
        )
        await self.call.write(session_pb2.PracticeRequest(chunk=chunk))

    async def send(self, contents, *, chunk_bytes=1 << 16):
        held = list(self.session.held_byte_counts)
        for recording, content in enumerate(contents):
            for offset in range(held[recording], len(content), chunk_bytes):
                data = content[offset : offset + chunk_bytes]
                await self.chunk(recording, offset, data)
        await self.call.done_writing()


def configure(contents, *, names=(), deu="cello", session_id="", seed=0, **fields):
    """Makes a configuration that declares contents as they are."""
    names = names or [f"take {n}.wav" for n in range(len(contents))]
    return session_pb2.PracticeConfiguration(
        session_id=session_id,
        deu=deu,
        learner_profile={"seed": seed, "step_count": 1},
        recordings=[
            session_pb2.RecordingInfo(
                name=name,
                byte_size=len(content),
                sha256=hashlib.sha256(content).hexdigest(),
            )
            for name, content in zip(names, contents, strict=True)
        ],
        **fields,
    )


async def until(what):
    """Waits until `what()` is true while everything else goes on, and hands back what it said."""

    async def wait():
        while not (answer := what()):
            await asyncio.sleep(0.02)
        return answer

    return await asyncio.wait_for(wait(), PATIENCE_S)


def reason_of(error):
    """Reads what a status says for programs: its reason and metadata."""
    status = rpc_status.from_call(error)
    info = error_details_pb2.ErrorInfo()
    for detail in status.details if status else []:
        detail.Unpack(info)
    return info.reason, dict(info.metadata)


def starts(home):
    """Workers that were started: deu, practice, process id, niceness."""
    path = home.path / "starts.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    return [line.split() for line in lines]


def hold(home, *, name="hold"):
    home.path.mkdir(parents=True, exist_ok=True)
    (home.path / name).touch()


def let_go(home, *, name="hold"):
    os.unlink(home.path / name)


async def begin(found, contents=CONTENTS, **fields):
    """Sends all of a session and leaves; hands back its id."""
    asked = configure(contents, **fields)
    async with found.attached(asked) as conversation:
        await conversation.send(contents)
        while conversation.session.state == States.STATE_UPLOADING:
            await conversation.read()
        return conversation.session.session_id


def practise(home, body, limits=None):
    """Runs a test with a studio of a home."""

    async def run():
        async with studio(home, limits) as found:
            await body(found)

    asyncio.run(asyncio.wait_for(run(), WHOLE_S))
