"""Practices over gRPC: recordings in, events and a personality out, and nothing lost when a connection is.

What happens to a session is decided in `schedule.py` and kept in files; a call here only looks on. Any number of
clients may look on, and one that leaves changes nothing.
"""

import asyncio
import collections
import contextlib
import logging
import tempfile
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Iterator,
    Mapping,
    Sequence,
)
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO, NamedTuple, TypeVar

import grpc
import grpc.aio

from amadeus.cli.worker import worker_command
from amadeus.errors import AmadeusError
from amadeus.home import Home
from amadeus.v1 import session_pb2, studio_pb2
from amadeus.v1.practice_pb2 import PracticeEvent
from serving.studio import practice_requests, session_view
from serving.studio.practice_limits import PracticeLimits
from serving.studio.publishing import Publisher, Supplier
from serving.studio.safety import REASON_STOPPING
from serving.studio.schedule import (
    Command,
    Schedule,
    audition_command,
    queue_positions,
)
from serving.studio.session_events import Story, name_recordings
from serving.studio.sessions import Session, State
from serving.studio.status import StatusError

__all__ = ["PracticeLimits", "Practices"]

TICK_S = 0.25  # between two looks at what is due, and at what is new for a client
LINGER_S = 2.0  # for clients to be told that the studio stops
MAX_CHUNK_BYTES = 1 << 20
REASON_STREAMS = "STREAMS_FULL"

_N_THREADS = 8  # for files
_log = logging.getLogger(__name__)

Result = TypeVar("Result")
Requests = AsyncIterator[session_pb2.PracticeRequest]
Responses = AsyncGenerator[session_pb2.PracticeResponse, None]


class _Look(NamedTuple):
    """A session at a moment.

    Attributes:
      session: As it stands.
      queue_position: How many come before it.
      events: What happened since it was looked at last.
    """

    session: Session
    queue_position: int
    events: Sequence[PracticeEvent]

    @property
    def mark(self) -> tuple[State, int]:
        """What is told of again when it changes."""
        return self.session.state, self.queue_position


class Practices:
    """The practice sessions of a home, served by one studio.

    Args:
      home: Where sessions, recordings and deus live; studios may share it.
      limits: What is allowed.
      practice_command: Makes the command of a worker from the folder of a practice.
      listen_command: Makes the command of the coach from the folder of a session.
      publisher: Publishes what is taught; None: it stays in the home.
      supplier: Has the home hold what a store has of a deu that is to practise; None: nobody does.
    """

    def __init__(
        self,
        home: Home,
        limits: PracticeLimits | None = None,
        *,
        practice_command: Command = worker_command,
        listen_command: Command | None = None,
        publisher: Publisher | None = None,
        supplier: Supplier | None = None,
    ) -> None:
        self._home = home
        self._limits = limits or PracticeLimits()
        self._schedule = Schedule(
            home,
            self._limits,
            practice_command=practice_command,
            listen_command=listen_command or self._listen_command,
            publishes=publisher is not None,
        )
        self._publisher, self._supplier = publisher, supplier
        self._store, self._recordings = self._schedule.store, self._schedule.recordings
        self._pool = ThreadPoolExecutor(_N_THREADS, "practices")
        self._clock = ThreadPoolExecutor(1, "schedule")
        # Threads of their own: a store that hangs must not keep files waiting.
        self._suppliers = ThreadPoolExecutor(_N_THREADS, "suppliers")
        self._ticking: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._is_due = asyncio.Event()
        self._is_closing = self._is_closed = False
        self._n_streams = 0

    async def start(self) -> None:
        """Takes up what the home holds: queued sessions, and workers whose studio is gone.

        The first call to anything here does it too; a studio that is started calls it for those who wait.
        """
        if self._ticking is None and not self._is_closing:
            self._ticking = asyncio.create_task(self._keep_time())
            if self._publisher is not None:
                self._publisher.start()

    async def close(self) -> None:
        """Stops in good order: clients are sent away, and workers leave their sessions to be taken up again.

        A second call waits for the first.
        """
        if self._closing is None:
            self._is_closing = True
            self._closing = asyncio.create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        if self._publisher is not None:
            self._publisher.close()
        if self._ticking is not None:
            self._is_due.set()
            await self._ticking
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._clock, self._schedule.close)
        deadline = time.monotonic() + LINGER_S
        while self._n_streams and time.monotonic() < deadline:
            await asyncio.sleep(TICK_S / 4)
        self._clock.shutdown(wait=False)
        self._pool.shutdown(wait=False)
        self._suppliers.shutdown(wait=False, cancel_futures=True)
        self._is_closed = True

    def session_counts(self) -> Mapping[str, int]:
        """Counts sessions by state, in the words of `PracticeSession.State`."""
        counts = collections.Counter(session.state for session in self._store.all())
        return {state.value: counts[state] for state in State}

    async def practice(
        self, requests: Requests, context: grpc.aio.ServicerContext
    ) -> Responses:
        """Serves `Studio.Practice`.

        Raises:
          StatusError: As the method says.
        """
        await self.start()
        with self._attached():
            configuration = await _read_configuration(requests)
            await self._supply(configuration)
            session = await self._in_thread(self._open, configuration)
            if session.state is State.QUEUED:
                self._is_due.set()
            _log.info("session %s: a client attaches", session.session_id)
            async with contextlib.aclosing(
                self._follow(session.session_id, requests)
            ) as responses:
                async for response in responses:
                    yield response
            if configuration.send_personality:
                async for chunk in self._bundle(session.session_id):
                    yield session_pb2.PracticeResponse(personality_chunk=chunk)

    async def _supply(self, asked: session_pb2.PracticeConfiguration) -> None:
        """Lets a deu that lives in a store grow from its newest generation there; of a session that is new."""
        if self._supplier is None or not asked.deu:
            return
        if await self._in_thread(self._store.find, asked.session_id) is None:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(
                self._suppliers, self._supplier.supply, asked.deu
            )

    async def list_sessions(
        self, request: studio_pb2.ListPracticeSessionsRequest
    ) -> studio_pb2.ListPracticeSessionsResponse:
        """Serves `PracticeSessions.ListPracticeSessions`."""
        await self.start()
        return await self._in_thread(self._list, request)

    async def get_session(self, session_id: str) -> session_pb2.PracticeSession:
        """Serves `PracticeSessions.GetPracticeSession`."""
        await self.start()
        practice_requests.check_session_id(session_id)
        return await self._in_thread(self._get, session_id)

    async def cancel_session(self, session_id: str) -> session_pb2.PracticeSession:
        """Serves `PracticeSessions.CancelPracticeSession`."""
        await self.start()
        practice_requests.check_session_id(session_id)
        await self._in_thread(self._schedule.cancel, session_id)
        self._is_due.set()
        return await self._in_thread(self._get, session_id)

    # One client

    @contextlib.contextmanager
    def _attached(self) -> Iterator[None]:
        if self._is_closing:
            raise _closing()
        if self._n_streams >= self._limits.streams:
            raise StatusError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"{self._n_streams} clients are attached to practices, and this studio allows {self._limits.streams}: "
                "try again later; sessions go on without their clients.",
                REASON_STREAMS,
            )
        self._n_streams += 1
        try:
            yield
        finally:
            self._n_streams -= 1

    async def _follow(self, session_id: str, requests: Requests) -> Responses:
        story = Story(self._home)
        look = await self._in_thread(self._look, session_id, story)
        yield await self._tell(look)
        # From here on, for only now does the client know where to go on.
        receiving = asyncio.create_task(self._receive(session_id, requests))
        try:
            while not look.session.state.is_over:
                for event in look.events:
                    yield session_pb2.PracticeResponse(event=event)
                if self._is_closing:
                    raise _closing()
                await _wait(receiving)
                before = look.mark
                look = await self._in_thread(self._look, session_id, story)
                if look.mark != before and not look.session.state.is_over:
                    yield await self._tell(look)
            for event in look.events:
                yield session_pb2.PracticeResponse(event=event)
            yield await self._tell(look)  # the last word, after all events
        finally:
            receiving.cancel()
            await asyncio.gather(receiving, return_exceptions=True)

    async def _tell(self, look: _Look) -> session_pb2.PracticeResponse:
        described = await self._in_thread(
            self._describe, look.session, look.queue_position
        )
        return session_pb2.PracticeResponse(session=described)

    async def _receive(self, session_id: str, requests: Requests) -> None:
        """Takes chunks in, the next one when the last is written: the client waits for the disk."""
        async for request in requests:
            if request.WhichOneof("message") != "chunk":
                raise StatusError(
                    grpc.StatusCode.INVALID_ARGUMENT,
                    "the configuration is the first message and only that: send chunks of recordings behind it.",
                )
            if await self._in_thread(self._take, session_id, request.chunk):
                self._is_due.set()

    async def _bundle(self, session_id: str) -> AsyncIterator[bytes]:
        with tempfile.TemporaryFile(dir=self._home.path) as file:
            if await self._in_thread(self._write_bundle, session_id, file):
                while chunk := await self._in_thread(file.read, MAX_CHUNK_BYTES):
                    yield chunk

    # What blocks; called in threads

    def _open(self, asked: session_pb2.PracticeConfiguration) -> Session:
        if asked.session_id:
            practice_requests.check_session_id(asked.session_id)
        known = self._known(asked)
        if known is not None:
            if known.state is State.UPLOADING:
                self._recordings.settle(known)
            return known
        complete = practice_requests.complete(asked, self._home, self._limits)
        with self._store.locked():
            known = self._known(asked)
            if known is not None:
                return known
            practice_requests.check_room(
                complete,
                self._store.all(),
                home=self._home,
                recordings=self._recordings,
                limits=self._limits,
            )
            session = self._store.create(complete)
            return self._schedule.admit(session)

    def _known(self, asked: session_pb2.PracticeConfiguration) -> Session | None:
        known = self._store.find(asked.session_id)
        if known is not None:
            practice_requests.check_same(known, asked, self._limits)
        return known

    def _find(self, session_id: str) -> Session:
        session = self._store.find(session_id)
        if session is None:
            raise practice_requests.not_held(session_id)
        return session

    def _look(self, session_id: str, story: Story) -> _Look:
        session = self._find(session_id)  # before its events: those of an end are whole
        position = 0
        if session.state is State.QUEUED:
            known = self._schedule.positions
            position = known.get(session_id, len(known))
        return _Look(session, position, story.read(session))

    def _get(self, session_id: str) -> session_pb2.PracticeSession:
        session = self._find(session_id)
        positions = queue_positions(self._store.all())
        return self._describe(session, positions.get(session_id, 0))

    def _describe(
        self, session: Session, queue_position: int
    ) -> session_pb2.PracticeSession:
        return session_view.describe(
            session,
            queue_position=queue_position,
            home=self._home,
            recordings=self._recordings,
        )

    def _take(self, session_id: str, chunk: session_pb2.RecordingChunk) -> bool:
        """Takes a chunk in; says whether the recording is whole by it."""
        session = self._find(session_id)
        if session.state.is_over:
            return False  # its last message is on the way
        try:
            self._recordings.receive(session, chunk)
        except FileNotFoundError:  # it moved on meanwhile, and its parts are gone
            if self._find(session_id).state is State.UPLOADING:
                raise
        return self._recordings.holds(session.configuration.recordings[chunk.recording])

    def _list(
        self, request: studio_pb2.ListPracticeSessionsRequest
    ) -> studio_pb2.ListPracticeSessionsResponse:
        every = self._store.all()
        positions = queue_positions(every)
        asked = [s for s in every if request.deu in ("", s.configuration.deu)]
        page, token = session_view.choose_page(
            asked, page_size=request.page_size, page_token=request.page_token
        )
        return studio_pb2.ListPracticeSessionsResponse(
            sessions=[
                self._describe(session, positions.get(session.session_id, 0))
                for session in page
            ],
            next_page_token=token,
        )

    def _write_bundle(self, session_id: str, file: BinaryIO) -> bool:
        """Writes who plays at the end of a session; says whether there is somebody."""
        from amadeus.lineage.travel import pedigree_or_none  # loads ML Metadata
        from amadeus.personality.bundle import write_bundle  # heavy

        session = self._find(session_id)
        if session.state is not State.SUCCEEDED or not session.standing.generation:
            return False
        try:
            deu = self._home.deu(session.configuration.deu)
            path = deu.voice_path(session.standing.generation)
            write_bundle(path, file, lineage=pedigree_or_none(path))
        except AmadeusError as error:  # removed or damaged since
            text = name_recordings(str(error), session, self._home)
            raise StatusError(grpc.StatusCode.FAILED_PRECONDITION, text) from error
        file.seek(0)
        return True

    def _listen_command(self, session_path: Any) -> list[str]:
        minutes = self._limits.audio_minutes
        return audition_command(session_path, audio_minutes=minutes)

    # Time

    async def _keep_time(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._clock, self._schedule.open)
        while not self._is_closing:
            self._is_due.clear()
            try:
                await loop.run_in_executor(self._clock, self._schedule.tick)
            except Exception:  # such as a full disk: it may be mended
                _log.exception("sessions cannot be looked after; trying again")
                await asyncio.sleep(1.0)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._is_due.wait(), TICK_S)

    async def _in_thread(
        self, function: Callable[..., Result], *arguments: Any
    ) -> Result:
        if self._is_closed:
            raise _closing()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, function, *arguments)


async def _read_configuration(
    requests: Requests,
) -> session_pb2.PracticeConfiguration:
    first = await anext(aiter(requests), None)
    if first is None or first.WhichOneof("message") != "configuration":
        raise StatusError(
            grpc.StatusCode.INVALID_ARGUMENT,
            "the first message is no configuration: say which session to attach to, or what to practise.",
        )
    return first.configuration


async def _wait(receiving: "asyncio.Task[None]") -> None:
    """Lets some time pass; what a chunk is refused for is raised at once."""
    if receiving.done():
        receiving.result()
        await asyncio.sleep(TICK_S)
    else:
        await asyncio.wait({receiving}, timeout=TICK_S)


def _closing() -> StatusError:
    return StatusError(
        grpc.StatusCode.UNAVAILABLE,
        "the studio is stopping; the session is kept: attach to it again when the studio is back.",
        REASON_STOPPING,
    )
