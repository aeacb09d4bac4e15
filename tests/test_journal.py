import resource
import signal
import threading

import pytest

from amadeus.journal import (
    Journal,
    JournalReader,
    emit,
    follow_journal,
    read_journal,
)
from amadeus.v1 import practice_pb2


def _warning(text):
    return practice_pb2.Warning(text=text)


def test_events_come_back_in_order_with_rising_time(tmp_path):
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    for text in ("one", 'two "quoted"\nlines', "drei ♪"):
        journal.write(warning=_warning(text))
    events = read_journal(path)
    assert [event.warning.text for event in events] == [
        "one",
        'two "quoted"\nlines',
        "drei ♪",
    ]
    times = [event.elapsed_s for event in events]
    assert times == sorted(times)


def test_a_journal_not_yet_begun_is_empty(tmp_path):
    assert read_journal(tmp_path / "none.jsonl") == []


def test_a_line_half_written_is_not_read_yet(tmp_path):
    path = tmp_path / "journal.jsonl"
    Journal(path).write(warning=_warning("whole"))
    with path.open("a") as journal:
        journal.write('{"elapsed_s": 1, "warn')
    assert [event.warning.text for event in read_journal(path)] == ["whole"]


def test_a_line_that_a_full_disk_cut_off_costs_itself(tmp_path):
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.write(warning=_warning("before"))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    heard = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 20, limits[1]))
    try:
        with pytest.raises(OSError, match="No space left"):
            journal.write(warning=_warning("cut off"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, heard)
    reader = JournalReader(path)
    assert [event.warning.text for event in reader.read()] == ["before"]
    journal.write(warning=_warning("after"))
    assert [event.warning.text for event in reader.read()] == ["after"]
    assert [e.warning.text for e in read_journal(path)] == ["before", "after"]


def test_a_follower_sees_what_is_written_while_it_follows(tmp_path):
    path = tmp_path / "journal.jsonl"
    done = threading.Event()

    def write():
        journal = Journal(path)
        for number in range(20):
            journal.write(warning=_warning(str(number)))
        done.set()

    writer = threading.Thread(target=write)
    follower = follow_journal(path, is_over=done.is_set, poll_s=0.001)
    writer.start()
    seen = [event.warning.text for event in follower]
    writer.join()
    assert seen == [str(number) for number in range(20)]


def test_emit_reaches_the_active_journal_only(tmp_path):
    first, second = (Journal(tmp_path / name) for name in ("first", "second"))
    with first.activated():
        emit(warning=_warning("for the first"))
        with second.activated():
            emit(warning=_warning("for the second"))
    emit(warning=_warning("for nobody"))
    assert [e.warning.text for e in read_journal(tmp_path / "first")] == [
        "for the first"
    ]
    assert [e.warning.text for e in read_journal(tmp_path / "second")] == [
        "for the second"
    ]
