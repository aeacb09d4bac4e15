"""The lineages of the deus a studio holds: listed, told, compared, and walked back.

All of it lies in the metadata and folders of the home, so replicas that share one tell the same. Reading may be slow
where the metadata are far away; so only a few questions are answered at once, and none for longer than is bearable.
"""

import asyncio
import importlib
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
import grpc.aio

from amadeus.errors import AmadeusError
from amadeus.home import Deu, Home
from amadeus.v1 import lineage_pb2, lineage_pb2_grpc, personality_pb2
from serving.studio.status import StatusError

REASON_BUSY = "LINEAGES_BUSY"  # try again soon
MAX_TAKES = 10_000
MAX_ITEMS = 1_000
MAX_UNRECORDED = 100

_PAGE_TOKEN = re.compile(r"[1-9][0-9]{0,8}")
_MAX_GENERATION = 10**9
_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class LineageLimits:
    """What telling lineages may cost a studio.

    Attributes:
      max_questions: Answered at once.
      answer_s: Time that an answer may take, in seconds.
      page_size: Generations on a page that asks for no size.
      max_page_size: Generations on a page at most.
      n_ancestors: Told where nobody says how many.
      max_ancestors: Told at most.
    """

    max_questions: int = 16
    answer_s: float = 60.0
    page_size: int = 200
    max_page_size: int = 1_000
    n_ancestors: int = 12
    max_ancestors: int = 1_000


class LineagesServicer(lineage_pb2_grpc.LineagesServicer):
    """Serves the lineages of a home."""

    def __init__(self, home: Home, limits: LineageLimits | None = None) -> None:
        """Takes a home.

        Args:
          home: Where deus and their metadata lie.
          limits: What answers may cost.
        """
        # loaded now, for it takes a third of a second in which nobody would be heard
        self._lineage = importlib.import_module("amadeus.lineage")
        self._home = home
        self._limits = limits or LineageLimits()
        self._pool = ThreadPoolExecutor(4, "lineages")
        self._n_open = 0

    def close(self) -> None:
        """Answers nothing more; what is being answered is answered."""
        self._pool.shutdown(wait=False)

    async def ListGenerations(
        self,
        request: lineage_pb2.ListGenerationsRequest,
        context: grpc.aio.ServicerContext,
    ) -> lineage_pb2.ListGenerationsResponse:
        """Lists a page of generations, oldest first."""
        return await self._answer(self._list, request)

    async def GetGeneration(
        self,
        request: lineage_pb2.GetGenerationRequest,
        context: grpc.aio.ServicerContext,
    ) -> lineage_pb2.GetGenerationResponse:
        """Tells all that is known of a generation."""
        return await self._answer(self._get, request)

    async def DiffGenerations(
        self,
        request: lineage_pb2.DiffGenerationsRequest,
        context: grpc.aio.ServicerContext,
    ) -> lineage_pb2.DiffGenerationsResponse:
        """Tells what differs between two generations."""
        return await self._answer(self._diff, request)

    async def CheckOut(
        self,
        request: lineage_pb2.CheckOutRequest,
        context: grpc.aio.ServicerContext,
    ) -> lineage_pb2.CheckOutResponse:
        """Lets a generation play again."""
        return await self._answer(self._check_out, request)

    async def Prune(
        self, request: lineage_pb2.PruneRequest, context: grpc.aio.ServicerContext
    ) -> lineage_pb2.PruneResponse:
        """Frees what no living generation needs."""
        return await self._answer(self._prune, request)

    async def _answer(self, work: Callable[[Any], _T], request: Any) -> _T:
        """Answers in a thread; one that takes too long goes on without anybody who listens."""
        if self._n_open >= self._limits.max_questions:
            raise StatusError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"{self._n_open} questions about lineages are being answered, the most at once here: try again soon.",
                REASON_BUSY,
            )
        loop = asyncio.get_running_loop()
        self._n_open += 1
        answering = loop.run_in_executor(self._pool, self._work, work, request)
        answering.add_done_callback(self._close_one)
        try:
            async with asyncio.timeout(self._limits.answer_s):
                return await asyncio.shield(answering)
        except TimeoutError:
            raise StatusError(
                grpc.StatusCode.DEADLINE_EXCEEDED,
                f"the studio's metadata gave no answer in {self._limits.answer_s:g} s: try again, or ask who runs it.",
            ) from None

    def _close_one(self, answering: "asyncio.Future[Any]") -> None:
        self._n_open -= 1
        if not answering.cancelled():
            answering.exception()  # seen, also where nobody listens any more

    def _work(self, work: Callable[[Any], _T], request: Any) -> _T:
        try:
            return work(request)
        except AmadeusError as error:
            raise type(error)(self._without_places(str(error))) from error

    def _without_places(self, text: str) -> str:
        """Strangers are told nothing of where things lie."""
        from amadeus.lineage.store import name_store

        text = text.replace(name_store(self._home), "the studio's metadata")
        return text.replace(str(self._home.path), "the studio's home")

    # What blocks; called in threads

    def _list(
        self, request: lineage_pb2.ListGenerationsRequest
    ) -> lineage_pb2.ListGenerationsResponse:
        from amadeus.lineage.tree import standing_of
        from serving.lineage import write_generation

        size, last = self._page_size(request.page_size), _read_token(request.page_token)
        deu = self._home.deu(request.deu)
        records = self._lineage.generations_of(self._home, deu)
        standing = standing_of(deu)
        page = [record for record in records if record.generation > last]
        unrecorded = standing.held - {record.generation for record in records}
        return lineage_pb2.ListGenerationsResponse(
            generations=[write_generation(r, standing) for r in page[:size]],
            next_page_token=str(page[size - 1].generation) if page[size:] else "",
            total_count=len(records),
            current_generation=standing.current,
            notice=self._without_places(standing.notice),
            unrecorded_generations=sorted(unrecorded)[:MAX_UNRECORDED],
        )

    def _get(
        self, request: lineage_pb2.GetGenerationRequest
    ) -> lineage_pb2.GetGenerationResponse:
        from amadeus.lineage.text import tell
        from amadeus.lineage.tree import standing_of
        from serving.lineage import write_execution, write_generation, write_take

        limit = self._ancestor_limit(request.ancestor_limit)
        deu, number = self._find(request.generation)
        told, standing = tell(self._home, deu, number), standing_of(deu)
        response = lineage_pb2.GetGenerationResponse(
            generation=write_generation(told.record, standing),
            ancestors=[write_generation(r, standing) for r in told.ancestors[:limit]],
            ancestor_count=told.n_ancestors,
            recordings=[write_take(take) for take in told.record.takes[:MAX_TAKES]],
            executions=[write_execution(e) for e in told.record.executions],
            pruned=number in deu.pruned_generations() and number not in standing.held,
            recording_count=told.record.n_takes,
            skipped=told.record.skipped,
        )
        if told.personality is not None:
            response.personality.CopyFrom(told.personality)
        return response

    def _diff(
        self, request: lineage_pb2.DiffGenerationsRequest
    ) -> lineage_pb2.DiffGenerationsResponse:
        from amadeus.lineage.diff import Side, compare, personality_of
        from amadeus.lineage.tree import standing_of
        from serving.lineage import write_generation, write_sections

        named = [self._find(request.before), self._find(request.after)]
        before, after = (
            Side(
                self._lineage.detailed(
                    self._home, self._lineage.record_of(self._home, deu, number)
                ),
                personality_of(deu, number),
            )
            for deu, number in named
        )
        bare = [
            personality_pb2.GenerationReference(deu=deu.name, generation=number)
            for (deu, number), side in zip(named, (before, after), strict=True)
            if side.personality is None
        ]
        return lineage_pb2.DiffGenerationsResponse(
            sections=write_sections(compare(before, after)),
            before=write_generation(before.record, standing_of(named[0][0])),
            after=write_generation(after.record, standing_of(named[1][0])),
            bare_generations=bare,
        )

    def _check_out(
        self, request: lineage_pb2.CheckOutRequest
    ) -> lineage_pb2.CheckOutResponse:
        number = request.generation.generation
        if not 0 < number < _MAX_GENERATION:
            raise _invalid(f"generation is {number}: name the one to play, from 1.")
        deu = self._home.deu(request.generation.deu)
        before = deu.current_generation()
        deu.point_to(number)
        return lineage_pb2.CheckOutResponse(
            generation=number, previous_generation=before
        )

    def _prune(self, request: lineage_pb2.PruneRequest) -> lineage_pb2.PruneResponse:
        from amadeus.lineage import prune

        keep = request.keep_count if request.HasField("keep_count") else None
        rule = prune.Rule(keep=keep, branches=request.branches)
        deu = self._home.deu(request.deu)
        made = (prune.plan if request.dry_run else prune.prune)(self._home, deu, rule)
        return lineage_pb2.PruneResponse(
            gone=[_write_item(item) for item in made.goes[:MAX_ITEMS]],
            staying=[_write_item(item) for item in made.stays[:MAX_ITEMS]],
            freed_byte_count=made.n_bytes,
            gone_count=len(made.goes),
            staying_count=len(made.stays),
        )

    def _find(self, reference: personality_pb2.GenerationReference) -> tuple[Deu, int]:
        deu, number = self._home.deu(reference.deu), reference.generation
        if not 0 <= number < _MAX_GENERATION:
            raise _invalid(
                f"generation is {number}: name one from 1, or 0 for the one that plays."
            )
        return deu, number or int(deu.voice_path().name)

    def _page_size(self, asked: int) -> int:
        limits = self._limits
        if asked < 0:
            raise _invalid(
                f"page_size={asked} is below 0: ask for 1 to {limits.max_page_size}, or 0 for the default."
            )
        return min(asked or limits.page_size, limits.max_page_size)

    def _ancestor_limit(self, asked: int) -> int:
        limits = self._limits
        if asked < 0:
            raise _invalid(
                f"ancestor_limit={asked} is below 0: ask for 1 to {limits.max_ancestors}, or 0 for the default."
            )
        return min(asked or limits.n_ancestors, limits.max_ancestors)


def _write_item(item: Any) -> lineage_pb2.PruneResponse.Item:
    return lineage_pb2.PruneResponse.Item(
        name=item.name, byte_size=item.n_bytes, reason=item.why
    )


def _read_token(token: str) -> int:
    if not token:
        return 0
    if not _PAGE_TOKEN.fullmatch(token):
        raise _invalid(
            "page_token is none of this studio: give the next_page_token of the page before, or nothing."
        )
    return int(token)


def _invalid(text: str) -> StatusError:
    return StatusError(grpc.StatusCode.INVALID_ARGUMENT, text)
