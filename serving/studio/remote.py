"""Networks that are asked of a TF Serving elsewhere, or of several that serve the same.

The state of a note goes along with each question and comes back with the answer, so whichever replica is asked can sing
the next frames. A replica that has not read a new voice yet is passed for one that has.
"""

from collections.abc import Callable, Mapping
from typing import Any

import grpc
import numpy as np

from serving.model_server.wishes import MAX_ASKED, Wishes
from serving.studio.replicas import Replicas
from serving.studio.status import StatusError
from serving.studio.voices import Call, NotServedError

N_TRIES = 3
N_REPLICAS = 8  # that are asked for a voice which one of them serves

_SILENCE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


class RemoteCaller:
    """Asks a TF Serving by its address."""

    def __init__(self, address: str, wishes: Wishes | None = None) -> None:
        """Connects to nothing yet.

        Args:
          address: As `serving.studio.replicas` says.
          wishes: Where it is said what is to be served; None: nowhere.
        """
        from tensorflow_serving.apis import prediction_service_pb2_grpc

        self._address, self._wishes = address, wishes
        self._replicas = Replicas(
            address, prediction_service_pb2_grpc.PredictionServiceStub
        )

    def open(self, deu: str, generation: int) -> tuple[Call, Callable[[], None]]:
        """See `Caller`.

        Raises:
          NotServedError: No replica serves it, perhaps not yet; it was asked for.
        """
        from tensorflow_serving.apis import get_model_metadata_pb2

        if self._wishes is not None:
            self._wishes.ask(deu, generation)
        ask = get_model_metadata_pb2.GetModelMetadataRequest(
            metadata_field=["signature_def"]
        )
        ask.model_spec.name = deu
        ask.model_spec.version.value = generation
        try:
            self._replicas.ask("GetModelMetadata", ask, n_tries=N_TRIES)
        except grpc.RpcError as error:
            raise self._explain(error, deu, generation) from error
        return self._caller_of(deu, generation), self._held(deu, generation)

    def identity(self, deu: str, generation: int) -> object:
        """See `Caller`."""
        return deu, generation

    def close(self) -> None:
        """Closes the connections."""
        self._replicas.close()
        if self._wishes is not None:
            self._wishes.close()

    def _held(self, deu: str, generation: int) -> Callable[[], None]:
        """Has a generation served for as long as it is played; hands out how to let go of it."""
        wishes = self._wishes
        if wishes is None:
            return lambda: None
        wishes.hold(deu, generation)
        held = [wishes]

        def release() -> None:
            while held:
                held.pop().let_go(deu, generation)

        return release

    def _caller_of(self, deu: str, generation: int) -> Call:
        from tensorflow_serving.apis import predict_pb2

        from serving.model_server.tensors import fill, to_array

        def call(
            signature: str, inputs: Mapping[str, np.ndarray]
        ) -> Mapping[str, np.ndarray]:
            request = predict_pb2.PredictRequest()
            request.model_spec.name = deu
            request.model_spec.version.value = generation
            request.model_spec.signature_name = signature
            for name, array in inputs.items():
                fill(request.inputs[name], array)
            try:
                answer = self._replicas.ask(
                    "Predict",
                    request,
                    is_worth_another=_is_not_read,
                    n_tries=N_REPLICAS,
                )
            except grpc.RpcError as error:
                raise self._explain(error, deu, generation) from error
            return {name: to_array(tensor) for name, tensor in answer.outputs.items()}

        return call

    def _explain(self, error: Any, deu: str, generation: int) -> StatusError:
        if error.code() == grpc.StatusCode.NOT_FOUND:
            return NotServedError(
                grpc.StatusCode.FAILED_PRECONDITION,
                f"the model server at {self._address} does not serve {deu}, version {generation}, yet "
                f"({error.details()}): it was asked to, and does within a minute where `python -m "
                "serving.model_server.listing --every-s 5` writes its model config (up to "
                f"{MAX_ASKED} versions of a deu at a time); where you write it yourself, let it name this version.",
            )
        if error.code() in _SILENCE:
            return StatusError(
                grpc.StatusCode.UNAVAILABLE,
                f"the model server at {self._address} does not answer ({error.details()}): see that it runs, then "
                "begin again.",
            )
        return StatusError(
            error.code(),
            f"the model server at {self._address} answered: {error.details()}",
        )


def _is_not_read(error: Any) -> bool:
    """Whether a replica has not read a voice yet that another serves."""
    return error.code() == grpc.StatusCode.NOT_FOUND
