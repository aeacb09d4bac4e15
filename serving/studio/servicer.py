"""The two verbs of a studio, handed on to those who know them."""

from collections.abc import AsyncIterator
from typing import Protocol

import grpc.aio

from amadeus.v1 import perform_pb2, session_pb2, studio_pb2_grpc
from serving.studio.perform import Performances


class Practices(Protocol):
    """Who practises."""

    def practice(
        self,
        requests: AsyncIterator[session_pb2.PracticeRequest],
        context: grpc.aio.ServicerContext,
    ) -> AsyncIterator[session_pb2.PracticeResponse]:
        """Practises; see `Studio.Practice`."""
        ...


class StudioServicer(studio_pb2_grpc.StudioServicer):
    """`amadeus.v1.Studio`."""

    def __init__(self, performances: Performances, practices: Practices) -> None:
        self._performances, self._practices = performances, practices

    async def Perform(
        self,
        requests: AsyncIterator[perform_pb2.PerformRequest],
        context: grpc.aio.ServicerContext,
    ) -> AsyncIterator[perform_pb2.PerformResponse]:
        """Plays a personality."""
        async for response in self._performances.perform(requests, context):
            yield response

    async def Practice(
        self,
        requests: AsyncIterator[session_pb2.PracticeRequest],
        context: grpc.aio.ServicerContext,
    ) -> AsyncIterator[session_pb2.PracticeResponse]:
        """Makes the next personality of a deu."""
        async for response in self._practices.practice(requests, context):
            yield response
