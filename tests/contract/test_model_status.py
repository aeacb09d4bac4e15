"""GetModelStatus, after get_model_status_impl_test.cc."""

import grpc

from tests.contract.expectations import fails

AVAILABLE = ("AVAILABLE", 0, "")


def test_get_model_status(served):
    assert served.status("half_plus_two") == {123: AVAILABLE}


def test_all_versions_are_told(served):
    assert served.status("two_versions") == {124: AVAILABLE, 123: AVAILABLE}


def test_one_version_is_told(served):
    assert served.status("two_versions", version=123) == {123: AVAILABLE}


def test_missing_model_spec(served):
    with fails(grpc.StatusCode.INVALID_ARGUMENT, "Missing ModelSpec"):
        served.status(None)


def test_unknown_model(served):
    text = "Could not find any versions of model nobody"
    with fails(grpc.StatusCode.NOT_FOUND, text):
        served.status("nobody")


def test_unknown_version(served):
    text = "Could not find version 7 of model half_plus_two"
    with fails(grpc.StatusCode.NOT_FOUND, text):
        served.status("half_plus_two", version=7)
