"""The personalities a studio holds: listed, told about, taken and handed out as `.deu` bundles."""

import asyncio
import contextlib
import importlib
import itertools
import re
import tempfile
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import grpc
import grpc.aio

from amadeus.errors import (
    BundleError,
    BundleTooLargeError,
    NotHeldError,
    VoiceError,
)
from amadeus.home import Home, explain_os_errors
from amadeus.personality import bundle, holding
from amadeus.personality.bundle import BundleLimits
from amadeus.personality.holding import Holding
from amadeus.v1 import personality_pb2, studio_pb2, studio_pb2_grpc
from serving.studio.checking import Checker
from serving.studio.status import StatusError

REASON_REFUSED = "BUNDLE_REFUSED"
REASON_NOT_HELD = "PERSONALITY_NOT_HELD"

MAX_CHUNK_BYTES = 2**20  # of what is taken, as the proto says
CHUNK_BYTES = 2**18  # of what is handed out

_PAGE_TOKEN = re.compile(r"([a-z0-9][a-z0-9_-]{0,39})/([1-9][0-9]{0,8})")


@dataclass(frozen=True, kw_only=True)
class PersonalityLimits:
    """What taking and handing out bundles may cost a studio.

    Attributes:
      max_bundle_bytes: Size of a bundle.
      max_content_bytes: Size of what it holds, unpacked.
      max_transfers: Bundles on the way at once, in and out together.
      idle_timeout_s: Time a client may leave between two chunks.
      check_timeout_s: Time the check of a bundle may take.
      page_size: Personalities on a page that asks for no size.
      max_page_size: Personalities on a page at most.
    """

    max_bundle_bytes: int = BundleLimits.max_bundle_bytes
    max_content_bytes: int = BundleLimits.max_content_bytes
    max_transfers: int = 8
    idle_timeout_s: float = 60.0
    check_timeout_s: float = 120.0
    page_size: int = 50
    max_page_size: int = 1_000

    def of_bundles(self) -> BundleLimits:
        """What a bundle may cost."""
        return BundleLimits(
            max_bundle_bytes=self.max_bundle_bytes,
            max_content_bytes=self.max_content_bytes,
        )


def find(home: Home, reference: personality_pb2.PersonalityReference) -> Holding:
    """Finds the personality that a reference names.

    Raises:
      StatusError: NOT_FOUND with reason PERSONALITY_NOT_HELD; INVALID_ARGUMENT where it names none.
      ConfigError: The name in it cannot be one of a deu.
    """
    kind = reference.WhichOneof("reference")
    if kind is None:
        raise StatusError(
            grpc.StatusCode.INVALID_ARGUMENT,
            "no personality is named: give its digest, or a deu and a generation.",
        )
    if kind == "digest":
        found = holding.find_by_digest(home, reference.digest)
        if found is None:
            raise _not_held(
                f"this studio holds no personality {reference.digest[:80]}: bring it by ImportPersonality.",
                digest=reference.digest,
            )
        return found
    named = reference.generation
    try:
        path = home.deu(named.deu).voice_path(named.generation)
    except NotHeldError as error:
        raise _not_held(
            str(error), deu=named.deu, generation=str(named.generation)
        ) from error
    return Holding(named.deu, int(path.name), path)


class PersonalitiesServicer(studio_pb2_grpc.PersonalitiesServicer):
    """Serves what a home holds. All of it lies in the home: replicas that share one serve the same."""

    def __init__(
        self,
        home: Home,
        limits: PersonalityLimits | None = None,
        checker: Checker | None = None,
    ) -> None:
        """Takes a home.

        Args:
          home: Where personalities lie.
          limits: What transfers may cost.
          checker: What looks at bundles; None: one of its own.
        """
        # loaded now, for it takes a third of a second in which nobody would be heard
        importlib.import_module("amadeus.lineage.write")
        self._home = home
        self._limits = limits or PersonalityLimits()
        self._n_transfers = 0
        self._checker = checker or Checker(timeout_s=self._limits.check_timeout_s)

    async def close(self) -> None:
        """Ends the process that checks; a bundle it had in hand is refused."""
        await asyncio.to_thread(self._checker.close)

    async def ListPersonalities(
        self,
        request: studio_pb2.ListPersonalitiesRequest,
        context: grpc.aio.ServicerContext,
    ) -> studio_pb2.ListPersonalitiesResponse:
        """Lists a page of personalities; damaged ones are left out."""
        return await asyncio.to_thread(self._list, request)

    async def GetPersonality(
        self,
        request: studio_pb2.GetPersonalityRequest,
        context: grpc.aio.ServicerContext,
    ) -> personality_pb2.Personality:
        """Tells who a personality is."""
        return await asyncio.to_thread(
            lambda: find(self._home, request.personality).read()
        )

    async def ImportPersonality(
        self,
        request_iterator: AsyncIterable[studio_pb2.ImportPersonalityRequest],
        context: grpc.aio.ServicerContext,
    ) -> studio_pb2.ImportPersonalityResponse:
        """Takes a bundle. Once it has come whole it is held even if the client leaves."""
        with self._transfer():
            file = await asyncio.to_thread(self._scratch)
            with contextlib.ExitStack() as stack:
                stack.callback(file.close)
                deu = await self._receive(request_iterator, file)
                stack.pop_all()  # the thread closes it, which a client that leaves does not end
            held = await asyncio.to_thread(self._hold, file, deu)
        return studio_pb2.ImportPersonalityResponse(
            personality=held.personality, already_held=held.already_held
        )

    async def ExportPersonality(
        self,
        request: studio_pb2.ExportPersonalityRequest,
        context: grpc.aio.ServicerContext,
    ) -> AsyncIterator[studio_pb2.ExportPersonalityResponse]:
        """Hands a personality out."""
        with self._transfer():
            file = await asyncio.to_thread(self._pack, request.personality)
            with file:
                while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                    yield studio_pb2.ExportPersonalityResponse(chunk=chunk)

    def _list(
        self, request: studio_pb2.ListPersonalitiesRequest
    ) -> studio_pb2.ListPersonalitiesResponse:
        size = self._page_size(request.page_size)
        if request.deu:
            self._home.deu(request.deu)  # says so where there is none
        rest = _after(
            request.page_token, holding.holdings(self._home, request.deu or None)
        )
        readable = ((h, p) for h in rest if (p := _read(h)) is not None)
        page = list(itertools.islice(readable, size + 1))
        response = studio_pb2.ListPersonalitiesResponse(
            personalities=[personality for _, personality in page[:size]]
        )
        if len(page) > size:
            last = page[size - 1][0]
            response.next_page_token = f"{last.deu}/{last.generation}"
        return response

    def _page_size(self, asked: int) -> int:
        if asked < 0:
            raise StatusError(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"page_size={asked} is below 0: ask for 1 to {self._limits.max_page_size}, or 0 for the default.",
            )
        return min(asked or self._limits.page_size, self._limits.max_page_size)

    async def _receive(
        self,
        requests: AsyncIterable[studio_pb2.ImportPersonalityRequest],
        file: BinaryIO,
    ) -> str:
        """Writes the chunks into a file, and returns the deu they are for."""
        deu, n_bytes, limit = None, 0, self._limits.max_bundle_bytes
        async for request in self._hurried(requests):
            deu = request.deu if deu is None else deu
            n_bytes += len(request.chunk)
            if len(request.chunk) > MAX_CHUNK_BYTES:
                raise StatusError(
                    grpc.StatusCode.INVALID_ARGUMENT,
                    f"a chunk has {len(request.chunk)} bytes: send at most {MAX_CHUNK_BYTES} at once.",
                )
            if n_bytes > limit:
                raise StatusError(
                    grpc.StatusCode.RESOURCE_EXHAUSTED,
                    f"the bundle has more than {limit} bytes, the most this studio takes: ask its keeper for more.",
                )
            await asyncio.to_thread(file.write, request.chunk)
        return deu or ""

    async def _hurried(self, requests: AsyncIterable[Any]) -> AsyncIterator[Any]:
        """Passes messages on, as long as each comes in time."""
        waiting = aiter(requests)
        while True:
            try:
                async with asyncio.timeout(self._limits.idle_timeout_s):
                    request = await anext(waiting)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise StatusError(
                    grpc.StatusCode.DEADLINE_EXCEEDED,
                    f"no part of the bundle has come for {self._limits.idle_timeout_s:g} s: send all of it again.",
                ) from None
            yield request

    def _hold(self, file: BinaryIO, deu: str) -> holding.Held:
        limits = self._limits.of_bundles()
        with file, _refusals():
            return holding.hold(
                self._home,
                file,
                deu or None,
                limits=limits,
                check=self._checker.check,
            )

    def _pack(self, reference: personality_pb2.PersonalityReference) -> BinaryIO:
        from amadeus.lineage.travel import pedigree_or_none  # loads ML Metadata

        found = find(self._home, reference)
        with contextlib.ExitStack() as stack:
            file = self._scratch()
            stack.callback(file.close)
            lineage = pedigree_or_none(found.path)
            bundle.write_bundle(found.path, file, lineage=lineage)
            file.seek(0)
            stack.pop_all()
        return file

    def _scratch(self) -> BinaryIO:
        """Opens a file without a name, which is gone with whoever has it."""
        with explain_os_errors(self._home.path):
            self._home.path.mkdir(parents=True, exist_ok=True)
            return tempfile.TemporaryFile(dir=self._home.path)

    @contextlib.contextmanager
    def _transfer(self) -> Iterator[None]:
        if self._n_transfers >= self._limits.max_transfers:
            raise StatusError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"{self._n_transfers} bundles are on their way, the most this studio takes at once: try again soon.",
            )
        self._n_transfers += 1
        try:
            yield
        finally:
            self._n_transfers -= 1


def _after(token: str, found: Iterator[Holding]) -> Iterator[Holding]:
    """Leaves out what the pages before have shown; what came or went meanwhile shifts nothing."""
    if not token:
        return found
    match = _PAGE_TOKEN.fullmatch(token)
    if match is None:
        raise StatusError(
            grpc.StatusCode.INVALID_ARGUMENT,
            "page_token is none of this studio: give the next_page_token of the page before, or nothing.",
        )
    last = (match[1], -int(match[2]))
    return (h for h in found if (h.deu, -h.generation) > last)


def _read(found: Holding) -> personality_pb2.Personality | None:
    try:
        return found.read()
    except VoiceError:
        return None


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except BundleTooLargeError as error:
        raise StatusError(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error)) from error
    except BundleError as error:
        raise StatusError(
            grpc.StatusCode.INVALID_ARGUMENT, str(error), REASON_REFUSED
        ) from error


def _not_held(text: str, **metadata: str) -> StatusError:
    return StatusError(grpc.StatusCode.NOT_FOUND, text, REASON_NOT_HELD, metadata)
