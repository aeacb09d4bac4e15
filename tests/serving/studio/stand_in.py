"""Rooms that do what a test needs without any model: echoes for performances, silence for the rest."""

import asyncio
import contextlib

import grpc

from amadeus.v1 import (
    lineage_pb2,
    lineage_pb2_grpc,
    perform_pb2,
    session_pb2,
    studio_pb2,
    studio_pb2_grpc,
)
from serving.studio.server import Studio


class StandInRooms(
    studio_pb2_grpc.StudioServicer,
    studio_pb2_grpc.PracticeSessionsServicer,
    studio_pb2_grpc.PersonalitiesServicer,
    lineage_pb2_grpc.LineagesServicer,
):
    """`Perform` answers each request with a block, until the client ends or the studio does."""

    def __init__(self, metrics, *, stubborn=False):
        self.metrics = metrics
        self.stubborn = stubborn  # does not hear that the studio stops
        self.told = asyncio.Event()
        self.open = 0
        self.drained_with_s = None
        self.closed = False

    async def Perform(self, requests, context):
        self.open += 1
        self.metrics.performances_open.inc()
        n_blocks = 0
        try:
            yield perform_pb2.PerformResponse(started=perform_pb2.PerformanceStarted())
            while await self._next(requests):
                n_blocks += 1
                self.metrics.blocks.inc()
                yield perform_pb2.PerformResponse(
                    audio=perform_pb2.AudioBlock(samples=bytes(64))
                )
            yield perform_pb2.PerformResponse(
                ended=perform_pb2.PerformanceEnded(sample_count=16 * n_blocks)
            )
        finally:
            self.open -= 1
            self.metrics.performances_open.dec()

    async def _next(self, requests):
        request = asyncio.ensure_future(anext(requests, None))
        told = asyncio.ensure_future(self.told.wait())
        waiting = {request} if self.stubborn else {request, told}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            return request.done() and request.result() is not None
        finally:
            for task in (request, told):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def ListPersonalities(self, request, context):
        return studio_pb2.ListPersonalitiesResponse(next_page_token="here")

    async def ImportPersonality(self, requests, context):
        n_bytes = sum([len(request.chunk) async for request in requests])
        return studio_pb2.ImportPersonalityResponse(already_held=n_bytes > 0)

    async def CheckOut(self, request, context):
        return lineage_pb2.CheckOutResponse(generation=request.generation.generation)

    async def GetPracticeSession(self, request, context):
        return session_pb2.PracticeSession(session_id=request.session_id)

    def add_to(self, server):
        studio_pb2_grpc.add_StudioServicer_to_server(self, server)
        studio_pb2_grpc.add_PracticeSessionsServicer_to_server(self, server)
        studio_pb2_grpc.add_PersonalitiesServicer_to_server(self, server)
        lineage_pb2_grpc.add_LineagesServicer_to_server(self, server)

    def session_counts(self):
        return {"running": 1, "queued": 2}

    def addresses(self):
        return {"model server (gRPC)": "127.0.0.1:1"}

    async def drain(self, grace_s):
        self.drained_with_s = grace_s
        self.told.set()

    async def close(self):
        assert self.open == 0
        self.closed = True


def opener(rooms, **arguments):
    """An opener that appends the rooms it opens to the list `rooms`."""

    async def open_rooms(_config, _home, metrics):
        rooms.append(StandInRooms(metrics, **arguments))
        return rooms[-1]

    return open_rooms


@contextlib.asynccontextmanager
async def studio_of(config, home, **arguments):
    """A studio with stand-in rooms that plays."""
    studio = Studio(config, home, open_rooms=opener([], **arguments))
    await studio.start()
    try:
        yield studio
    finally:
        await studio.stop(0)


@contextlib.asynccontextmanager
async def channel_to(studio, credentials=None, options=()):
    """A channel to a studio; name of its certificate is localhost."""
    address = f"localhost:{studio.port}"
    channel = (
        grpc.aio.secure_channel(address, credentials, options)
        if credentials
        else grpc.aio.insecure_channel(address, options)
    )
    async with channel:
        yield channel


async def list_personalities(channel, token=None):
    metadata = [("authorization", f"Bearer {token}")] if token is not None else None
    return await studio_pb2_grpc.PersonalitiesStub(channel).ListPersonalities(
        studio_pb2.ListPersonalitiesRequest(), metadata=metadata, timeout=20
    )
