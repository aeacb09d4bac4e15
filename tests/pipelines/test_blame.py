import errno

import apache_beam as beam
import grpc
import pytest

from amadeus.errors import HomeError, PracticeError, RecordingError
from pipelines import runner
from pipelines.blame import find_reason

SENTENCE = "bourree.wav is empty: record it again."


def refuse(_):
    raise RecordingError(SENTENCE)


def fill_disk(_):
    raise OSError(errno.ENOSPC, "No space left on device", "/home/x")


def stumble(_):
    raise ValueError("a bug")


def run_in_beam(step):
    try:
        with beam.Pipeline(argv=runner.beam_args([])) as pipeline:
            _ = pipeline | "One" >> beam.Create([1]) | "Stumble" >> beam.Map(step)
    except Exception as error:
        return error
    raise AssertionError("Beam swallowed it")


def test_the_sentence_comes_through_beam_as_it_was_said():
    reason = find_reason(run_in_beam(refuse), place="/home")
    assert isinstance(reason, RecordingError)
    assert str(reason) == SENTENCE


def test_a_full_disk_is_told_wherever_it_was_noticed():
    for error in (
        run_in_beam(fill_disk),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        RuntimeError("RESOURCE_EXHAUSTED: /x: No space left on device"),
        RuntimeError("Error: database or disk is full"),
    ):
        reason = find_reason(error, place="/home")
        assert isinstance(reason, HomeError)
        assert "/home cannot be written" in str(reason)
        assert "space" in str(reason)


def test_missing_rights_are_told():
    reason = find_reason(
        PermissionError(errno.EACCES, "Permission denied"), place="/home"
    )
    assert isinstance(reason, HomeError)
    assert "rights" in str(reason)


def test_the_sentence_is_found_behind_other_errors():
    try:
        try:
            raise PracticeError("learning exploded: lower learning_rate.")
        except PracticeError as inner:
            raise RuntimeError("executor failed") from inner
    except RuntimeError as outer:
        reason = find_reason(outer, place="/home")
    assert str(reason) == "learning exploded: lower learning_rate."
    quoted = RuntimeError(
        "Traceback (most recent call last):\n  File x\n"
        f"amadeus.errors.RecordingError: {SENTENCE} [while running 'Decode']\n\nmore"
    )
    assert str(find_reason(quoted, place="/home")) == SENTENCE


@pytest.mark.parametrize(
    "error", [ValueError("a bug"), KeyError("key"), RuntimeError()]
)
def test_a_bug_has_no_sentence_for_the_user(error):
    assert find_reason(error, place="/home") is None


def test_a_job_service_that_went_away_is_told():
    with grpc.insecure_channel("localhost:1") as channel:
        ask = channel.unary_unary("/nobody/Here")
        with pytest.raises(grpc.RpcError) as caught:
            ask(b"", timeout=60)
    reason = find_reason(caught.value, place="/home")
    assert isinstance(reason, PracticeError)
    assert "job service of Beam went away" in str(reason)


def test_a_bug_in_beam_stays_a_bug():
    assert find_reason(run_in_beam(stumble), place="/home") is None
