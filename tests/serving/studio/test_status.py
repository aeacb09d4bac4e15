import asyncio
import errno
import logging

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from amadeus import errors
from amadeus.v1 import perform_pb2, session_pb2, studio_pb2, studio_pb2_grpc
from serving.studio.status import (
    CODES,
    StatusError,
    StatusInterceptor,
    explain,
    refusal,
)

NOT_HELD = StatusError(
    grpc.StatusCode.NOT_FOUND,
    "this studio holds no personality 'cello': import it.",
    "PERSONALITY_NOT_HELD",
    {"digest": "abc"},
)


class Failing(studio_pb2_grpc.StudioServicer, studio_pb2_grpc.PersonalitiesServicer):
    """Fails in each of the four kinds of methods, with what it is told to."""

    def __init__(self, error):
        self.error = error
        self.closed = asyncio.Event()

    async def GetPersonality(self, request, context):  # unary, unary
        raise self.error

    async def ImportPersonality(self, requests, context):  # stream, unary
        async for _ in requests:
            raise self.error

    async def ExportPersonality(self, request, context):  # unary, stream
        yield studio_pb2.ExportPersonalityResponse(chunk=b"first")
        raise self.error

    async def Perform(self, requests, context):  # stream, stream
        try:
            async for _ in requests:
                yield perform_pb2.PerformResponse()
                if self.error:
                    raise self.error
                while True:
                    yield perform_pb2.PerformResponse(
                        audio=perform_pb2.AudioBlock(samples=bytes(8192))
                    )
        finally:
            self.closed.set()

    async def Practice(self, requests, context):  # by reading and writing
        await context.write(session_pb2.PracticeResponse())
        raise self.error


async def _call(stub_of, error):
    servicer = Failing(error)
    server = grpc.aio.server(interceptors=[StatusInterceptor()])
    studio_pb2_grpc.add_StudioServicer_to_server(servicer, server)
    studio_pb2_grpc.add_PersonalitiesServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            return await stub_of(channel)
    finally:
        await server.stop(None)


async def _get(channel):
    await studio_pb2_grpc.PersonalitiesStub(channel).GetPersonality(
        studio_pb2.GetPersonalityRequest()
    )


async def _import(channel):
    requests = iter([studio_pb2.ImportPersonalityRequest()])
    await studio_pb2_grpc.PersonalitiesStub(channel).ImportPersonality(requests)


async def _export(channel):
    stub = studio_pb2_grpc.PersonalitiesStub(channel)
    answers = []
    async for response in stub.ExportPersonality(studio_pb2.ExportPersonalityRequest()):
        answers.append(response.chunk)
    raise AssertionError(f"ended well after {answers}")


async def _perform(channel):
    call = studio_pb2_grpc.StudioStub(channel).Perform(
        iter([perform_pb2.PerformRequest()])
    )
    async for _ in call:
        pass


async def _practise(channel):
    call = studio_pb2_grpc.StudioStub(channel).Practice(
        iter([session_pb2.PracticeRequest()])
    )
    async for _ in call:
        pass


@pytest.mark.parametrize("call", [_get, _import, _export, _perform, _practise])
def test_a_status_error_reaches_the_client_with_its_reason(call):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        asyncio.run(_call(call, NOT_HELD))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    assert caught.value.details() == NOT_HELD.text
    status = rpc_status.from_call(caught.value)
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (info.domain, info.reason) == ("amadeus", "PERSONALITY_NOT_HELD")
    assert dict(info.metadata) == {"digest": "abc"}


@pytest.mark.parametrize("call", [_get, _import, _export, _perform, _practise])
def test_a_fault_is_internal_and_only_the_log_knows_more(call, caplog):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        asyncio.run(_call(call, ZeroDivisionError("secret path /home/wolfgang")))
    assert caught.value.code() == grpc.StatusCode.INTERNAL
    assert "wolfgang" not in str(rpc_status.from_call(caught.value))
    info = error_details_pb2.ErrorInfo()
    rpc_status.from_call(caught.value).details[0].Unpack(info)
    number = info.metadata["fault"]
    assert number in caught.value.details()
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert number in record.getMessage()
    assert "ZeroDivisionError" in caplog.text


def test_every_error_of_amadeus_has_a_code():
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.AmadeusError)
    ]
    assert set(CODES) <= set(kinds)
    for kind in kinds:
        status = explain(kind("a sentence."))
        assert status.text == "a sentence."
        assert status.code not in (grpc.StatusCode.INTERNAL, grpc.StatusCode.OK)


def test_a_bad_argument_is_the_caller_s_to_mend():
    assert explain(errors.ConfigError("x")).code == grpc.StatusCode.INVALID_ARGUMENT
    assert explain(errors.RecordingError("x")).code == grpc.StatusCode.INVALID_ARGUMENT


def test_a_deu_that_is_not_there_is_not_found(home):
    with pytest.raises(errors.HomeError) as caught:
        home.deu("cello")
    assert explain(caught.value).code == grpc.StatusCode.NOT_FOUND


def test_a_full_disk_is_no_fault():
    status = explain(OSError(errno.ENOSPC, "No space left on device", "/home/wolfgang"))
    assert status.code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "wolfgang" not in status.text


def test_any_other_error_of_the_system_is_a_fault():
    status = explain(FileNotFoundError(errno.ENOENT, "No such file", "/home/wolfgang"))
    assert status.code == grpc.StatusCode.INTERNAL
    assert "wolfgang" not in status.text


def test_a_model_server_that_is_away_passes_for_unavailable():
    error = grpc.aio.AioRpcError(
        grpc.StatusCode.UNAVAILABLE,
        grpc.aio.Metadata(),
        grpc.aio.Metadata(),
        "failed to connect",
    )
    status = explain(error)
    assert status.code == grpc.StatusCode.UNAVAILABLE
    assert "failed to connect" in status.text


def test_a_text_is_shortened_to_what_headers_can_carry():
    status = StatusError(
        grpc.StatusCode.INVALID_ARGUMENT, "x" * 9000, "LONG", {"value": "y" * 9000}
    )
    assert len(status.to_proto().SerializeToString()) < 2000


def test_a_status_the_servicer_has_said_itself_stays():
    class Aborting(Failing):
        async def GetPersonality(self, request, context):
            await context.abort(grpc.StatusCode.DATA_LOSS, "mine")

    async def call():
        server = grpc.aio.server(interceptors=[StatusInterceptor()])
        studio_pb2_grpc.add_PersonalitiesServicer_to_server(Aborting(None), server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                await _get(channel)
        finally:
            await server.stop(None)

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        asyncio.run(call())
    assert caught.value.code() == grpc.StatusCode.DATA_LOSS
    assert caught.value.details() == "mine"


def test_a_client_that_leaves_closes_the_generator_and_is_no_fault(caplog):
    async def leave():
        servicer = Failing(None)
        server = grpc.aio.server(interceptors=[StatusInterceptor()])
        studio_pb2_grpc.add_StudioServicer_to_server(servicer, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
        call = studio_pb2_grpc.StudioStub(channel).Perform()
        await call.write(perform_pb2.PerformRequest())
        await call.read()
        await channel.close()
        await asyncio.wait_for(servicer.closed.wait(), timeout=10)
        await server.stop(None)

    asyncio.run(leave())
    assert not [
        record for record in caplog.records if record.levelno >= logging.WARNING
    ]


def test_a_refusal_is_of_the_kind_of_the_method():
    for streams_in in (False, True):
        for streams_out in (False, True):
            handler = grpc.RpcMethodHandler()
            handler.request_streaming, handler.response_streaming = (
                streams_in,
                streams_out,
            )
            handler.request_deserializer, handler.response_serializer = bytes, bytes
            refused = refusal(handler, NOT_HELD)
            assert (refused.request_streaming, refused.response_streaming) == (
                streams_in,
                streams_out,
            )
