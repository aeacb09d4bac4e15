"""The two verbs of a studio, and questions after its practice sessions, handed on to those who know them."""

from collections.abc import AsyncIterator
from typing import Protocol

import grpc.aio

from amadeus.v1 import perform_pb2, session_pb2, studio_pb2, studio_pb2_grpc
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

    async def list_sessions(
        self, request: studio_pb2.ListPracticeSessionsRequest
    ) -> studio_pb2.ListPracticeSessionsResponse:
        """Lists sessions, the newest first."""
        ...

    async def get_session(self, session_id: str) -> session_pb2.PracticeSession:
        """Tells how a session stands."""
        ...

    async def cancel_session(self, session_id: str) -> session_pb2.PracticeSession:
        """Ends a session."""
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


class PracticeSessionsServicer(studio_pb2_grpc.PracticeSessionsServicer):
    """Lists, shows and cancels practice sessions."""

    def __init__(self, practices: Practices) -> None:
        self._practices = practices

    async def ListPracticeSessions(
        self,
        request: studio_pb2.ListPracticeSessionsRequest,
        context: grpc.aio.ServicerContext,
    ) -> studio_pb2.ListPracticeSessionsResponse:
        """Lists sessions, the newest first."""
        return await self._practices.list_sessions(request)

    async def GetPracticeSession(
        self,
        request: studio_pb2.GetPracticeSessionRequest,
        context: grpc.aio.ServicerContext,
    ) -> session_pb2.PracticeSession:
        """Tells how a session stands."""
        return await self._practices.get_session(request.session_id)

    async def CancelPracticeSession(
        self,
        request: studio_pb2.CancelPracticeSessionRequest,
        context: grpc.aio.ServicerContext,
    ) -> session_pb2.PracticeSession:
        """Ends a session."""
        return await self._practices.cancel_session(request.session_id)
