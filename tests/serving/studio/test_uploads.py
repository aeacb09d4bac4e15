"""Recordings on their way up: broken off and gone on with, misplaced, damaged, too many, strangely named."""

import asyncio
import contextlib
import hashlib

import grpc
import pytest

from amadeus.v1 import session_pb2
from serving.studio.practice_limits import PracticeLimits
from serving.studio.recordings import display_name, known_suffix
from tests.serving.studio.practising import (
    PATIENCE_S,
    States,
    configure,
    hold,
    reason_of,
    studio,
)

CONTENTS = [bytes(range(256)) * 1000, b"second" * 100]


@contextlib.asynccontextmanager
async def refused(code, text, reason="", **metadata):
    with pytest.raises(grpc.aio.AioRpcError, match=text) as raised:
        yield
    assert raised.value.code() == code
    assert reason_of(raised.value)[0] == reason
    assert metadata.items() <= reason_of(raised.value)[1].items()


def parts(home):
    return {p.name: p.stat().st_size for p in home.sessions_path.glob("*/parts/*")}


def test_an_upload_goes_on_where_it_broke_off(home):
    async def run():
        asked = configure(CONTENTS, session_id="my-lesson")
        async with studio(home) as client:
            async with client.attached(asked) as conversation:
                assert list(conversation.session.held_byte_counts) == [0, 0]
                await conversation.chunk(0, 0, CONTENTS[0][:70_000])
                await conversation.chunk(1, 0, CONTENTS[1][:5])
                while parts(home) != {"0": 70_000, "1": 5}:
                    await asyncio.sleep(0.02)
            again = await client.practise(asked, CONTENTS)
            assert list(again.sessions[0].held_byte_counts) == [70_000, 5]
            assert again.session.state == States.STATE_SUCCEEDED

    asyncio.run(run())


def test_recordings_arrive_as_they_were(home):
    async def run():
        async with studio(home) as client:
            await client.practise(configure(CONTENTS), CONTENTS)

    asyncio.run(run())
    for content in CONTENTS:
        digest = hashlib.sha256(content).hexdigest()
        assert (home.recordings_path / digest).read_bytes() == content
    assert parts(home) == {}


def test_the_same_recording_is_sent_and_kept_once(home):
    async def run():
        async with studio(home) as client:
            await client.practise(configure(CONTENTS), CONTENTS)
            names = ["another name.flac", "b.ogg"]
            asked = configure(CONTENTS, names=names, deu="viola")
            async with client.attached(asked) as conversation:
                held = list(conversation.session.held_byte_counts)
                assert held == [len(content) for content in CONTENTS]
                await conversation.read_all()
                assert conversation.session.state == States.STATE_SUCCEEDED

    asyncio.run(run())
    inodes = {path.stat().st_ino for path in home.recordings_path.iterdir()}
    assert len(inodes) == len(CONTENTS)


def test_what_another_session_brings_meanwhile_need_not_be_refused(home):
    contents = [*CONTENTS, b"third" * 10]
    asked = configure(contents, deu="viola")

    async def run():
        async with studio(home) as client, client.attached(asked) as slow:
            await slow.chunk(0, 0, contents[0][:1000])
            await client.practise(configure(CONTENTS), CONTENTS)
            await slow.chunk(0, 1000, contents[0][1000:2000])
            await slow.chunk(2, 0, contents[2])
            await slow.read_all()
            assert slow.session.state == States.STATE_SUCCEEDED

    asyncio.run(run())


def test_a_chunk_at_another_place_is_refused_with_what_is_held(home):
    async def run():
        async with (
            studio(home) as client,
            client.attached(configure(CONTENTS)) as conversation,
        ):
            await conversation.chunk(0, 0, b"x" * 100)
            await conversation.chunk(0, 99, b"y" * 100)
            async with refused(
                grpc.StatusCode.FAILED_PRECONDITION,
                "begins at byte 99, and 100 are held",
                "CHUNK_MISPLACED",
                recording="0",
                held_byte_count="100",
            ):
                await conversation.read_all()

    asyncio.run(run())
    assert parts(home) == {"0": 100}


def test_a_recording_that_arrives_damaged_is_dropped_and_can_be_sent_again(home):
    damaged = [b"!" + CONTENTS[0][1:], CONTENTS[1]]

    async def run():
        asked = configure(CONTENTS, session_id="damaged")
        async with studio(home) as client:
            async with refused(
                grpc.StatusCode.DATA_LOSS,
                r"'take 0\.wav' arrived with another SHA-256",
                "CHECKSUM_MISMATCH",
                recording="0",
            ):
                await client.practise(asked, damaged)
            again = await client.practise(asked, CONTENTS)
            assert again.sessions[0].held_byte_counts[0] == 0
            assert again.session.state == States.STATE_SUCCEEDED

    asyncio.run(run())


@pytest.mark.parametrize(
    ("chunk", "sentence"),
    [
        ((2, 0, b"x"), "is of recording 2, and the session has 2"),
        ((-1, 0, b"x"), "is of recording -1"),
        ((0, 0, b""), "has 0 bytes"),
        ((1, 0, b"x" * 601), "beyond the 600 bytes declared"),
        ((0, 0, b"x" * ((1 << 20) + 1)), "send 1 to 1048576"),
    ],
)
def test_a_chunk_that_is_none_is_refused(home, chunk, sentence):
    async def run():
        async with (
            studio(home) as client,
            client.attached(configure(CONTENTS)) as conversation,
        ):
            await conversation.chunk(*chunk)
            async with refused(grpc.StatusCode.INVALID_ARGUMENT, sentence):
                await conversation.read_all()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"recordings": []}, "declares no recordings"),
        ({"recordings": [{"name": "a", "byte_size": 0}]}, "0 bytes: give its size"),
        ({"recordings": [{"name": "a", "byte_size": -5}]}, "-5 bytes"),
        ({"recordings": [{"name": "a", "byte_size": 9, "sha256": "../x"}]}, "SHA-256"),
        ({"deu": "../cello"}, "cannot name a deu"),
        ({"deu": ""}, "cannot name a deu"),
        ({"session_id": "../x"}, "cannot name a session"),
        ({"session_id": "x" * 65}, "cannot name a session"),
        ({"session_id": ".lock"}, "cannot name a session"),
        ({"learner_profile": {"batch_size": -1}}, "out of range"),
        ({"learner_profile": {"frame_rate": 300}}, "does not divide"),
    ],
)
def test_a_configuration_that_cannot_work_makes_no_session(home, fields, sentence):
    asked = configure(CONTENTS)
    for name, value in fields.items():
        asked.ClearField(name)
        asked.MergeFrom(session_pb2.PracticeConfiguration(**{name: value}))

    async def run():
        async with studio(home) as client:
            async with refused(grpc.StatusCode.INVALID_ARGUMENT, sentence):
                await client.practise(asked, [])
            assert not (await client.list()).sessions

    asyncio.run(run())
    assert home.deus() == []


def test_the_first_message_is_the_configuration_and_no_other_is(home):
    chunk = session_pb2.PracticeRequest(chunk={"data": b"x"})

    async def run():
        async with studio(home) as client:
            call = client.studio.Practice(iter([chunk]))
            async with refused(
                grpc.StatusCode.INVALID_ARGUMENT, "first message is no configuration"
            ):
                await call.read()
            async with client.attached(configure(CONTENTS)) as conversation:
                again = session_pb2.PracticeRequest(configuration=configure(CONTENTS))
                await conversation.call.write(again)
                async with refused(grpc.StatusCode.INVALID_ARGUMENT, "only that"):
                    await conversation.read_all()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        ({"recordings": 1}, "2 recordings are more than the 1"),
        ({"recording_bytes": 255_999}, r"recording 0 \('take 0\.wav'\) has 0 MB"),
        ({"session_bytes": 256_599}, "this studio takes 0 MB in a session"),
        ({"training_steps": 0}, "step_count=1 is more"),
    ],
)
def test_too_much_is_refused_before_a_byte_is_sent(home, limits, sentence):
    async def run():
        async with (
            studio(home, PracticeLimits(**limits)) as client,
            refused(grpc.StatusCode.RESOURCE_EXHAUSTED, sentence),
        ):
            await client.practise(configure(CONTENTS), [])

    asyncio.run(run())


@pytest.mark.parametrize(
    ("limits", "deu", "sentence"),
    [
        ({"sessions_per_deu": 2}, "cello", "2 sessions of deu 'cello' are open"),
        ({"queued": 2}, "viola", "2 sessions send recordings or wait"),
        ({"sessions": 2}, "viola", "2 sessions are open"),
    ],
)
def test_too_many_sessions_are_refused_until_one_is_over(home, limits, deu, sentence):
    async def run():
        async with studio(home, PracticeLimits(**limits)) as client:
            ids = []
            for _ in range(2):
                async with client.attached(configure(CONTENTS)) as conversation:
                    ids.append(conversation.session.session_id)
            async with refused(
                grpc.StatusCode.RESOURCE_EXHAUSTED, sentence, "SESSIONS_FULL"
            ):
                await client.practise(configure(CONTENTS, deu=deu), [])
            await client.cancel(ids[0])
            async with client.attached(configure(CONTENTS, deu=deu)) as conversation:
                assert conversation.session.state == States.STATE_UPLOADING

    asyncio.run(run())


def test_too_many_clients_are_refused_while_sessions_go_on(home):
    async def run():
        async with (
            studio(home, PracticeLimits(streams=1)) as client,
            client.attached(configure(CONTENTS)),
        ):
            async with refused(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "1 clients are attached",
                "STREAMS_FULL",
            ):
                await client.practise(configure(CONTENTS), [])
            assert len((await client.list()).sessions) == 1

    asyncio.run(run())


def test_an_upload_that_nobody_finishes_is_given_up(home):
    async def run():
        limits = PracticeLimits(upload_idle_s=0.4)
        async with (
            studio(home, limits) as client,
            client.attached(configure(CONTENTS)) as conversation,
        ):
            await conversation.chunk(0, 0, b"x" * 100)
            await conversation.read_all()
            assert conversation.session.state == States.STATE_FAILED
            assert "its upload was given up" in conversation.session.failure

    asyncio.run(run())
    assert parts(home) == {}


def test_what_is_over_is_forgotten_in_time(home):
    async def run():
        limits = PracticeLimits(keep_s=0.5)
        async with studio(home, limits) as client:
            done = await client.practise(configure(CONTENTS), CONTENTS)
            assert done.session.state == States.STATE_SUCCEEDED
            while (await client.list()).sessions:
                await asyncio.sleep(0.05)
            while any(home.recordings_path.iterdir()):
                await asyncio.sleep(0.05)
            assert len(home.deu("cello").practices()) == 1

    asyncio.run(asyncio.wait_for(run(), 20))


@pytest.mark.parametrize("is_damaged", [False, True])
def test_a_recording_whose_last_byte_came_before_a_kill_is_kept(home, is_damaged):
    content = CONTENTS[0]
    asked = configure([content], session_id="mine")

    async def run():
        async with studio(home) as client:
            async with client.attached(asked):
                pass
            part = home.sessions_path / "mine" / "parts" / "0"
            part.write_bytes(b"!" * len(content) if is_damaged else content)
            done = await client.practise(asked, [content])
            held = done.sessions[0].held_byte_counts[0]
            assert held == (0 if is_damaged else len(content))
            assert done.session.state == States.STATE_SUCCEEDED

    asyncio.run(run())


def test_two_connections_to_one_session_do_not_mix_its_bytes(home):
    content = bytes(range(256)) * 4096  # 1 MiB
    asked = configure([content], session_id="both")

    async def send(client):
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            await client.practise(asked, [content])

    async def is_there(client):
        with contextlib.suppress(grpc.aio.AioRpcError):  # no session yet
            return (await client.get("both")).held_byte_counts[0] == len(content)
        return False

    async def run():
        hold(home)
        async with studio(home) as client:
            senders = [asyncio.create_task(send(client)) for _ in range(3)]
            while not await is_there(client):
                await asyncio.sleep(0.1)
                if all(sender.done() for sender in senders):
                    # Those that were in the way of each other come again.
                    senders.append(asyncio.create_task(send(client)))
            for sender in senders:
                sender.cancel()
            await client.wait_for("both", States.STATE_RUNNING)

    asyncio.run(asyncio.wait_for(run(), PATIENCE_S))


HOSTILE = [
    "../../../etc/passwd",
    "/etc/passwd",
    "..",
    ".",
    "",
    "a/b\\c.wav",
    "x\x00y.wav",
    "line\nbreak.wav",
    "\u202egnp.wav",
    "con.wav",
    "-rf",
    "$(reboot).wav",
    "日本語のうた.flac",
    "عود.ogg",
    "नमस्ते.mp3",
    "é" * 500 + ".wav",
    "take.exe",
    "take.WAV",
    "{0.__class__}.wav",
    "%s%n.wav",
]


def test_names_of_strangers_make_no_paths(home):
    contents = [f"content {n}".encode() for n in range(len(HOSTILE))]
    before = {path for path in home.path.parent.rglob("*")}

    async def run():
        async with studio(home) as client:
            asked = configure(contents, names=HOSTILE)
            done = await client.practise(asked, contents)
            assert done.session.state == States.STATE_SUCCEEDED

    asyncio.run(run())
    made = {path for path in home.path.parent.rglob("*")} - before
    assert all(path == home.path or home.path in path.parents for path in made)
    names = {path.name for path in home.recordings_path.iterdir()}
    digests = {hashlib.sha256(content).hexdigest() for content in contents}
    assert {name[:64] for name in names} == digests
    endings = {name[64:] for name in names}
    assert endings == {"", ".wav", ".flac", ".ogg", ".mp3"}


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../../etc/passwd", "passwd"),
        ("a/b\\c.wav", "c.wav"),
        ("..", "recording 3"),
        ("", "recording 3"),
        ("folder/", "folder"),
        ("x\x00y\n.wav", "xy.wav"),
        ("\u202egnp.wav", "gnp.wav"),
        ("日本語のうた.flac", "日本語のうた.flac"),
        ("e\u0301tude.wav", "étude.wav"),
        (
            "\u0645\u06cc\u200c\u0631\u0648\u0645.wav",
            "\u0645\u06cc\u200c\u0631\u0648\u0645.wav",
        ),
    ],
)
def test_names_are_made_fit_to_be_shown(name, shown):
    assert display_name(name, 2) == shown


def test_a_long_name_keeps_its_ending():
    shown = display_name("é" * 500 + ".flac", 0)
    assert len(shown) <= 200
    assert known_suffix(shown) == ".flac"


@pytest.mark.parametrize("name", ["x.exe", "x", "x.wav.sh", ".wav", "x.wav/../y"])
def test_only_endings_of_sound_files_are_kept(name):
    assert known_suffix(name) == ""
