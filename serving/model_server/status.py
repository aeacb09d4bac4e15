"""Codes and errors of the model server: those of gRPC, by number, for gRPC and HTTP alike."""

import enum

from amadeus.errors import AmadeusError, NotHeldError


class Code(enum.IntEnum):
    """The canonical codes (google.rpc.Code)."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class ServingError(AmadeusError):
    """A request or a model that cannot be served, in TF Serving's words.

    Attributes:
      code: What kind of fault.
      text: What clients read.
    """

    def __init__(self, code: Code, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text

    def __str__(self) -> str:
        """Writes code and text as TensorFlow does when one error quotes another."""
        return f"{self.code.name}: {self.text}"


class NotFoundError(ServingError, NotHeldError):
    """The model or version is not here; the studio answers NOT_FOUND."""

    def __init__(self, text: str) -> None:
        super().__init__(Code.NOT_FOUND, text)


def invalid(text: str) -> ServingError:
    """Makes the error of a request that can never work."""
    return ServingError(Code.INVALID_ARGUMENT, text)


def failed_precondition(text: str) -> ServingError:
    """Makes the error of a request that does not fit what is served now."""
    return ServingError(Code.FAILED_PRECONDITION, text)
