"""What tests of the contract expect of an answer."""

import contextlib

import grpc
import pytest


@contextlib.contextmanager
def fails(code, text):
    """Expects a status of this code whose text has these words."""
    with pytest.raises(grpc.RpcError) as caught:
        yield
    assert caught.value.code() == code, caught.value.details()
    assert text in caught.value.details()
