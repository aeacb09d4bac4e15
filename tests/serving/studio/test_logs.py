import io
import json
import logging

import pytest

from serving.studio import logs


@pytest.fixture
def configured():
    root = logging.getLogger()
    before, level = root.handlers[:], root.level

    def configure(*arguments):
        stream = io.StringIO()
        logs.configure(*arguments, stream=stream)
        return stream

    yield configure
    root.handlers[:], root.level = before, level


def test_a_line_has_time_level_place_sentence_and_fields(configured):
    stream = configured("info", "text")
    logging.getLogger("room").info("call %s", "ended", extra={"code": "OK", "n": 3})
    time, rest = stream.getvalue().split(" ", 1)
    assert rest == "info room: call ended code=OK n=3\n"
    assert time.endswith("Z")


def test_json_is_an_object_a_line(configured):
    stream = configured("info", "json")
    logging.getLogger("room").warning("two\nlines", extra={"code": "OK"})
    try:
        1 / 0  # noqa: B018
    except ZeroDivisionError:
        logging.getLogger("room").exception("fault")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert (first["message"], first["level"], first["code"]) == (
        "two\nlines",
        "warning",
        "OK",
    )
    assert "ZeroDivisionError" in second["traceback"]


def test_a_client_cannot_forge_a_line(configured):
    stream = configured("info", "text")
    forged = "x\n2026-01-01T00:00:00Z info room: all is well"
    logging.getLogger("room").info("got %s", forged, extra={"name_of": forged})
    assert len(stream.getvalue().splitlines()) == 1


def test_the_level_decides(configured):
    stream = configured("warning", "text")
    logging.getLogger("room").info("unheard")
    logging.getLogger("room").warning("heard")
    assert "unheard" not in stream.getvalue()
    assert "heard" in stream.getvalue()
