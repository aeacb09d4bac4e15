"""Lineages over a real connection: what is told, what is refused, and who waits for whom."""

import asyncio
import contextlib

import grpc
import grpc.aio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amadeus import lineage
from amadeus.home import POINTER_NAME
from amadeus.lineage import tree
from amadeus.v1 import lineage_pb2, lineage_pb2_grpc, personality_pb2
from serving.lineage import read_generation, read_time, write_time
from serving.studio.lineages import REASON_BUSY, LineageLimits, LineagesServicer
from serving.studio.status import StatusInterceptor
from tests.lineage.scribe import Tale
from tests.serving.studio.practising import reason_of

Code = grpc.StatusCode
PATIENCE_S = 60.0


@pytest.fixture
def tale(home):
    """1 - 2 - 3, a branch 4 - 5 from 1, which plays, and 6 from nothing."""
    tale = Tale(home, home.create_deu("cello"))
    tale.tell(1, takes=[("a.wav", "aa"), ("b.wav", "bb")])
    unusable = {"undecodable": {"count": 2, "names": ["c.wav", "d.wav"]}}
    tale.tell(
        2, 1, takes=[("a.wav", "aa")], player={"brightness": 0.5}, skipped=unusable
    )
    tale.tell(3, 2)
    tale.tell(4, 1, kind="amadeus.Tuning")
    tale.tell(5, 4, kind="amadeus.Feedback")
    tale.tell(6)
    tale.deu.point_to(5)
    return tale


@contextlib.asynccontextmanager
async def serving(home, limits=None):
    servicer = LineagesServicer(home, limits)
    server = grpc.aio.server(interceptors=[StatusInterceptor()])
    lineage_pb2_grpc.add_LineagesServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield lineage_pb2_grpc.LineagesStub(channel), servicer, port
    finally:
        await server.stop(None)
        servicer.close()


def ask(home, body, limits=None):
    async def run():
        async with serving(home, limits) as (stub, servicer, _):
            return await body(stub, servicer)

    return asyncio.run(asyncio.wait_for(run(), PATIENCE_S))


def call(home, method, request, limits=None):
    async def body(stub, _):
        return await getattr(stub, method)(request)

    return ask(home, body, limits)


def named(generation, deu="cello"):
    return personality_pb2.GenerationReference(deu=deu, generation=generation)


def listing(**fields):
    return lineage_pb2.ListGenerationsRequest(deu="cello", **fields)


def test_the_tree_comes_page_by_page_as_it_is_read_at_home(home, tale):
    async def body(stub, _):
        pages, token = [], ""
        while True:
            request = listing(page_size=4, page_token=token)
            pages.append(await stub.ListGenerations(request))
            token = pages[-1].next_page_token
            if not token:
                return pages

    pages = ask(home, body)
    assert [len(page.generations) for page in pages] == [4, 2]
    assert [page.total_count for page in pages] == [6, 6]
    told = [generation for page in pages for generation in page.generations]
    assert [g.generation for g in told if g.plays] == [5]
    assert all(g.held for g in told)
    there = [read_generation(generation) for generation in told]
    here = lineage.generations_of(home, tale.deu)
    standing = tree.standing_of(tale.deu)
    assert tree.render_tree(standing, there) == tree.render_tree(standing, here)
    assert [r.kind for r in there] == [r.kind for r in here]


def test_all_that_is_known_of_one_is_told(home, tale):
    request = lineage_pb2.GetGenerationRequest(generation=named(2))
    told = call(home, "GetGeneration", request)
    assert (told.generation.generation, told.generation.parent_generation) == (2, 1)
    assert [ancestor.generation for ancestor in told.ancestors] == [1]
    (take,) = told.recordings
    assert (take.name, take.sha256, take.duration_s) == ("a.wav", "aa", 61.0)
    assert told.recording_count == 1
    assert told.skipped == "skipped 2 of 3: 2 cannot be decoded (c.wav, d.wav)"
    assert told.personality.player_profile.brightness == 0.5
    assert not told.pruned
    now = lineage_pb2.GetGenerationRequest(generation=named(0), ancestor_limit=1)
    told = call(home, "GetGeneration", now)
    assert told.generation.generation == 5
    assert [ancestor.generation for ancestor in told.ancestors] == [4]
    assert told.ancestor_count == 2


def test_two_are_compared(home, tale):
    request = lineage_pb2.DiffGenerationsRequest(before=named(1), after=named(2))
    found = call(home, "DiffGenerations", request)
    sections = {section.title: section.changes for section in found.sections}
    (turned,) = sections["player profile"]
    assert (turned.name, turned.before, turned.after) == ("brightness", "0", "0.5")
    assert [c.name for c in sections["recordings"]] == ["b.wav"]
    assert not found.bare_generations
    same = lineage_pb2.DiffGenerationsRequest(before=named(2), after=named(2))
    assert not call(home, "DiffGenerations", same).sections


def test_a_check_out_moves_the_pointer_and_back(home, tale):
    async def body(stub, _):
        there = await stub.CheckOut(lineage_pb2.CheckOutRequest(generation=named(2)))
        return there, await stub.ListGenerations(listing())

    done, listed = ask(home, body)
    assert (done.generation, done.previous_generation) == (2, 5)
    assert listed.current_generation == 2
    assert tale.deu.current_generation() == 2


def test_a_prune_says_first_what_it_will_free(home, tale):
    request = lineage_pb2.PruneRequest(deu="cello", keep_count=2, dry_run=True)
    planned = call(home, "Prune", request)
    names = [item.name for item in planned.gone if item.name.startswith("generation")]
    assert names == [f"generation {n}" for n in (1, 2, 3, 4)]
    assert planned.freed_byte_count > 4000
    assert tale.deu.generations() == [1, 2, 3, 4, 5, 6]
    request.dry_run = False
    done = call(home, "Prune", request)
    assert done.gone == planned.gone
    assert done.gone_count == len(done.gone)
    assert tale.deu.generations() == [5, 6]
    told = call(
        home,
        "GetGeneration",
        lineage_pb2.GetGenerationRequest(generation=named(2)),
    )
    assert told.pruned
    assert told.personality.player_profile.brightness == 0.5, "who it was is kept"


@pytest.mark.parametrize(
    ("method", "request_", "code", "sentence"),
    [
        ("ListGenerations", {"deu": "viola"}, Code.NOT_FOUND, "no deu 'viola'"),
        ("ListGenerations", {"deu": "../x"}, Code.INVALID_ARGUMENT, "cannot name"),
        ("ListGenerations", {"deu": ""}, Code.INVALID_ARGUMENT, "cannot name"),
        (
            "ListGenerations",
            {"deu": "cello", "page_size": -1},
            Code.INVALID_ARGUMENT,
            "page_size=-1",
        ),
        (
            "ListGenerations",
            {"deu": "cello", "page_token": "x"},
            Code.INVALID_ARGUMENT,
            "page_token",
        ),
        ("GetGeneration", {"generation": named(99)}, Code.NOT_FOUND, "generation 99"),
        (
            "GetGeneration",
            {"generation": named(-1)},
            Code.INVALID_ARGUMENT,
            "generation is -1",
        ),
        (
            "GetGeneration",
            {"generation": named(1), "ancestor_limit": -1},
            Code.INVALID_ARGUMENT,
            "ancestor_limit",
        ),
        (
            "DiffGenerations",
            {"before": named(1), "after": named(7)},
            Code.NOT_FOUND,
            "no generation 7",
        ),
        ("CheckOut", {"generation": named(0)}, Code.INVALID_ARGUMENT, "from 1"),
        ("CheckOut", {"generation": named(99)}, Code.NOT_FOUND, "generation 99"),
        (
            "Prune",
            {"deu": "cello", "keep_count": 0},
            Code.INVALID_ARGUMENT,
            "keeps nothing",
        ),
    ],
)
def test_what_cannot_be_told_is_refused_and_nothing_changes(
    home, tale, method, request_, code, sentence
):
    asked = getattr(lineage_pb2, f"{method}Request")(**request_)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        call(home, method, asked)
    assert (caught.value.code(), sentence in caught.value.details()) == (code, True)
    assert tale.deu.current_generation() == 5
    assert tale.deu.generations() == [1, 2, 3, 4, 5, 6]


def test_a_practice_keeps_a_prune_from_happening_and_no_place_is_named(home, tale):
    with tale.deu.locked(), pytest.raises(grpc.aio.AioRpcError) as caught:
        call(home, "Prune", lineage_pb2.PruneRequest(deu="cello", keep_count=1))
    assert caught.value.code() is Code.FAILED_PRECONDITION
    home.metadata_path.write_bytes(b"no database at all" * 100)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        call(home, "ListGenerations", listing())
    assert caught.value.code() is Code.FAILED_PRECONDITION
    assert str(home.path) not in caught.value.details()


def test_metadata_that_are_away_are_told_without_their_address(home, tale, monkeypatch):
    monkeypatch.setenv("AMADEUS_METADATA", "mysql://cellist@127.0.0.1:1/deus")
    monkeypatch.setenv("AMADEUS_METADATA_PATIENCE_S", "0.1")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        call(home, "ListGenerations", listing())
    assert caught.value.code() is Code.FAILED_PRECONDITION
    assert "the studio's metadata" in caught.value.details()
    assert "cellist" not in caught.value.details()
    assert "127.0.0.1" not in caught.value.details()


def test_a_pointer_to_nobody_is_noticed_and_no_place_is_named(home, tale):
    (tale.deu.path / POINTER_NAME).write_text("9")
    notice = call(home, "ListGenerations", listing()).notice
    assert "names generation 9, which is not there" in notice
    assert str(home.path) not in notice


def test_a_deu_without_a_voice_has_an_empty_tree(home):
    home.create_deu("cello")
    listed = call(home, "ListGenerations", listing())
    assert (len(listed.generations), listed.current_generation) == (0, 0)


def test_many_questions_are_answered_or_told_to_wait(home, tale, monkeypatch):
    limits = LineageLimits(max_questions=2, answer_s=0.5)

    async def body(stub, servicer):
        waiting = asyncio.Event()
        loop = asyncio.get_running_loop()

        def wait(_request):
            asyncio.run_coroutine_threadsafe(waiting.wait(), loop).result()

        monkeypatch.setattr(servicer, "_list", wait)
        slow = [asyncio.ensure_future(stub.ListGenerations(listing())) for _ in "ab"]
        codes = [await _code(call) for call in slow]
        # they are not listened to any more, and not over yet
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetGeneration(
                lineage_pb2.GetGenerationRequest(generation=named(1))
            )
        waiting.set()
        for _ in range(500):
            if not servicer._n_open:
                break
            await asyncio.sleep(0.02)
        await stub.GetGeneration(lineage_pb2.GetGenerationRequest(generation=named(1)))
        return codes, caught.value

    async def _code(call):
        try:
            await call
        except grpc.aio.AioRpcError as error:
            return error.code()

    codes, refused = ask(home, body, limits)
    assert codes == [Code.DEADLINE_EXCEEDED] * 2
    assert refused.code() is Code.RESOURCE_EXHAUSTED
    assert reason_of(refused)[0] == REASON_BUSY


def test_moments_survive_the_way():
    for milliseconds in (1, 999, 1_700_000_000_123, 1_790_000_000_000):
        assert read_time(write_time(milliseconds)) == milliseconds
    assert read_time("") == 0
    assert read_time("no time") == 0


names = st.one_of(
    st.text(max_size=20), st.sampled_from(["cello", "", "../x", "a" * 65, "\u202e"])
)
numbers = st.one_of(
    st.integers(-(2**31), 2**31 - 1), st.sampled_from([0, 1, 5, 6, 7, -1, 2**31 - 1])
)
references = st.builds(
    lambda deu, n: personality_pb2.GenerationReference(deu=deu, generation=n),
    names,
    numbers,
)
QUESTIONS = st.one_of(
    st.builds(
        lambda deu, size, token: (
            "ListGenerations",
            lineage_pb2.ListGenerationsRequest(
                deu=deu, page_size=size, page_token=token
            ),
        ),
        names,
        numbers,
        st.one_of(st.text(max_size=12), st.sampled_from(["", "1", "999999999"])),
    ),
    st.builds(
        lambda one, limit: (
            "GetGeneration",
            lineage_pb2.GetGenerationRequest(generation=one, ancestor_limit=limit),
        ),
        references,
        numbers,
    ),
    st.builds(
        lambda one, other: (
            "DiffGenerations",
            lineage_pb2.DiffGenerationsRequest(before=one, after=other),
        ),
        references,
        references,
    ),
    st.builds(
        lambda one: ("CheckOut", lineage_pb2.CheckOutRequest(generation=one)),
        references,
    ),
    st.builds(
        lambda deu, keep, branches: (
            "Prune",
            lineage_pb2.PruneRequest(
                deu=deu, keep_count=keep, branches=branches, dry_run=True
            ),
        ),
        names,
        numbers,
        st.booleans(),
    ),
)


def test_nonsense_ends_in_a_status_and_changes_no_file(home, tale, caplog):
    gathered = []

    @settings(
        max_examples=150,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(QUESTIONS)
    def gather(question):
        gathered.append(question)

    gather()

    async def body(stub, _):
        codes = set()
        for method, request in gathered:
            try:
                await getattr(stub, method)(request)
                codes.add(Code.OK)
            except grpc.aio.AioRpcError as error:
                codes.add(error.code())
        return codes

    codes = ask(home, body)
    assert {Code.OK, Code.INVALID_ARGUMENT, Code.NOT_FOUND} <= codes
    assert not codes & {Code.INTERNAL, Code.UNKNOWN}
    assert not [r for r in caplog.records if "fault" in r.message]
    assert tale.deu.generations() == [1, 2, 3, 4, 5, 6]
    assert {path.name for path in home.path.parent.iterdir()} == {"home"}
