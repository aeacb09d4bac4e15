"""A model server of its own, as a studio asks it: new voices are waited for, and what it does not serve is said."""

from concurrent import futures

import grpc
import pytest
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    prediction_service_pb2_grpc,
)

from serving.studio.status import StatusError
from serving.studio.voices import RemoteCaller


class LateServicer(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Finds a model after it was asked a few times."""

    def __init__(self, n_refusals):
        self.n_refusals, self.versions = n_refusals, []

    def GetModelMetadata(self, request, context):
        self.versions.append(request.model_spec.version.value)
        if len(self.versions) <= self.n_refusals:
            context.abort(grpc.StatusCode.NOT_FOUND, "Servable not found for request")
        return get_model_metadata_pb2.GetModelMetadataResponse()


@pytest.fixture
def serve():
    server = grpc.server(futures.ThreadPoolExecutor(2))
    port = server.add_insecure_port("127.0.0.1:0")

    def start(servicer):
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            servicer, server
        )
        server.start()
        return f"127.0.0.1:{port}"

    yield start
    server.stop(None).wait()


def test_a_voice_that_the_model_server_has_not_read_yet_is_waited_for(serve):
    servicer = LateServicer(2)
    caller = RemoteCaller(serve(servicer), loading_s=30)
    caller.open("cello", 7)
    assert servicer.versions == [7, 7, 7]
    caller.close()


def test_a_voice_that_never_comes_is_named(serve):
    caller = RemoteCaller(serve(LateServicer(99)), loading_s=0.1)
    with pytest.raises(StatusError, match="does not serve cello, version 7") as caught:
        caller.open("cello", 7)
    assert caught.value.code is grpc.StatusCode.FAILED_PRECONDITION
    caller.close()
