import asyncio
import time

import aiohttp
import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_status import rpc_status

from amadeus.errors import ConfigError, HomeError
from amadeus.home import Home
from amadeus.v1 import perform_pb2, studio_pb2, studio_pb2_grpc
from serving.studio.config import StudioConfig
from serving.studio.server import SERVICES, Studio
from tests.serving.studio.stand_in import (
    StandInRooms,
    channel_to,
    list_personalities,
    opener,
    studio_of,
)
from tests.serving.studio.test_metrics import read

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def config(**settings):
    return StudioConfig(
        port=0,
        metrics_port=settings.pop("metrics_port", None),
        model_server_port=None,
        model_server_rest_port=None,
        **settings,
    )


def reason_of(error):
    info = error_details_pb2.ErrorInfo()
    assert rpc_status.from_call(error).details[0].Unpack(info)
    return info.reason


async def check(channel, service=""):
    stub = health_pb2_grpc.HealthStub(channel)
    request = health_pb2.HealthCheckRequest(service=service)
    return (await stub.Check(request, timeout=20)).status


async def _http_health(studio):
    url = f"http://{studio.metrics_address}/health"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status


def test_a_studio_that_plays_is_healthy_in_all_its_services(home):
    async def ask():
        async with studio_of(config(), home) as studio, channel_to(studio) as channel:
            assert (await list_personalities(channel)).next_page_token == "here"
            return [await check(channel, name) for name in ("", *SERVICES)]

    assert asyncio.run(ask()) == [SERVING] * (1 + len(SERVICES))


def test_a_studio_that_loads_its_models_says_so(home):
    async def ask():
        loaded = asyncio.Event()

        async def open_slowly(_config, _home, metrics):
            await loaded.wait()
            return StandInRooms(metrics)

        studio = Studio(config(), home, open_rooms=open_slowly)
        starting = asyncio.create_task(studio.start())
        while not studio.port:
            await asyncio.sleep(0.01)
        async with channel_to(studio) as channel:
            before = await check(channel), await check(channel, SERVICES[0])
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await list_personalities(channel)
            loaded.set()
            await starting
            after = await check(channel)
            await list_personalities(channel)
        await studio.stop()
        return before, caught.value, after

    before, error, after = asyncio.run(ask())
    assert before == (NOT_SERVING, NOT_SERVING)
    assert error.code() == grpc.StatusCode.UNAVAILABLE
    assert reason_of(error) == "STUDIO_STARTING"
    assert after == SERVING


@pytest.mark.parametrize(
    "method",
    [
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    ],
)
def test_reflection_lists_the_services_and_describes_them(home, method):
    async def ask():
        async with studio_of(config(), home) as studio, channel_to(studio) as channel:
            call = channel.stream_stream(
                method,
                request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
                response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
            )
            requests = [
                reflection_pb2.ServerReflectionRequest(list_services=""),
                reflection_pb2.ServerReflectionRequest(
                    file_containing_symbol="amadeus.v1.Studio"
                ),
            ]
            return [answer async for answer in call(iter(requests))]

    listed, described = asyncio.run(ask())
    names = {service.name for service in listed.list_services_response.service}
    assert names >= {*SERVICES, "grpc.health.v1.Health"}
    assert set(SERVICES) == {
        "amadeus.v1.Studio",
        "amadeus.v1.PracticeSessions",
        "amadeus.v1.Personalities",
        "amadeus.v1.Lineages",
    }
    assert any(
        b"amadeus/v1/studio.proto" in file
        for file in described.file_descriptor_response.file_descriptor_proto
    )


async def _perform(channel, n_requests=1):
    call = studio_pb2_grpc.StudioStub(channel).Perform()
    for _ in range(n_requests):
        await call.write(perform_pb2.PerformRequest())
    await call.read()  # started
    return call


async def _rest(call):
    kinds = []
    while (response := await call.read()) is not grpc.aio.EOF:
        kinds.append(response.WhichOneof("message"))
    return kinds


def test_performances_end_cleanly_and_new_calls_are_refused_when_the_studio_stops(home):
    async def stop():
        rooms = []
        studio = Studio(config(), home, open_rooms=opener(rooms))
        await studio.start()
        async with channel_to(studio) as channel:
            call = await _perform(channel)
            watch = health_pb2_grpc.HealthStub(channel).Watch(
                health_pb2.HealthCheckRequest()
            )
            states = [(await watch.read()).status]
            start = time.monotonic()
            stopping = asyncio.create_task(studio.stop(20))
            states.append((await watch.read()).status)
            rest = await _rest(call)
            code = await call.code()
            await stopping
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await list_personalities(channel)
        return rooms[0], states, rest, code, caught.value, time.monotonic() - start

    rooms, states, rest, code, error, took_s = asyncio.run(stop())
    assert states == [SERVING, NOT_SERVING]
    assert rest == ["audio", "ended"]
    assert code == grpc.StatusCode.OK
    assert error.code() == grpc.StatusCode.UNAVAILABLE
    assert rooms.closed
    assert rooms.drained_with_s == pytest.approx(20, abs=1)
    assert took_s < 5  # a watcher of health does not keep a studio from stopping


def test_a_stopping_studio_names_the_reason_while_it_still_plays(home):
    async def stop():
        settings = config(metrics_port=0)
        studio = Studio(settings, home, open_rooms=opener([], stubborn=True))
        await studio.start()
        async with channel_to(studio) as channel:
            call = await _perform(channel)
            assert await _http_health(studio) == 200
            stopping = asyncio.create_task(studio.stop(20))
            await asyncio.sleep(0.1)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await list_personalities(channel)
            health = await check(channel), await _http_health(studio)
            await call.write(perform_pb2.PerformRequest())
            await call.done_writing()
            rest = await _rest(call)
            await stopping
        return caught.value, health, rest

    error, health, rest = asyncio.run(stop())
    assert error.code() == grpc.StatusCode.UNAVAILABLE
    assert reason_of(error) == "STUDIO_STOPPING"
    assert health == (NOT_SERVING, 503)
    assert rest[-1] == "ended"


def test_what_does_not_end_in_time_is_cut_off(home):
    async def stop():
        rooms = []
        studio = Studio(config(), home, open_rooms=opener(rooms, stubborn=True))
        await studio.start()
        async with channel_to(studio) as channel:
            call = await _perform(channel)
            start = time.monotonic()
            await studio.stop(0.5)
            took_s = time.monotonic() - start
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await _rest(call)
        return rooms[0].closed, took_s, caught.value.code()

    closed, took_s, code = asyncio.run(stop())
    assert closed
    assert 0.5 <= took_s < 5
    assert code == grpc.StatusCode.UNAVAILABLE


def test_stopping_twice_is_stopping_once(home):
    async def stop():
        async with studio_of(config(), home) as studio:
            await asyncio.gather(studio.stop(), studio.stop())
            await studio.wait_closed()

    asyncio.run(stop())


def test_a_call_beyond_the_limit_is_refused_and_one_that_ended_makes_room(home):
    async def call_much():
        async with (
            studio_of(config(max_calls=2), home) as studio,
            channel_to(studio) as channel,
        ):
            calls = [await _perform(channel), await _perform(channel)]
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await list_personalities(channel)
            healthy = await check(channel)
            await calls[0].done_writing()
            await _rest(calls[0])
            await list_personalities(channel)
            calls[1].cancel()
        return caught.value, healthy

    error, healthy = asyncio.run(call_much())
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert reason_of(error) == "TOO_MANY_CALLS"
    assert "2 calls" in error.details()
    assert "--max-calls" in error.details()
    assert healthy == SERVING


def test_a_message_beyond_the_limit_is_refused(home):
    async def send(n_bytes):
        async with (
            studio_of(config(max_message_bytes=2 * 2**20), home) as studio,
            channel_to(studio) as channel,
        ):
            chunk = studio_pb2.ImportPersonalityRequest(chunk=bytes(n_bytes))
            stub = studio_pb2_grpc.PersonalitiesStub(channel)
            return await stub.ImportPersonality(iter([chunk]), timeout=20)

    assert asyncio.run(send(2**20)).already_held
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        asyncio.run(send(3 * 2**20))
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_taken_port_is_a_sentence_with_the_flag(home):
    async def take_twice():
        async with studio_of(config(), home) as first:
            taken = StudioConfig(
                port=first.port, metrics_port=None, model_server_port=None
            )
            second = Studio(taken, home, open_rooms=opener([]))
            with pytest.raises(ConfigError, match=f":{first.port} .*with --port"):
                await second.start()

    asyncio.run(take_twice())


def test_an_address_of_another_machine_is_a_sentence(home):
    strange = StudioConfig(
        host="203.0.113.7", port=8470, insecure=True, metrics_port=None
    )
    with pytest.raises(ConfigError, match=r"cannot listen on 203\.0\.113\.7:8470"):
        asyncio.run(Studio(strange, home, open_rooms=opener([])).start())


def test_a_home_that_cannot_be_written_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    studio_on_a_file = Home(tmp_path / "file" / "home")

    async def start():
        await Studio(config(), studio_on_a_file, open_rooms=opener([])).start()

    with pytest.raises(HomeError, match=r"cannot write .*/file/home: .*AMADEUS_HOME"):
        asyncio.run(start())


def test_rooms_that_cannot_open_leave_nothing_behind(home):
    async def fail():
        async def refuse(_config, _home, _metrics):
            raise ConfigError("no models here.")

        studio = Studio(config(metrics_port=0), home, open_rooms=refuse)
        with pytest.raises(ConfigError, match="no models here"):
            await studio.start()
        port = studio.port
        again = Studio(
            StudioConfig(port=port, metrics_port=None, model_server_port=None),
            home,
            open_rooms=opener([]),
        )
        await again.start()
        await again.stop(0)

    asyncio.run(fail())


def test_metrics_count_calls_performances_and_sessions(home):
    async def scrape():
        async with (
            studio_of(config(metrics_port=0), home) as studio,
            channel_to(studio) as channel,
            aiohttp.ClientSession() as session,
        ):
            call = await _perform(channel, n_requests=3)
            await list_personalities(channel)
            for _ in range(3):
                await call.read()
            with pytest.raises(grpc.aio.AioRpcError):
                await studio_pb2_grpc.PersonalitiesStub(channel).GetPersonality(
                    studio_pb2.GetPersonalityRequest()
                )
            with pytest.raises(grpc.aio.AioRpcError):
                await channel.unary_unary("/amadeus.v1.Studio/Invented")(b"")
            async with session.get(
                f"http://{studio.metrics_address}/metrics"
            ) as answer:
                text = await answer.text()
            call.cancel()
            return text

    samples = read(asyncio.run(scrape()))
    listing = ("method", "/amadeus.v1.Personalities/ListPersonalities")
    performing = ("method", "/amadeus.v1.Studio/Perform")
    getting = ("method", "/amadeus.v1.Personalities/GetPersonality")
    assert samples["amadeus_calls_total", ("code", "OK"), listing] == 1
    assert samples["amadeus_call_seconds_count", listing] == 1
    assert samples["amadeus_calls_open", performing] == 1
    assert samples["amadeus_performances_open",] == 1
    assert samples["amadeus_blocks_total",] == 3
    assert samples["amadeus_practice_sessions", ("state", "queued")] == 2
    assert samples["amadeus_calls_total", ("code", "UNIMPLEMENTED"), getting] == 1
    assert (
        samples["amadeus_calls_total", ("code", "UNIMPLEMENTED"), ("method", "unknown")]
        == 1
    )
    assert not any("Invented" in str(key) for key in samples)


def test_calls_that_were_left_or_ran_out_of_time_are_counted_as_such(home):
    async def leave():
        async with (
            studio_of(config(metrics_port=0), home, stubborn=True) as studio,
            channel_to(studio) as channel,
            aiohttp.ClientSession() as session,
        ):
            stub = studio_pb2_grpc.StudioStub(channel)
            late = stub.Perform(timeout=0.3)
            await late.write(perform_pb2.PerformRequest())
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await _rest(late)
            left = await _perform(channel)
            left.cancel()
            url = f"http://{studio.metrics_address}/metrics"
            while True:  # until the studio has noticed, too
                samples = read(await (await session.get(url)).text())
                if samples["amadeus_calls_open", performing] == 0:
                    return caught.value.code(), samples
                await asyncio.sleep(0.01)

    performing = ("method", "/amadeus.v1.Studio/Perform")
    code, samples = asyncio.run(asyncio.wait_for(leave(), 30))
    assert code == grpc.StatusCode.DEADLINE_EXCEEDED
    for name in ("DEADLINE_EXCEEDED", "CANCELLED"):
        assert samples["amadeus_calls_total", ("code", name), performing] == 1


def test_two_studios_in_one_process_share_nothing(home):
    async def call_both():
        async with (
            studio_of(config(max_calls=1), home) as one,
            studio_of(config(max_calls=1), home) as other,
            channel_to(one) as channel_to_one,
            channel_to(other) as channel_to_other,
        ):
            assert one.port != other.port
            await _perform(channel_to_one)
            await list_personalities(channel_to_other)

    asyncio.run(call_both())
