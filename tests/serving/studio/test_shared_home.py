"""Three real studios with one home and one metadata server behind a balancer: what one begins another goes on with."""

import asyncio
import contextlib
import hashlib
import os
import signal
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import grpc
import numpy as np
import pytest

from amadeus import lineage
from amadeus.home import Home
from amadeus.lineage.addresses import sqlite_url
from amadeus.personality.bundle import read_bundle, write_bundle
from amadeus.personality.content import read_personality
from amadeus.v1 import (
    personality_pb2,
    profiles_pb2,
    session_pb2,
    studio_pb2,
    studio_pb2_grpc,
)
from serving.studio.personalities import CHUNK_BYTES
from tests.components import sounds
from tests.export.voices import SMALL, write_voice
from tests.serving.metadata_server.process import metadata_server
from tests.serving.studio.balancer import balancer
from tests.serving.studio.practising import States
from tests.serving.studio.test_process import Process, _note, _sound
from tests.serving.studio.test_replicas import _owner, _workers

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

PATIENCE_S = 600.0
PROFILE = profiles_pb2.LearnerProfile(
    harmonic_count=8, noise_band_count=9, recurrent_unit_count=8, dense_unit_count=8,
    reverb_duration_s=0.05, crop_duration_s=0.25, batch_size=2, step_count=400,
)  # fmt: skip


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    folder = tmp_path_factory.mktemp("takes")
    sounds.write_takes(folder, np.random.default_rng(440), n_takes=2, seconds=2.0)
    return [path.read_bytes() for path in sorted(Path(folder).rglob("*.wav"))]


@contextlib.contextmanager
def studios(home, **variables):
    """Real studios, on machines of their own as far as they know."""
    options = ("--grace-s", "2", "--practices-at-once", "1")
    processes = [
        Process(home, *options, AMADEUS_MACHINE=f"machine {n}", **variables)
        for n in range(3)
    ]
    try:
        yield [process.wait_ready() for process in processes]
    finally:
        for process in processes:
            process.kill()
        for pid in _workers(home):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)


@contextlib.contextmanager
def balanced(processes):
    """A balancer in a thread of its own; hands out its address."""
    loop = asyncio.new_event_loop()
    ports = [int(p.address("studio").rpartition(":")[2]) for p in processes]
    opened = balancer(ports)

    async def open_it():
        return await opened.__aenter__()

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    port, sent = asyncio.run_coroutine_threadsafe(open_it(), loop).result(30)
    try:
        yield f"127.0.0.1:{port}", sent
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)


def _alone(address):
    """A connection of its own: the balancer sends it to the next replica."""
    return grpc.insecure_channel(
        address, options=[("grpc.use_local_subchannel_pool", 1)]
    )


def _configuration(contents):
    infos = [
        session_pb2.RecordingInfo(
            name=f"take {n}.wav",
            byte_size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
        )
        for n, content in enumerate(contents)
    ]
    return session_pb2.PracticeConfiguration(
        session_id="lesson", deu="cello", learner_profile=PROFILE, recordings=infos
    )


def _send(address, contents, which):
    """Sends one recording on a connection, and leaves."""
    more = threading.Event()
    chunk = session_pb2.RecordingChunk(recording=which, data=contents[which])

    def requests():
        configuration = _configuration(contents)
        yield session_pb2.PracticeRequest(configuration=configuration)
        yield session_pb2.PracticeRequest(chunk=chunk)
        more.wait(60)

    with _alone(address) as channel:
        call = studio_pb2_grpc.StudioStub(channel).Practice(requests(), timeout=60)
        next(call)
        while not _get(address).held_byte_counts[which]:
            more.wait(0.1)
        more.set()
        call.cancel()


def _get(address):
    with _alone(address) as channel:
        request = studio_pb2.GetPracticeSessionRequest(session_id="lesson")
        stub = studio_pb2_grpc.PracticeSessionsStub(channel)
        return stub.GetPracticeSession(request, timeout=60)


def _follow(address):
    """Follows the lesson; comes back as often as its replica dies."""
    while True:
        configuration = session_pb2.PracticeConfiguration(session_id="lesson")
        request = session_pb2.PracticeRequest(configuration=configuration)
        with _alone(address) as channel, contextlib.suppress(grpc.RpcError):
            stub = studio_pb2_grpc.StudioStub(channel)
            yield from stub.Practice(iter([request]), timeout=PATIENCE_S)
            return


class Ensemble(NamedTuple):
    """Three studios, what they share, and the balancer before them."""

    home: Home
    metadata_url: str
    processes: list
    address: str
    sent: list  # ports that connections were sent to

    def meets_all(self, n_before):
        """Whether every replica has met a connection since `n_before` had been sent."""
        return len(set(self.sent[n_before:])) == len(self.processes)


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ensemble")
    home = Home(folder / "home")
    home.path.mkdir()
    backing = sqlite_url(folder / "metadata.sqlite")
    with (
        metadata_server(backing) as (url, _process),
        studios(home, AMADEUS_METADATA=url) as processes,
        balanced(processes) as (address, sent),
    ):
        yield Ensemble(home, url, processes, address, sent)


def _import(address, bundle, deu):
    chunks = [bundle[i : i + CHUNK_BYTES] for i in range(0, len(bundle), CHUNK_BYTES)]
    requests = [
        studio_pb2.ImportPersonalityRequest(chunk=chunk, deu=deu) for chunk in chunks
    ]
    with _alone(address) as channel:
        stub = studio_pb2_grpc.PersonalitiesStub(channel)
        return stub.ImportPersonality(iter(requests), timeout=PATIENCE_S)


def _export(address, deu, generation):
    named = personality_pb2.GenerationReference(deu=deu, generation=generation)
    request = studio_pb2.ExportPersonalityRequest(
        personality=personality_pb2.PersonalityReference(generation=named)
    )
    with _alone(address) as channel:
        stub = studio_pb2_grpc.PersonalitiesStub(channel)
        return b"".join(
            answer.chunk
            for answer in stub.ExportPersonality(request, timeout=PATIENCE_S)
        )


def _play(address, deu):
    with _alone(address) as channel:
        return _sound(_note(channel, deu=deu))


def test_what_is_brought_to_one_is_played_and_handed_out_by_all(
    ensemble, tmp_path, monkeypatch
):
    write_bundle(write_voice(tmp_path / "1", **SMALL), tmp_path / "viola.deu")
    bundle = (tmp_path / "viola.deu").read_bytes()
    n_replicas, address = len(ensemble.processes), ensemble.address
    n_before = len(ensemble.sent)
    brought = [_import(address, bundle, "viola") for _ in range(2)]  # each is checked
    assert len(set(ensemble.sent[n_before:])) == 2
    assert [answer.already_held for answer in brought] == [False, True]
    (digest,) = {answer.personality.digest for answer in brought}
    n_before = len(ensemble.sent)
    sounds_ = [_play(address, "viola") for _ in range(n_replicas)]
    assert ensemble.meets_all(n_before)
    assert sounds_[0].any()
    for sound in sounds_[1:]:
        np.testing.assert_allclose(sound, sounds_[0], atol=1e-6)
    n_before = len(ensemble.sent)
    for number in range(n_replicas):
        (tmp_path / "back.deu").write_bytes(_export(address, "viola", 1))
        back = read_bundle(
            tmp_path / "back.deu",
            tmp_path / f"back-{number}",
            check=read_personality,  # it was checked when it came
        )
        assert back.digest == digest
    assert ensemble.meets_all(n_before)
    monkeypatch.setenv("AMADEUS_METADATA", ensemble.metadata_url)
    (record,) = lineage.lineage_of(ensemble.home, ensemble.home.deu("viola"))
    assert (record.kind, record.digest) == ("import", digest)


def test_performances_at_once_are_shared_out_and_all_are_whole(ensemble):
    address, processes = ensemble.address, ensemble.processes
    n_before, n_each = len(ensemble.sent), 2
    with ThreadPoolExecutor(n_each * len(processes)) as pool:
        waiting = [
            pool.submit(_play, address, "viola") for _ in range(n_each * len(processes))
        ]
        heard = [sound.result(PATIENCE_S) for sound in waiting]
    counts = Counter(ensemble.sent[n_before:])
    assert set(counts.values()) == {n_each}
    assert all(len(sound) == len(heard[0]) and sound.any() for sound in heard)


def test_one_of_three_dies_in_the_middle_of_a_practice_and_nothing_is_lost(
    ensemble, contents, monkeypatch
):
    """The last one here, for one studio less is there afterwards."""
    home, url, processes, address, _sent = ensemble
    _send(address, contents, 0)
    _send(address, contents, 1)  # at another replica
    for response in _follow(address):
        if response.event.WhichOneof("event") == "training_progress":
            break
    gone = _owner(home, processes)
    (keeper,) = _workers(home)
    gone.kill()
    os.killpg(keeper, signal.SIGKILL)
    *_, last = _follow(address)
    assert last.session.state == States.STATE_SUCCEEDED, last.session.failure
    assert last.session.personality.generation == 1
    living = [process for process in processes if process is not gone]
    for process in living:
        with process.channel() as channel:
            assert _sound(_note(channel)).any(), "each of them sings"
    monkeypatch.setenv("AMADEUS_METADATA", url)
    (record,) = lineage.lineage_of(home, home.deu("cello"))
    assert record.kind == "imitation"
    assert record.digest == last.session.personality.digest
    assert len(record.takes) == len(contents)
    assert not home.metadata_path.exists()
