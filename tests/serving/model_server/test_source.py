"""Versions in a folder, after file_system_storage_path_source_test.cc."""

import logging

import pytest

from serving.model_server.source import list_versions, parse_version
from serving.model_server.status import Code, ServingError


def test_versions_are_children_named_by_whole_numbers(tmp_path):
    for name in (
        "42",
        "00017",
        "-3",
        "non_numerical_child",
        "8.5",
        ".staging-1",
        "\uff11",
    ):
        (tmp_path / name).mkdir()
    assert list_versions("m", tmp_path) == {
        42: tmp_path / "42",
        17: tmp_path / "00017",
        -3: tmp_path / "-3",
    }


def test_of_duplicates_the_last_is_taken_with_a_warning(tmp_path, caplog):
    for name in ("7", "007"):
        (tmp_path / name).mkdir()
    with caplog.at_level(logging.WARNING):
        assert list_versions("m", tmp_path) == {7: tmp_path / "7"}
    assert "version 7 of model m is in 007 and 7" in caplog.text


def test_an_empty_base_path_has_no_versions(tmp_path):
    assert list_versions("m", tmp_path) == {}


def test_a_missing_base_path_is_an_error(tmp_path):
    with pytest.raises(ServingError, match="Could not find base path") as caught:
        list_versions("m", tmp_path / "none")
    assert caught.value.code is Code.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (str(2**63 - 1), 2**63 - 1),
        (str(2**63), None),
        (str(-(2**63)), -(2**63)),
        ("9" * 5000, None),
        ("", None),
        ("0x10", None),
        ("1_000", None),
    ],
)
def test_numbers_are_int64(text, version):
    assert parse_version(text) == version
