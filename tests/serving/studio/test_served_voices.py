"""Real voices, sung by the embedded model server, directly and through its own protocol."""

import asyncio
import contextlib
import time

import grpc
import numpy as np
import pytest

from amadeus.home import open_home
from amadeus.live.notes import Frames
from amadeus.v1 import perform_pb2, personality_pb2
from amadeus.voice.model import Timbre
from amadeus.voice.player import Voice
from benchmarks.measures import studios
from serving.model_server.config import home_models
from serving.model_server.core import ModelServer
from serving.model_server.grpc_service import GrpcServer
from serving.studio.remote import RemoteCaller
from serving.studio.status import StatusError
from serving.studio.voices import EmbeddedCaller, HomeVoices
from tests.serving.studio.stage import Heard, RunningStage, advance, configure, midi

TINY = ("preset=tiny", "reverb_duration_s=0.1")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    path = tmp_path_factory.mktemp("home")
    studios.add_voice(path, "cello", TINY)
    return open_home(str(path))


@pytest.fixture(scope="module")
def server(home):
    server = ModelServer(discover=lambda: home_models(home))
    server.start()
    assert server.wait_until_settled(120)
    yield server
    server.close()


@pytest.fixture(scope="module", params=["embedded", "remote"])
def voices(request, home, server):
    with contextlib.ExitStack() as stack:
        if request.param == "embedded":
            caller = EmbeddedCaller(server)
        else:
            caller = RemoteCaller(stack.enter_context(listening(server)))
        voices = HomeVoices(home, caller)
        stack.callback(voices.close)
        yield voices


@contextlib.contextmanager
def listening(server):
    """The model server on a port, in a loop of its own."""
    import threading

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    listener = GrpcServer(server, port=0)
    asyncio.run_coroutine_threadsafe(listener.start(), loop).result(30)
    yield f"127.0.0.1:{listener.port}"
    asyncio.run_coroutine_threadsafe(listener.stop(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


def current(deu="cello", generation=0):
    named = personality_pb2.GenerationReference(deu=deu, generation=generation)
    return personality_pb2.PersonalityReference(generation=named)


@pytest.mark.parametrize("n_frames", [1, 7])
def test_a_served_voice_sings_as_the_voice_itself(voices, home, n_frames, rng):
    singer = voices.acquire(current())
    voice = Voice.load(home.deu("cello").voice_path())
    f0_hz = rng.uniform(100, 400, (3, n_frames)).astype(np.float32)
    loudness_db = rng.uniform(-40, -10, (3, n_frames)).astype(np.float32)
    bends = rng.uniform(-1, 1, (3, 3, n_frames)).astype(np.float32)
    state = np.zeros((3, singer.state_size), np.float32)
    sung = singer.sing(Frames(f0_hz, loudness_db, *bends), state)
    wanted = voice.perform(f0_hz, loudness_db, timbre=Timbre(*bends))
    np.testing.assert_allclose(sung.audio, wanted.audio, atol=1e-5)
    np.testing.assert_allclose(sung.state, wanted.state, atol=1e-4)
    singer.release()
    singer.release()  # letting go twice harms nobody


def test_who_sings_is_known_without_the_network(voices, home):
    singer = voices.acquire(current())
    voice = Voice.load(home.deu("cello").voice_path())
    assert singer.state_size == voice.state_size
    assert singer.spec == voice.spec
    assert len(singer.impulse_response) == 1_600
    assert singer.personality.deu == "cello"
    singer.release()


def test_a_voice_is_found_by_its_digest(voices):
    by_name = voices.acquire(current())
    digest = by_name.personality.digest
    reference = personality_pb2.PersonalityReference(digest=digest)
    by_digest = voices.acquire(reference)
    assert by_digest.personality == by_name.personality
    assert by_digest.identity == by_name.identity
    by_name.release()
    by_digest.release()


@pytest.mark.parametrize(
    ("reference", "code"),
    [
        (current("viola"), grpc.StatusCode.NOT_FOUND),
        (current(generation=9), grpc.StatusCode.NOT_FOUND),
        (current("../cello"), grpc.StatusCode.NOT_FOUND),
        (
            personality_pb2.PersonalityReference(digest="sha256:" + "0" * 64),
            grpc.StatusCode.NOT_FOUND,
        ),
        (personality_pb2.PersonalityReference(), grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
def test_who_is_not_here_is_a_status(voices, reference, code):
    with pytest.raises(StatusError) as raised:
        voices.acquire(reference)
    assert raised.value.code == code
    if code == grpc.StatusCode.NOT_FOUND:
        assert raised.value.reason == "PERSONALITY_NOT_HELD"


def test_a_performance_with_a_real_voice(voices):
    with RunningStage(voices) as stage:
        requests = [
            configure("cello", block_size=256),
            *(midi(0x90, key, 100, at=0) for key in (48, 55, 60)),
            *(midi(0x80, key, 64, at=24_000) for key in (48, 55, 60)),
            advance(48_000),
        ]
        heard = Heard(stage.stub.Perform(iter(requests)))
    assert heard.ended.note_count == 3
    assert 1e-3 < np.abs(heard.sound[4_800:24_000]).max() <= 1.0
    assert np.isfinite(heard.sound).all()


def test_a_new_generation_on_disk_takes_over_without_a_click(home, server):
    voices = HomeVoices(home, EmbeddedCaller(server))
    studio = perform_pb2.PERFORM_CLOCK_STUDIO
    with RunningStage(voices) as stage:
        import queue

        requests = queue.SimpleQueue()
        requests.put(configure("cello", clock=studio, block_size=480))
        requests.put(midi(0x90, 48, 100))
        heard = Heard([])
        swapped = False
        for response in stage.stub.Perform(iter(requests.get, None)):
            heard.take(response)
            if len(heard.blocks) == 50:
                studios.add_copy(home.deu("cello").voice_path(1))
                deadline_s = time.monotonic() + 30
            if "KIND_PERSONALITY_CHANGED" in heard.kinds and not swapped:
                swapped = True
                requests.put(midi(0x90, 52, 100))
                requests.put(midi(0x80, 48, 64))
                requests.put(None)
            assert len(heard.blocks) < 50 or time.monotonic() < deadline_s
    assert heard.ended.note_count == 2
    jumps = np.abs(np.diff(heard.sound))
    assert jumps.max() < 4 * np.percentile(jumps[jumps > 0], 99)


def test_an_older_generation_that_is_pointed_to_takes_over(home, server):
    deu = home.deu("cello")
    deu.point_to(1)
    voices = HomeVoices(home, EmbeddedCaller(server))
    assert voices.current("cello") == 1
    singer = voices.acquire(current())
    assert singer.personality.generation == 1
    singer.release()
    deadline_s = time.monotonic() + 30
    while server.available()["cello"] != [1]:
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    (deu.path / "current").unlink()
