"""A MySQL server that is away for more than a minute: a practice that runs and one that arrives lose nothing by it."""

import contextlib
import hashlib
import os
import signal
import threading
import time

import grpc
import pytest

from amadeus import lineage
from amadeus.lineage import patience
from amadeus.v1 import session_pb2, studio_pb2, studio_pb2_grpc
from tests.lineage import mariadb
from tests.serving.studio.practising import States
from tests.serving.studio.test_process import Process
from tests.serving.studio.test_replicas import _workers
from tests.serving.studio.test_shared_home import PROFILE, contents  # noqa: F401

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

AWAY_S = 63.0
PATIENCE_S = 600.0


@pytest.fixture
def server(tmp_path):
    if mariadb.missing():
        pytest.skip(f"MariaDB is not here: {mariadb.missing()}")
    with mariadb.serving(tmp_path) as server:
        yield server


@contextlib.contextmanager
def _studio(home, url):
    process = Process(
        home,
        *("--practices-at-once", "2", "--grace-s", "2"),
        AMADEUS_METADATA=url,
        AMADEUS_METADATA_PASSWORD=mariadb.PASSWORD,
        AMADEUS_METADATA_PATIENCE_S=str(PATIENCE_S),
    )
    try:
        yield process.wait_ready()
    finally:
        process.kill()
        for pid in _workers(home):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)


class Lesson(threading.Thread):
    """A practice that is sent and followed to its end."""

    def __init__(self, channel, name, contents, deu):  # noqa: F811
        super().__init__(daemon=True)
        self.events, self.session, self.error = [], None, None
        infos = [
            session_pb2.RecordingInfo(
                name=f"take {n}.wav",
                byte_size=len(content),
                sha256=hashlib.sha256(content).hexdigest(),
            )
            for n, content in enumerate(contents)
        ]
        asked = session_pb2.PracticeConfiguration(
            session_id=name, deu=deu, learner_profile=PROFILE, recordings=infos
        )
        self._requests = [
            session_pb2.PracticeRequest(configuration=asked),
            *(
                session_pb2.PracticeRequest(
                    chunk=session_pb2.RecordingChunk(recording=n, data=content)
                )
                for n, content in enumerate(contents)
            ),
        ]
        self._stub = studio_pb2_grpc.StudioStub(channel)
        self.start()

    def run(self):
        try:
            for answer in self._stub.Practice(iter(self._requests), timeout=PATIENCE_S):
                if answer.WhichOneof("message") == "session":
                    self.session = answer.session
                elif answer.WhichOneof("message") == "event":
                    self.events.append(answer.event)
        except grpc.RpcError as error:
            self.error = error

    def wait_for(self, kind):
        deadline = time.monotonic() + PATIENCE_S
        while not any(event.WhichOneof("event") == kind for event in self.events):
            assert self.is_alive(), self.error or self.session
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_what_runs_and_what_arrives_outlive_a_minute_without_metadata(
    home,
    contents,  # noqa: F811
    server,
    monkeypatch,
):
    home.path.mkdir(parents=True)
    url = f"mysql://{mariadb.USER}@127.0.0.1:{server.port}/amadeus"
    with _studio(home, url) as studio, studio.channel() as channel:
        runs = Lesson(channel, "runs", contents, "cello")
        runs.wait_for("training_progress")
        server.stop()
        gone_s = time.monotonic()
        arrives = Lesson(channel, "arrives", contents, "viola")
        sessions = studio_pb2_grpc.PracticeSessionsStub(channel)
        # On a busy machine a lesson may be at its network for a minute: the server is away until both have missed it.
        while time.monotonic() - gone_s < AWAY_S or not all(
            _complaints(home, name) for name in ("cello", "viola")
        ):
            assert time.monotonic() - gone_s < PATIENCE_S
            sessions.ListPracticeSessions(  # whoever asks is answered meanwhile
                studio_pb2.ListPracticeSessionsRequest(), timeout=30
            )
            time.sleep(1.0)
        assert runs.is_alive()
        assert arrives.is_alive()
        server.start()
        server.wait()
        for lesson in (runs, arrives):
            lesson.join(PATIENCE_S)
            assert lesson.error is None, lesson.error
            assert lesson.session.state == States.STATE_SUCCEEDED, (
                lesson.session.failure
            )
            assert lesson.session.personality.generation == 1
            assert not [e for e in lesson.events if e.WhichOneof("event") == "failed"]
    monkeypatch.setattr(patience, "_given_up_at", {})
    monkeypatch.setenv("AMADEUS_METADATA", url)
    monkeypatch.setenv("AMADEUS_METADATA_PASSWORD", mariadb.PASSWORD)
    for name in ("cello", "viola"):
        deu = home.deu(name)
        assert deu.generations() == [1]
        (record,) = lineage.lineage_of(home, deu)
        assert record.kind == "imitation"
        assert len(record.takes) == len(contents)
        said = _complaints(home, name)
        assert len(said) == 1, "one sentence, however often it was tried"
        assert mariadb.PASSWORD not in _log(home, name)


def _complaints(home, name):
    return [line for line in _log(home, name).splitlines() if "does not answer" in line]


def _log(home, name):
    """The log of the one practice of a deu; empty before there is one."""
    paths = list((home.path / "deus" / name / "practices").glob("*/log.txt"))
    return "".join(path.read_text() for path in paths)
