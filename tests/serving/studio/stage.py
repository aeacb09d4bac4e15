"""A studio that only performs, in a thread of this process, with voices of the tests' own or of a home."""

import asyncio
import contextlib
import threading

import grpc
import grpc.aio
import numpy as np

from amadeus.v1 import perform_pb2, personality_pb2, studio_pb2_grpc
from serving.studio.metrics import Metrics
from serving.studio.perform import Performances
from serving.studio.servicer import StudioServicer
from serving.studio.status import StatusError, StatusInterceptor
from serving.studio.voices import NOT_HELD
from tests.live.singers import SineSinger


class SineVoices:
    """Deus that sing sines; a new generation appears when a test says so."""

    def __init__(self):
        self.generation = 1
        self.open, self.released = [], 0

    def acquire(self, reference):
        deu, number = reference.generation.deu, reference.generation.generation
        if deu not in ("sine", "broken") or number > self.generation:
            raise StatusError(
                grpc.StatusCode.NOT_FOUND, "there is no such deu.", NOT_HELD
            )
        singer = SineSinger(generation=number or self.generation)
        singer.identity = deu, number or self.generation
        if deu == "broken":
            singer.sing = self._fail
        singer.release = lambda: self._release(singer)
        self.open.append(singer)
        return singer

    def current(self, _deu):
        return self.generation

    def close(self):
        pass

    def _release(self, singer):
        self.open.remove(singer)
        self.released += 1

    @staticmethod
    def _fail(_frames, _state):
        raise RuntimeError("this voice is broken")


class RunningStage:
    """A server in a thread, and a stub to talk to it."""

    def __init__(self, voices, limits=None):
        self.voices, self._limits = voices, limits
        self.metrics = Metrics()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        self.run(self._open())
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.port}")
        self.stub = studio_pb2_grpc.StudioStub(self.channel)
        return self

    def __exit__(self, *_error):
        self.channel.close()
        self.run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(60)

    async def _open(self):
        self.performances = Performances(self.voices, self._limits, self.metrics)
        self.performances.start()
        self._server = grpc.aio.server(interceptors=[StatusInterceptor()])
        servicer = StudioServicer(self.performances, None)
        studio_pb2_grpc.add_StudioServicer_to_server(servicer, self._server)
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()

    async def _close(self):
        await self._server.stop(0)
        await self.performances.close()


def configure(deu="sine", generation=0, **fields):
    named = personality_pb2.GenerationReference(deu=deu, generation=generation)
    fields.setdefault("sample_rate", 48_000)
    return perform_pb2.PerformRequest(
        configuration=perform_pb2.PerformConfiguration(
            personality=personality_pb2.PersonalityReference(generation=named), **fields
        )
    )


def midi(*data, at=None):
    event = perform_pb2.MidiEvent(data=bytes(data))
    if at is not None:
        event.sample_offset = at
    return perform_pb2.PerformRequest(midi=event)


def advance(sample):
    return perform_pb2.PerformRequest(advance=perform_pb2.Advance(sample_offset=sample))


class Heard:
    """Everything a performance answered."""

    def __init__(self, responses):
        self.blocks, self.notices = [], []
        self.started = self.ended = None
        with contextlib.suppress(StopIteration):
            for response in responses:
                self.take(response)

    def take(self, response):
        kind = response.WhichOneof("message")
        if kind == "audio":
            self.blocks.append(response.audio)
        elif kind == "notice":
            self.notices.append(response.notice)
        else:
            setattr(self, kind, getattr(response, kind))

    @property
    def sound(self):
        parts = [np.frombuffer(block.samples, "<f4") for block in self.blocks]
        return np.concatenate([np.zeros(0, np.float32), *parts])

    @property
    def kinds(self):
        name = perform_pb2.PerformanceNotice.Kind.Name
        return [name(notice.kind) for notice in self.notices]
