"""Addresses, tokens, and what gRPC says in sentences of ours."""

import socket

import grpc
import pytest

from amadeus.errors import ConfigError, StudioError
from amadeus.v1 import studio_pb2, studio_pb2_grpc
from serving.client.connection import Address, connect, explained, find_token


@pytest.mark.parametrize("target", ["", "localhost", ":8470", "localhost:", "a:b"])
def test_what_is_no_address_is_refused(target):
    with pytest.raises(ConfigError, match="write HOST:PORT"):
        connect(Address(target))


def ask(target):
    with connect(Address(target)) as channel, explained(target):
        stub = studio_pb2_grpc.PracticeSessionsStub(channel)
        stub.GetPracticeSession(studio_pb2.GetPracticeSessionRequest(), timeout=5)


def test_nobody_there_is_a_sentence():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{probe.getsockname()[1]}"
    with pytest.raises(StudioError, match="cannot be reached") as raised:
        ask(target)
    assert raised.value.code == "UNAVAILABLE"


def test_a_token_comes_from_a_file_or_the_environment(tmp_path, monkeypatch):
    path = tmp_path / "token"
    path.write_text(" secret\n")
    monkeypatch.setenv("AMADEUS_STUDIO_TOKEN", "another")
    assert find_token(path) == "secret"
    assert find_token() == "another"
    path.write_text("\n")
    with pytest.raises(ConfigError, match="is empty"):
        find_token(path)
    with pytest.raises(ConfigError, match="cannot read"):
        find_token(tmp_path / "nowhere")


def test_a_token_is_never_printed():
    assert "secret" not in repr(Address("a:1", token="secret"))


def test_the_token_goes_with_every_call():
    seen = []

    class Door(grpc.ServerInterceptor):
        def intercept_service(self, continuation, details):
            seen.append(dict(details.invocation_metadata).get("authorization"))
            return continuation(details)

    from concurrent import futures

    server = grpc.server(futures.ThreadPoolExecutor(2), interceptors=[Door()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with connect(Address(f"127.0.0.1:{port}", token="secret")) as channel:
        with pytest.raises(grpc.RpcError):
            studio_pb2_grpc.PracticeSessionsStub(channel).GetPracticeSession(
                studio_pb2.GetPracticeSessionRequest()
            )
        with pytest.raises(grpc.RpcError):
            list(studio_pb2_grpc.StudioStub(channel).Perform(iter([])))
    server.stop(0)
    assert seen == ["Bearer secret"] * 2


def test_half_a_certificate_is_refused(tmp_path):
    path = tmp_path / "cert.pem"
    path.write_text("x")
    with pytest.raises(ConfigError, match="give both or neither"):
        connect(Address("a:1", client_cert_path=path))
