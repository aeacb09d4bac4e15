"""Personalities over a real connection; two studios that share nothing."""

import asyncio
import contextlib
import io
import shutil

import grpc
import grpc.aio
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from amadeus.home import Home
from amadeus.personality import holding
from amadeus.personality.bundle import write_bundle
from amadeus.personality.content import write_personality
from amadeus.v1 import personality_pb2, studio_pb2, studio_pb2_grpc
from serving.studio.checking import Checker
from serving.studio.personalities import (
    CHUNK_BYTES,
    MAX_CHUNK_BYTES,
    PersonalitiesServicer,
    PersonalityLimits,
)
from serving.studio.status import StatusInterceptor
from tests.export.voices import SMALL, write_voice
from tests.personality.forging import contents, forge, rewritten

Code = grpc.StatusCode


@pytest.fixture(scope="session")
def bundle_bytes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle")
    write_bundle(write_voice(folder / "1", **SMALL), folder / "cello.deu")
    return (folder / "cello.deu").read_bytes()


@pytest.fixture
def here(tmp_path, bundle_bytes):
    """A home that holds the voice."""
    home = Home(tmp_path / "here")
    holding.hold(home, io.BytesIO(bundle_bytes))
    return home


@pytest.fixture
def there(tmp_path):
    """A home that holds nothing yet."""
    return Home(tmp_path / "there")


@pytest.fixture
def many(tmp_path):
    """A home of three deus with generations in name only."""
    home = Home(tmp_path / "many")
    for name, n_generations in (("alto", 3), ("bass", 0), ("cello", 2)):
        deu = home.create_deu(name)
        for generation in range(1, n_generations + 1):
            lay_down(deu, generation)
    return home


def lay_down(deu, generation):
    write_personality(
        deu.voices_path / str(generation),
        personality_pb2.Personality(
            deu=deu.name,
            generation=generation,
            digest=f"sha256:{deu.name}{generation}",
        ),
    )


CHECKER = Checker(timeout_s=120)  # one for all, since it takes seconds to start


@pytest.fixture(scope="module", autouse=True)
def checker():
    yield
    CHECKER.close()


@contextlib.asynccontextmanager
async def studio_of(home, **limits):
    server = grpc.aio.server(interceptors=[StatusInterceptor()])
    servicer = PersonalitiesServicer(home, PersonalityLimits(**limits), CHECKER)
    studio_pb2_grpc.add_PersonalitiesServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield studio_pb2_grpc.PersonalitiesStub(channel)
    finally:
        await server.stop(1)


def ask(home, question, **limits):
    """Puts a question to a studio of a home, and returns the answer."""

    async def run():
        async with studio_of(home, **limits) as studio:
            return await asyncio.wait_for(question(studio), 60)

    return asyncio.run(run())


def refuse(home, question, code, text, reason="", **limits):
    with pytest.raises(grpc.aio.AioRpcError, match=text) as caught:
        ask(home, question, **limits)
    assert caught.value.code() == code
    details = rpc_status.from_call(caught.value).details
    info = error_details_pb2.ErrorInfo()
    if reason:
        assert details[0].Unpack(info)
    assert info.reason == reason
    return dict(info.metadata)


def sending(bundle, deu="", size=CHUNK_BYTES):
    """A question that brings a bundle."""

    def requests():
        for start in range(0, len(bundle), size):
            yield studio_pb2.ImportPersonalityRequest(
                chunk=bundle[start : start + size], deu=deu
            )

    return lambda studio: studio.ImportPersonality(requests())


def by_digest(digest):
    return personality_pb2.PersonalityReference(digest=digest)


def by_number(deu, generation=0):
    return personality_pb2.PersonalityReference(
        generation=personality_pb2.GenerationReference(deu=deu, generation=generation)
    )


def getting(reference):
    request = studio_pb2.GetPersonalityRequest(personality=reference)
    return lambda studio: studio.GetPersonality(request)


def fetching(reference):
    request = studio_pb2.ExportPersonalityRequest(personality=reference)

    async def fetch(studio):
        return [part.chunk async for part in studio.ExportPersonality(request)]

    return fetch


def listing(**fields):
    request = studio_pb2.ListPersonalitiesRequest(**fields)
    return lambda studio: studio.ListPersonalities(request)


def names(response):
    return [f"{p.deu}/{p.generation}" for p in response.personalities]


def test_a_voice_travels_from_studio_to_studio(here, there, bundle_bytes):
    digest = ask(here, getting(by_number("cello"))).digest
    chunks = ask(here, fetching(by_digest(digest)))
    assert {len(chunk) for chunk in chunks[:-1]} <= {CHUNK_BYTES}
    assert b"".join(chunks) == bundle_bytes
    refuse(
        there,
        getting(by_digest(digest)),
        Code.NOT_FOUND,
        "bring it by ImportPersonality",
        "PERSONALITY_NOT_HELD",
    )
    response = ask(there, sending(b"".join(chunks)))
    assert not response.already_held
    assert (response.personality.deu, response.personality.generation) == ("cello", 1)
    assert response.personality.digest == digest
    assert ask(there, getting(by_digest(digest))) == response.personality
    assert b"".join(ask(there, fetching(by_number("cello", 1)))) == bundle_bytes
    again = ask(there, sending(bundle_bytes))
    assert (again.already_held, again.personality) == (True, response.personality)
    as_viola = ask(there, sending(bundle_bytes, deu="viola", size=10_000))
    assert (as_viola.already_held, as_viola.personality.deu) == (False, "viola")
    assert names(ask(there, listing())) == ["cello/1", "viola/1"]


def test_a_voice_that_travelled_plays(there, bundle_bytes):
    from amadeus.voice.player import Voice

    ask(there, sending(bundle_bytes))
    voice = Voice.load(there.deu("cello").voice_path())
    assert abs(voice.render([220.0] * 20, [-20.0] * 20)).max() > 0


def test_pages_go_by_deu_with_the_newest_first(many):
    expected = ["alto/3", "alto/2", "alto/1", "cello/2", "cello/1"]
    assert names(ask(many, listing())) == expected
    assert names(ask(many, listing(deu="cello"))) == expected[3:]
    assert names(ask(many, listing(deu="bass"))) == []
    found, token = [], ""
    for n_left in (5, 3, 1):
        page = ask(many, listing(page_size=2, page_token=token))
        found += names(page)
        token = page.next_page_token
        assert bool(token) == (n_left > 2)
    assert found == expected


def test_pages_stay_in_step_when_a_generation_comes_between(many):
    page = ask(many, listing(page_size=2))
    lay_down(many.deu("alto"), 4)
    rest = ask(many, listing(page_token=page.next_page_token))
    assert names(page) + names(rest) == [
        *("alto/3", "alto/2", "alto/1", "cello/2", "cello/1"),
    ]


def test_pages_have_their_limits(many):
    assert len(names(ask(many, listing(), page_size=2))) == 2
    assert len(names(ask(many, listing(page_size=1000), max_page_size=3))) == 3
    refuse(many, listing(page_size=-1), Code.INVALID_ARGUMENT, "is below 0")
    for token in ("x", "alto/0", "../../x/1", "alto/1\n"):
        refuse(many, listing(page_token=token), Code.INVALID_ARGUMENT, "page_token")
    refuse(many, listing(deu="drum"), Code.NOT_FOUND, "no deu 'drum'")
    refuse(many, listing(deu="../x"), Code.INVALID_ARGUMENT, "cannot name a deu")


def test_damaged_generations_are_not_listed(many):
    path = many.deu("alto").voice_path(2) / "assets.extra" / "personality.json"
    path.write_text("{")
    assert names(ask(many, listing(deu="alto", page_size=2))) == ["alto/3", "alto/1"]
    refuse(many, getting(by_number("alto", 2)), Code.FAILED_PRECONDITION, "is damaged")


def test_references_name_one_personality(many):
    assert ask(many, getting(by_number("alto"))).generation == 3
    assert ask(many, getting(by_number("alto", 2))).digest == "sha256:alto2"
    assert ask(many, getting(by_digest("sha256:cello1"))).generation == 1
    told = refuse(
        many,
        getting(by_number("alto", 9)),
        Code.NOT_FOUND,
        "no generation 9",
        "PERSONALITY_NOT_HELD",
    )
    assert told == {"deu": "alto", "generation": "9"}
    for reference in (by_number("alto", -1), by_number("bass"), by_number("drum")):
        refuse(many, getting(reference), Code.NOT_FOUND, "deu", "PERSONALITY_NOT_HELD")
    refuse(many, getting(by_number("../x")), Code.INVALID_ARGUMENT, "cannot name")
    refuse(many, getting(None), Code.INVALID_ARGUMENT, "no personality is named")
    refuse(
        many,
        getting(by_digest("x" * 9_000)),
        Code.NOT_FOUND,
        "holds no",
        "PERSONALITY_NOT_HELD",
    )


def test_what_is_no_bundle_is_refused_with_a_reason(there, bundle_bytes):
    def evil(who):
        who["deu"] = "../evil"

    for bundle, text in (
        (b"", "it is too short"),
        (b"no bundle", "it is too short"),
        (bundle_bytes[:-1], "its end is missing"),
        (forge(rewritten(contents(bundle_bytes), evil)), "cannot name a deu"),
    ):
        refuse(there, sending(bundle), Code.INVALID_ARGUMENT, text, "BUNDLE_REFUSED")
    refuse(
        there, sending(bundle_bytes, deu="../x"), Code.INVALID_ARGUMENT, "cannot name"
    )
    assert there.deus() == []
    assert [path.name for path in there.path.rglob("*")] in ([], ["deus"])


def test_bundles_have_their_limits(there, bundle_bytes):
    refuse(
        there,
        sending(bundle_bytes, size=10_000),
        Code.RESOURCE_EXHAUSTED,
        "more than 20000 bytes",
        max_bundle_bytes=20_000,
    )
    refuse(
        there,
        sending(bundle_bytes),
        Code.RESOURCE_EXHAUSTED,
        "at most 20000 are taken",
        max_content_bytes=20_000,
    )
    refuse(
        there,
        sending(bytes(MAX_CHUNK_BYTES + 1), size=MAX_CHUNK_BYTES + 1),
        Code.INVALID_ARGUMENT,
        "a chunk has 1048577 bytes",
    )
    refuse(
        there,
        sending(bundle_bytes),
        Code.RESOURCE_EXHAUSTED,
        "try again soon",
        max_transfers=0,
    )


def test_a_client_that_stalls_is_let_go(there, bundle_bytes):
    async def stall(studio):
        call = studio.ImportPersonality()
        await call.write(studio_pb2.ImportPersonalityRequest(chunk=bundle_bytes[:100]))
        return await call

    refuse(
        there,
        stall,
        Code.DEADLINE_EXCEEDED,
        "no part of the bundle",
        idle_timeout_s=0.1,
    )


def test_a_client_that_leaves_gives_its_place_back(there, bundle_bytes):
    async def leave_then_send(studio):
        call = studio.ImportPersonality()
        await call.write(studio_pb2.ImportPersonalityRequest(chunk=bundle_bytes[:100]))
        call.cancel()
        while True:  # until the studio has noticed
            try:
                return await sending(bundle_bytes)(studio)
            except grpc.aio.AioRpcError as error:
                if error.code() != Code.RESOURCE_EXHAUSTED:
                    raise
                await asyncio.sleep(0.01)

    response = ask(there, leave_then_send, max_transfers=1)
    assert response.personality.generation == 1
    assert {path.name for path in there.path.iterdir()} == {"deus", "metadata.sqlite"}


def test_a_studio_that_stops_ends_its_check(there, bundle_bytes):
    async def stop():
        servicer = PersonalitiesServicer(there, checker=Checker(timeout_s=120))
        await servicer.close()  # nothing to end yet
        servicer._checker._running()
        process = servicer._checker._process
        await servicer.close()
        return process.returncode

    assert asyncio.run(stop()) == -9


def test_many_that_bring_the_same_hold_it_once(there, bundle_bytes):
    async def bring(studio):
        return await asyncio.gather(*(sending(bundle_bytes)(studio) for _ in range(4)))

    responses = ask(there, bring)
    assert sorted(r.already_held for r in responses) == [False, True, True, True]
    assert names(ask(there, listing())) == ["cello/1"]


def test_a_voice_that_was_changed_is_not_handed_out(here):
    path = here.deu("cello").voice_path()
    who = ask(here, getting(by_number("cello")))
    who.learner_profile.seed += 1
    write_personality(path, who)
    refuse(
        here,
        fetching(by_number("cello")),
        Code.FAILED_PRECONDITION,
        "its digest names",
    )
    shutil.rmtree(path / "variables")
    refuse(here, fetching(by_number("cello")), Code.FAILED_PRECONDITION, "is damaged")
