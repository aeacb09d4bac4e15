"""Metadata that do not answer: whoever needs them waits, and nobody waits behind him."""

import contextlib
import itertools
import threading
import time
from concurrent import futures

import grpc
import pytest

from amadeus.lineage import patience
from amadeus.lineage.addresses import sqlite_url
from serving.studio.metadata import FIRST_PAUSE_S, KNOWN_S, LONGEST_PAUSE_S
from serving.studio.metadata import MetadataWatch as Watch
from serving.studio.practice_limits import PracticeLimits
from serving.studio.schedule import Schedule
from serving.studio.sessions import State
from tests.cli.terminal import wait_for
from tests.serving.metadata_server.process import metadata_server
from tests.serving.studio.teaching import teach
from tests.serving.studio.test_tunings import BRIGHT, tuning, voice_path  # noqa: F401

SHORT_S = 15.0  # a call of ML Metadata alone may take a minute


class Deaf(grpc.GenericRpcHandler):
    """Takes every call and answers none."""

    def __init__(self):
        self.n_asked, self.is_over = 0, threading.Event()

    def service(self, _details):
        def wait(_request, _context):
            self.n_asked += 1
            self.is_over.wait(120)
            return b""

        return grpc.unary_unary_rpc_method_handler(wait)


@contextlib.contextmanager
def deaf_server():
    deaf = Deaf()
    server = grpc.server(futures.ThreadPoolExecutor(32), handlers=[deaf])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield deaf, f"grpc://127.0.0.1:{port}"
    finally:
        deaf.is_over.set()
        server.stop(None).wait()


@pytest.fixture(autouse=True)
def _anew(monkeypatch):
    monkeypatch.setattr(patience, "_given_up_at", {})


@pytest.fixture
def schedule(home, voice_path):  # noqa: F811
    """A studio's, with knobs that wait to be turned."""
    teach(home, voice_path)
    made = Schedule(home, PracticeLimits(), practice_command=list, listen_command=list)
    made.open()
    with made.store.locked():
        for number in range(3):
            asked = tuning(session_id=f"knobs-{number}", **BRIGHT)
            made.admit(made.store.create(asked))
    return made


def _longest_held_s(store, monkeypatch):
    """Measures how long the lock on all sessions is held; hands out how to ask."""
    held_s, plain = [], store.locked

    @contextlib.contextmanager
    def locked():
        with plain():
            began_s = time.monotonic()
            try:
                yield
            finally:
                held_s.append(time.monotonic() - began_s)

    monkeypatch.setattr(store, "locked", locked)
    return lambda: max(held_s)


def _states(schedule):
    return {session.state for session in schedule.store.all()}


def test_no_lock_is_held_while_a_metadata_server_does_not_answer(
    schedule, tmp_path, monkeypatch, caplog
):
    longest_s = _longest_held_s(schedule.store, monkeypatch)
    with deaf_server() as (deaf, url):
        monkeypatch.setenv("AMADEUS_METADATA", url)
        began_s = time.monotonic()
        for _ in range(8):
            schedule.tick()
        assert deaf.n_asked > 0
        assert time.monotonic() - began_s < SHORT_S
        assert longest_s() < 5.0
        assert _states(schedule) == {State.QUEUED}
    with metadata_server(sqlite_url(tmp_path / "m.sqlite")) as (url, _):
        monkeypatch.setenv("AMADEUS_METADATA", url)

        def is_done():
            schedule.tick()
            return _states(schedule) == {State.SUCCEEDED}

        wait_for(is_done, timeout_s=60)
    said = [record.getMessage() for record in caplog.records]
    assert sum("the metadata do not answer" in text for text in said) == 1
    assert sum("the metadata answer again" in text for text in said) == 1


def test_one_that_falls_silent_between_the_look_and_the_turn_holds_for_a_moment(
    schedule, monkeypatch
):
    longest_s = _longest_held_s(schedule.store, monkeypatch)
    with deaf_server() as (_, url):
        monkeypatch.setenv("AMADEUS_METADATA", url)
        monkeypatch.setattr(Watch, "look", lambda _self: None)
        schedule.tick()
        assert longest_s() < SHORT_S
        assert schedule._metadata.is_away
        assert _states(schedule) == {State.QUEUED}


def test_one_that_lets_nobody_in_fails_what_needs_it_and_stops_nothing(
    schedule, monkeypatch
):
    def refuse(_request, context):
        context.abort(grpc.StatusCode.UNAUTHENTICATED, "no token")

    class Closed(grpc.GenericRpcHandler):
        def service(self, _details):
            return grpc.unary_unary_rpc_method_handler(refuse)

    server = grpc.server(futures.ThreadPoolExecutor(2), handlers=[Closed()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        monkeypatch.setenv("AMADEUS_METADATA", f"grpc://127.0.0.1:{port}")
        schedule.tick()
    finally:
        server.stop(None).wait()
    assert _states(schedule) == {State.FAILED}


def test_looks_are_far_between_and_a_file_needs_none(home, monkeypatch):
    now, answers, looks = [0.0], [False], []
    watch = Watch(home, clock=lambda: now[0])
    monkeypatch.setattr(watch, "_answers", lambda: looks.append(now[0]) or answers[0])
    monkeypatch.delenv("AMADEUS_METADATA", raising=False)
    watch.look()
    assert looks == []
    monkeypatch.setenv("AMADEUS_METADATA", "grpc://somewhere:1")

    def look_for(seconds):
        for _ in range(10 * seconds):
            watch.look()
            now[0] += 0.1

    look_for(60)
    gaps = [round(b - a) for a, b in itertools.pairwise(looks)]
    assert gaps[:4] == [FIRST_PAUSE_S, 2, 4, 8]
    assert set(gaps[4:]) == {LONGEST_PAUSE_S}
    assert watch.is_away
    answers[0] = True
    look_for(30)
    assert not watch.is_away
    assert round(looks[-1] - looks[-2]) == KNOWN_S
