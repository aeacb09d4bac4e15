"""Performances over gRPC: a stream of what is played in, a stream of sound out.

The event loop reads and writes; the conductor's thread makes the sound. Between them stand a seat's inbox and a queue
of answers.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio

from amadeus.live import configuration
from amadeus.live.bus import Singer
from amadeus.live.notes import NoteBank
from amadeus.live.performance import Performance
from amadeus.v1 import perform_pb2, personality_pb2
from serving.studio.conductor import Conductor, Seat
from serving.studio.metrics import Metrics
from serving.studio.status import StatusError
from serving.studio.successors import Failures
from serving.studio.sung import SungMessages
from serving.studio.voices import NotServedError, ServedSinger, Voices

# For a listing of the home, its reading by TF Serving, and a look at the folder, each a few seconds apart.
LOADING_S, LOADING_PAUSE_S = 30.0, 0.5
FULL_WAIT_S = 0.01  # between looks whether a client that was slowed down may go on


@dataclass(frozen=True)
class PerformLimits:
    """What a studio allows.

    Attributes:
      max_performances: Performances open at once.
      first_message_s: Time a client has for its configuration.
    """

    max_performances: int = 64
    first_message_s: float = 30.0


class Performances:
    """All performances of a studio."""

    def __init__(
        self,
        voices: Voices,
        limits: PerformLimits | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        """Prepares them; `start` comes before the first.

        Args:
          voices: Who can be played.
          limits: What is allowed.
          metrics: Where performances and blocks are counted.
        """
        self._voices, self._limits = voices, limits or PerformLimits()
        self._metrics = metrics
        self._failures = Failures()
        if metrics is not None:
            metrics.watch_successors(self._failures.counts)
            metrics.add_remarks(self._failures.remarks)
        self._post = _Post()
        self._conductor = Conductor(
            newer=self._find_successor,
            release=_release,
            hand_out=self._post.send,
            metrics=metrics,
        )
        # Threads of their own: a store that hangs must not keep the rest of the studio waiting.
        self._fetchers = ThreadPoolExecutor(
            max(1, self._limits.max_performances), thread_name_prefix="amadeus-voice"
        )
        self._bank = NoteBank()  # of the conductor's thread
        self._seats: set[Seat] = set()
        self._n_open = 0
        self._is_stopping = False
        self._all_done = asyncio.Event()
        self._all_done.set()

    def start(self) -> None:
        """Begins to make sound when asked for."""
        self._conductor.start()

    async def drain(self, grace_s: float) -> None:
        """Refuses new performances, lets go of all keys of those that play, and waits until they have ended.

        Args:
          grace_s: How long at most.
        """
        self._is_stopping = True
        for seat in list(self._seats):
            seat.push(None)
        self._conductor.wake()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._all_done.wait(), grace_s)

    async def close(self) -> None:
        """Ends everything where it stands."""
        self._is_stopping = True
        self._fetchers.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self._conductor.stop)

    async def perform(
        self,
        requests: AsyncIterator[perform_pb2.PerformRequest],
        context: grpc.aio.ServicerContext,
    ) -> AsyncIterator[perform_pb2.PerformResponse]:
        """Plays one performance; see `Studio.Perform`."""
        self._check_room()
        self._n_open += 1
        self._all_done.clear()
        try:
            with self._counted():
                async for response in self._perform(requests):
                    yield response
        finally:
            self._n_open -= 1
            if not self._n_open:
                self._all_done.set()

    async def _perform(
        self, requests: AsyncIterator[perform_pb2.PerformRequest]
    ) -> AsyncIterator[perform_pb2.PerformResponse]:
        asked = await self._read_configuration(requests)
        singer = await self._acquire(asked.personality)
        answers: asyncio.Queue[list[Any]] = asyncio.Queue()
        try:
            seat = self._take_seat(asked, singer, answers)
        except BaseException:
            singer.release()
            raise
        try:
            yield perform_pb2.PerformResponse(started=_introduce(seat.performance))
        except BaseException:
            seat.performance.close()
            raise
        self._conductor.add(seat)
        self._seats.add(seat)
        if self._is_stopping:
            seat.push(None)
        reader = asyncio.create_task(self._read(requests, seat))
        try:
            async for response in self._answers(answers, seat, reader):
                yield response
        finally:
            reader.cancel()
            self._seats.discard(seat)
            self._conductor.leave(seat)

    async def _acquire(
        self, reference: personality_pb2.PersonalityReference
    ) -> ServedSinger:
        """Waits for a voice; one that comes when its client has gone is let go."""
        coming = asyncio.ensure_future(
            asyncio.get_running_loop().run_in_executor(
                self._fetchers, self._fetch, reference
            )
        )
        try:
            return await asyncio.shield(coming)
        except asyncio.CancelledError:
            coming.add_done_callback(_release_late)
            raise

    def _fetch(self, reference: personality_pb2.PersonalityReference) -> ServedSinger:
        """Waits for a voice that is new where a TF Serving has not read it yet."""
        last_s = time.monotonic() + LOADING_S
        while True:
            try:
                singer = self._voices.acquire(reference)
                break
            except NotServedError:
                if self._is_stopping or time.monotonic() > last_s:
                    raise
            time.sleep(LOADING_PAUSE_S)
        named = reference.generation
        if reference.WhichOneof("reference") == "generation" and not named.generation:
            self._failures.settle(named.deu, singer.personality.generation)
            self._failures.forget(named.deu)  # it loads now, whoever else followed
        return singer

    async def _answers(
        self, answers: asyncio.Queue[list[Any]], seat: Seat, reader: asyncio.Task[None]
    ) -> AsyncIterator[perform_pb2.PerformResponse]:
        sung = _sung_by(seat.performance)
        while True:
            for answer in await answers.get():
                if answer is None:
                    return
                if isinstance(answer, Exception):
                    raise answer
                kind = answer.WhichOneof("message")
                if sung is not None:
                    is_last = kind == "ended"
                    for told in sung.take_all() if is_last else sung.take():
                        yield told
                yield answer
                if kind == "audio":
                    seat.read(seat.block_size)
            if not seat.is_paced:  # it may have waited for its client
                self._conductor.wake()
            if reader.done() and not reader.cancelled():
                reader.result()

    async def _read(
        self, requests: AsyncIterator[perform_pb2.PerformRequest], seat: Seat
    ) -> None:
        async for request in requests:
            seat.push(request)
            if not seat.is_paced:
                self._conductor.wake()
            while seat.is_full and not seat.is_over:
                await asyncio.sleep(FULL_WAIT_S)
        seat.push(None)
        self._conductor.wake()

    def _take_seat(
        self,
        asked: perform_pb2.PerformConfiguration,
        singer: ServedSinger,
        answers: asyncio.Queue[list[Any]],
    ) -> Seat:
        full = configuration.complete(asked, voice_rate=singer.spec.sample_rate)
        performance = Performance(full, singer, bank=self._bank, on_leave=_release)
        self._post.loop = asyncio.get_running_loop()

        def deliver(messages: list[Any]) -> None:
            self._post.lay_down(answers, messages)

        generation = asked.personality.generation
        is_open = asked.personality.WhichOneof("reference") == "generation"
        is_open = is_open and not generation.generation and performance.can_change
        follows = generation.deu if is_open else ""
        return Seat(performance, deliver, follows=follows)

    async def _read_configuration(
        self, requests: AsyncIterator[perform_pb2.PerformRequest]
    ) -> perform_pb2.PerformConfiguration:
        try:
            first = await asyncio.wait_for(
                anext(requests, None), self._limits.first_message_s
            )
        except TimeoutError:
            first = None
        if first is None or first.WhichOneof("message") != "configuration":
            found = first.WhichOneof("message") if first else "nothing"
            raise StatusError(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"a performance began with {found or 'an empty message'}: send a configuration first, within "
                f"{self._limits.first_message_s:g} s.",
            )
        return first.configuration

    def _check_room(self) -> None:
        if self._is_stopping:
            raise StatusError(
                grpc.StatusCode.UNAVAILABLE,
                "this studio is stopping: go to another, or try again in a moment.",
            )
        if self._n_open >= self._limits.max_performances:
            raise StatusError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"{self._n_open} performances are open and at most {self._limits.max_performances} may be: try again "
                "when one has ended, or go to another studio.",
            )

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        if self._metrics is None:
            yield
            return
        with self._metrics.performances_open.track_inprogress():
            yield

    def _find_successor(self, seat: Seat) -> Singer | None:
        deu, playing = seat.follows, seat.performance.singer.personality
        current = self._voices.current(deu)
        self._failures.settle(deu, current)
        if current in (0, playing.generation):
            return None
        if not self._failures.is_due(deu, current):
            return None
        try:
            singer = self._voices.acquire(_reference(deu, current))
        except Exception as error:  # the old one plays on
            self._failures.note(deu, current, error)
            return None
        self._failures.forget(deu)
        return singer


class _Post:
    """Carries what the conductor's thread has made to the event loop, all of a round at once."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self._letters: deque[tuple[asyncio.Queue[list[Any]], list[Any]]] = deque()

    def lay_down(self, answers: asyncio.Queue[list[Any]], messages: list[Any]) -> None:
        """Takes messages for a performance."""
        self._letters.append((answers, messages))

    def send(self) -> None:
        """Lets the loop have what was laid down."""
        if self._letters and self.loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop may have gone
                self.loop.call_soon_threadsafe(self._hand_out)

    def _hand_out(self) -> None:
        while self._letters:
            answers, messages = self._letters.popleft()
            answers.put_nowait(messages)


def _sung_by(performance: Performance) -> SungMessages | None:
    """What the voice is told, where the client asked for it."""
    return None if performance.tape is None else SungMessages(performance.tape)


def _introduce(performance: Performance) -> perform_pb2.PerformanceStarted:
    singer = performance.singer
    return perform_pb2.PerformanceStarted(
        personality=singer.personality,
        configuration=performance.full_configuration(),
        voice_sample_rate=singer.spec.sample_rate,
        frame_rate=singer.spec.frame_rate,
        latency_samples=performance.latency_samples,
        lookahead_samples=performance.lookahead_samples,
    )


def _reference(deu: str, generation: int) -> personality_pb2.PersonalityReference:
    named = personality_pb2.GenerationReference(deu=deu, generation=generation)
    return personality_pb2.PersonalityReference(generation=named)


def _release_late(coming: asyncio.Future[ServedSinger]) -> None:
    if not coming.cancelled() and coming.exception() is None:
        coming.result().release()


def _release(singer: Any) -> None:
    singer.release()
