"""Asks a studio where its voices come from, and goes back to one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

from amadeus.lineage.diff import Section
from amadeus.lineage.records import GenerationRecord
from amadeus.lineage.text import Told, say_gone
from amadeus.lineage.tree import Standing
from amadeus.v1 import lineage_pb2, personality_pb2
from amadeus.v1.lineage_pb2_grpc import LineagesStub
from serving.client.connection import Address, connect, explained
from serving.lineage import (
    read_execution,
    read_generation,
    read_sections,
    read_take,
)

ANSWER_S = 75.0  # longer than a studio takes to say that it takes too long
PAGE_SIZE = 1_000


class Tree(NamedTuple):
    """The generations of a deu in a studio.

    Attributes:
      standing: How the deu stands there.
      records: Oldest first.
      unrecorded: Generations that are there and not recorded yet.
    """

    standing: Standing
    records: list[GenerationRecord]
    unrecorded: list[int]


class Compared(NamedTuple):
    """What differs between two generations.

    Attributes:
      before: How it was.
      after: How it is.
      sections: What differs.
      bare: Those of which neither files nor profiles are left.
    """

    before: GenerationRecord
    after: GenerationRecord
    sections: list[Section]
    bare: list[GenerationRecord]


class Lineages:
    """The lineages of a studio, over one connection."""

    def __init__(self, address: Address, stub: LineagesStub) -> None:
        self._target, self._stub = address.target, stub

    def tree(self, deu: str) -> Tree:
        """Reads all generations of a deu, page by page.

        Raises:
          StudioError: The studio cannot be reached, or refused.
        """
        request = lineage_pb2.ListGenerationsRequest(deu=deu, page_size=PAGE_SIZE)
        generations: list[lineage_pb2.Generation] = []
        while True:
            page = self._stub.ListGenerations(request, timeout=ANSWER_S)
            generations += page.generations
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
        held = frozenset(g.generation for g in generations if g.held)
        unrecorded = list(page.unrecorded_generations)
        standing = Standing(
            deu, page.current_generation, held | frozenset(unrecorded), page.notice
        )
        return Tree(standing, [read_generation(g) for g in generations], unrecorded)

    def tell(self, deu: str, generation: int) -> Told:
        """Reads all that is known of a generation; 0 names the one that plays.

        Raises:
          StudioError: The studio cannot be reached, or refused.
        """
        named = personality_pb2.GenerationReference(deu=deu, generation=generation)
        request = lineage_pb2.GetGenerationRequest(generation=named)
        told = self._stub.GetGeneration(request, timeout=ANSWER_S)
        record = replace(
            read_generation(told.generation),
            takes=tuple(map(read_take, told.recordings)),
            executions=tuple(map(read_execution, told.executions)),
            n_takes=told.recording_count,
            skipped=told.skipped,
        )
        return Told(
            record,
            [read_generation(ancestor) for ancestor in told.ancestors],
            told.ancestor_count,
            told.personality if told.HasField("personality") else None,
            told.generation.plays,
            f"in the studio at {self._target}"
            if told.generation.held
            else say_gone(is_pruned=told.pruned),
        )

    def compare(
        self,
        before: personality_pb2.GenerationReference,
        after: personality_pb2.GenerationReference,
    ) -> Compared:
        """Reads what differs between two generations.

        Raises:
          StudioError: The studio cannot be reached, or refused.
        """
        request = lineage_pb2.DiffGenerationsRequest(before=before, after=after)
        found = self._stub.DiffGenerations(request, timeout=ANSWER_S)
        old, new = read_generation(found.before), read_generation(found.after)
        bare = {(g.deu, g.generation) for g in found.bare_generations}
        sides = [(before.deu, old), (after.deu, new)]
        return Compared(
            old,
            new,
            read_sections(found.sections),
            [record for deu, record in sides if (deu, record.generation) in bare],
        )

    def check_out(self, deu: str, generation: int) -> int:
        """Lets a generation play again; returns the one that played before.

        Raises:
          StudioError: The studio cannot be reached, or refused.
        """
        named = personality_pb2.GenerationReference(deu=deu, generation=generation)
        request = lineage_pb2.CheckOutRequest(generation=named)
        return self._stub.CheckOut(request, timeout=ANSWER_S).previous_generation

    def prune(
        self, deu: str, *, keep: int | None, branches: bool, dry_run: bool
    ) -> lineage_pb2.PruneResponse:
        """Frees what no living generation needs, or only asks what that would be.

        Raises:
          StudioError: The studio cannot be reached, or refused.
        """
        request = lineage_pb2.PruneRequest(
            deu=deu, keep_count=keep, branches=branches, dry_run=dry_run
        )
        return self._stub.Prune(request, timeout=ANSWER_S)


@contextmanager
def lineages(address: Address) -> Iterator[Lineages]:
    """Connects to a studio.

    Raises:
      StudioError: Instead of any RpcError.
    """
    with connect(address) as channel, explained(address.target):
        yield Lineages(address, LineagesStub(channel))
