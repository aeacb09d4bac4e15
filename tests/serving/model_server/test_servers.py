"""The gRPC and HTTP servers as objects of an event loop, and the command."""

import asyncio
import socket
import subprocess
import sys
import threading
import time

import aiohttp
import grpc
import pytest
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from serving.model_server import answers
from serving.model_server.config import Model
from serving.model_server.core import ModelServer
from serving.model_server.grpc_service import GrpcServer
from serving.model_server.rest import RestServer
from tests.serving.model_server.stand_ins import Loader


@pytest.fixture
def models(tmp_path):
    (tmp_path / "m" / "1").mkdir(parents=True)
    server = ModelServer([Model("m", tmp_path / "m")], load=Loader())
    server.start()
    server.wait_until_settled(10)
    yield server
    server.close()


def status_over(channel):
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "m"
    stub = model_service_pb2_grpc.ModelServiceStub(channel)
    return stub.GetModelStatus(request, timeout=10).model_version_status[0].version


def run_with(server, ask):
    """Starts a server in an event loop, asks it from a thread, stops it."""

    async def run():
        await server.start()
        try:
            return await asyncio.to_thread(ask)
        finally:
            await server.stop()

    return asyncio.run(run())


def test_a_grpc_server_listens_on_loopback_at_a_port_of_its_own(models):
    server = GrpcServer(models)

    def ask():
        with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            return status_over(channel)

    assert run_with(server, ask) == 1
    assert server.port > 0


def test_a_socket_file_will_do(models, tmp_path):
    address = f"unix:{tmp_path}/socket"

    def ask():
        with grpc.insecure_channel(address) as channel:
            return status_over(channel)

    assert run_with(GrpcServer(models, host=address), ask) == 1


def test_a_taken_port_is_told(models):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="choose another port"):
            run_with(GrpcServer(models, port=port), lambda: None)
        with pytest.raises(OSError, match="address already in use"):
            run_with(RestServer(models, port=port), lambda: None)


def test_a_server_may_refuse_to_be_reconfigured(models, tmp_path):
    server = GrpcServer(models, with_reload=False)

    def ask():
        request = model_management_pb2.ReloadConfigRequest()
        request.config.model_config_list.SetInParent()
        with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            stub = model_service_pb2_grpc.ModelServiceStub(channel)
            with pytest.raises(grpc.RpcError) as caught:
                stub.HandleReloadConfigRequest(request, timeout=10)
        return caught.value.code()

    assert run_with(server, ask) == grpc.StatusCode.PERMISSION_DENIED
    assert models.available() == {"m": [1]}


def test_calls_nobody_waits_for_are_not_begun(models, monkeypatch):
    begun, gate = [], threading.Event()

    def predict(models, request, timeout_s):
        begun.append(request.model_spec.name)
        assert gate.wait(10)
        return predict_pb2.PredictResponse()

    monkeypatch.setattr(answers, "predict", predict)
    server = GrpcServer(models, n_threads=1)

    def ask():
        with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            named = {"timeout": 10}, {"timeout": 0.1}, {"timeout": 10}, {"timeout": 10}
            calls = []
            for name, options in zip(
                ("first", "late", "gone", "last"), named, strict=True
            ):
                request = predict_pb2.PredictRequest()
                request.model_spec.name = name
                calls.append(stub.Predict.future(request, **options))
                time.sleep(0.05)  # so that they come in this order
            calls[2].cancel()
            with pytest.raises(grpc.RpcError) as caught:
                calls[1].result()
            gate.set()
            calls[0].result()
            calls[3].result()
        return caught.value.code()

    assert run_with(server, ask) == grpc.StatusCode.DEADLINE_EXCEEDED
    assert begun == ["first", "last"]


def test_long_texts_are_cut(models):
    server = GrpcServer(models)

    def ask():
        request = predict_pb2.PredictRequest()
        request.model_spec.name = "n" * 100_000
        with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            with pytest.raises(grpc.RpcError) as caught:
                stub.Predict(request, timeout=10)
        return caught.value

    error = run_with(server, ask)
    assert error.code() == grpc.StatusCode.NOT_FOUND
    assert error.details().endswith("...TRUNCATED")


def test_large_bodies_are_refused(models):
    async def ask():
        server = RestServer(models, max_body_bytes=1000)
        await server.start()
        url = f"http://127.0.0.1:{server.port}/v1/models/m:predict"
        async with aiohttp.ClientSession() as session:
            answer = await session.post(url, data=b" " * 2000)
            told = answer.status, await answer.json()
        await server.stop()
        return told

    code, body = asyncio.run(ask())
    assert code == 413
    assert "error" in body


def test_slow_predictions_end_in_504(models):
    async def ask():
        with models.acquire("m") as lease:
            lease.model.signature_defs["serving_default"] = None
        server = RestServer(models, timeout_s=0.1)
        server._predict = lambda *_: time.sleep(0.5)
        await server.start()
        url = f"http://127.0.0.1:{server.port}/v1/models/m:predict"
        async with aiohttp.ClientSession() as session:
            answer = await session.post(url, json={"instances": [1]})
            told = answer.status, await answer.json()
        await server.stop()
        return told

    code, body = asyncio.run(ask())
    assert code == 504
    assert "longer than 0.1 s" in body["error"]


def test_help_loads_nothing_heavy():
    probe = (
        "import sys, serving.model_server.__main__ as command; command.build_parser().format_help(); "
        "sys.exit(bool({'tensorflow', 'grpc', 'aiohttp'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", probe], check=True)


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        ([], "there is nothing to serve"),
        (["--model_config_file=/none/here"], "cannot be read"),
        (["--model_base_path=relative"], "Expected model default to have an absolute"),
    ],
)
def test_bad_flags_are_told_in_a_sentence(flags, text):
    ran = subprocess.run(
        [sys.executable, "-m", "serving.model_server", *flags],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    assert text in ran.stderr
    assert "Traceback" not in ran.stderr
