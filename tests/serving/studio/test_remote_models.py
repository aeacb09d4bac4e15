"""A model server of its own, as a studio asks it: what it does not serve is said, and waited for if it is new."""

import contextlib
import socket
import threading
from concurrent import futures

import grpc
import pytest
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    prediction_service_pb2_grpc,
)

from serving.studio import perform, replicas
from serving.studio.remote import RemoteCaller
from serving.studio.status import StatusError
from serving.studio.voices import NotServedError
from tests.cli.terminal import wait_for
from tests.serving.studio.stage import (
    Heard,
    RunningStage,
    SineVoices,
    advance,
    configure,
)


class EmptyServicer(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Serves nothing."""

    def GetModelMetadata(self, _request, context):
        context.abort(grpc.StatusCode.NOT_FOUND, "Servable not found for request")


class AwakeServicer(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Answers with nothing."""

    def GetModelMetadata(self, _request, _context):
        return get_model_metadata_pb2.GetModelMetadataResponse()


class StillServicer(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Stands still: the time of whoever asked it is over when the test says so."""

    def __init__(self):
        self.asked, self.is_over = [], threading.Event()

    def GetModelMetadata(self, _request, context):
        self.asked.append(context.peer())
        self.is_over.wait(60)
        context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")


@contextlib.contextmanager
def serving(servicer, port=0):
    """Serves in threads of this process; hands out its address."""
    server = grpc.server(futures.ThreadPoolExecutor(16))
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        servicer, server
    )
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


class LateVoices(SineVoices):
    """A model server finds its voice after it was asked a few times."""

    n_refusals = 2

    def acquire(self, reference):
        if self.n_refusals:
            self.n_refusals -= 1
            raise NotServedError(grpc.StatusCode.FAILED_PRECONDITION, "not served.")
        return super().acquire(reference)


def test_a_voice_that_a_model_server_does_not_serve_is_named():
    with serving(EmptyServicer()) as address:
        caller = RemoteCaller(address)
        with pytest.raises(NotServedError, match="does not serve cello, version 7"):
            caller.open("cello", 7)
        caller.close()


def test_who_did_not_answer_in_time_is_not_asked_again_before_the_others(monkeypatch):
    monkeypatch.setattr(replicas, "ATTEMPT_S", 60.0)  # nobody here is late by the clock
    monkeypatch.setattr(replicas, "LAST_ATTEMPT_S", 60.0)
    ask = get_model_metadata_pb2.GetModelMetadataRequest()
    stub = prediction_service_pb2_grpc.PredictionServiceStub
    still = StillServicer()
    with (
        serving(still) as first,
        serving(AwakeServicer()) as second,
        contextlib.closing(replicas.Replicas(f"{first},{second}", stub)) as both,
        futures.ThreadPoolExecutor(8) as pool,
    ):
        calls = []

        def has_stopped_four():
            calls.append(pool.submit(both.ask, "GetModelMetadata", ask))
            return len(still.asked) >= 4

        wait_for(has_stopped_four)
        wait_for(lambda: len(still.asked) + sum(c.done() for c in calls) == len(calls))
        n_asked = len(still.asked)
        still.is_over.set()
        assert [call.exception(60) for call in calls] == [None] * len(calls)
        assert len(still.asked) == n_asked


def test_one_that_stands_still_is_not_asked_while_another_comes_back(monkeypatch):
    monkeypatch.setattr(replicas, "ATTEMPT_S", 60.0)
    ask = get_model_metadata_pb2.GetModelMetadataRequest()
    stub = prediction_service_pb2_grpc.PredictionServiceStub
    still = StillServicer()
    with serving(AwakeServicer()) as second:
        pass  # and it has gone again
    with (
        serving(still) as first,
        contextlib.closing(replicas.Replicas(f"{first},{second}", stub)) as both,
        futures.ThreadPoolExecutor(1) as pool,
    ):
        wait_for(lambda: both._ready == {0})
        call = pool.submit(both.ask, "GetModelMetadata", ask)
        wait_for(lambda: still.asked)
        still.is_over.set()
        with pytest.raises(futures.TimeoutError):
            call.exception(0.3)  # it waits for the other
        with serving(AwakeServicer(), second.rpartition(":")[2]):
            assert call.exception(60) is None
        assert len(still.asked) == 1


def test_a_model_server_that_is_not_there_is_said_in_a_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    caller = RemoteCaller(address)
    with pytest.raises(StatusError) as raised:
        caller.open("cello", 7)
    caller.close()
    assert raised.value.code is grpc.StatusCode.UNAVAILABLE
    text = str(raised.value)
    assert text.startswith(f"the model server at {address} does not answer (")
    assert text.endswith("): see that it runs, then begin again.")


def test_a_voice_that_is_not_served_yet_is_waited_for():
    with RunningStage(LateVoices()) as stage:
        heard = Heard(stage.stub.Perform(iter([configure(), advance(4_800)])))
    assert heard.ended.sample_count >= 4_800


def test_a_voice_that_never_comes_is_refused(monkeypatch):
    monkeypatch.setattr(perform, "LOADING_S", 0.1)
    voices = LateVoices()
    voices.n_refusals = 99
    with RunningStage(voices) as stage, pytest.raises(grpc.RpcError) as caught:
        Heard(stage.stub.Perform(iter([configure()])))
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
