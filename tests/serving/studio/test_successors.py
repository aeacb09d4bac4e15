"""A generation that cannot take over is left alone for a while, said once, and told to who asks."""

import asyncio
import itertools
import threading

import aiohttp
import grpc
import pytest

from amadeus.errors import VoiceError
from amadeus.v1 import perform_pb2
from serving.studio.metrics import HEALTH_PATH, METRICS_PATH, MetricsEndpoint
from serving.studio.status import StatusError
from serving.studio.successors import LONGEST_PAUSE_S, Failures
from tests.cli.terminal import wait_for
from tests.serving.studio.stage import RunningStage, SineVoices, configure
from tests.serving.studio.test_metrics import read

ERROR = VoiceError("generation 2 is damaged.")


class Clock:
    now_s = 0.0

    def __call__(self):
        return self.now_s


def test_pauses_double_up_to_a_minute_and_one_line_is_logged(caplog):
    clock = Clock()
    failures, tried_s = Failures(clock), []
    for _ in range(6000):
        if failures.is_due("cello", 2):
            tried_s.append(clock.now_s)
            failures.note("cello", 2, ERROR)
        clock.now_s += 0.1
    pauses = [round(b - a) for a, b in itertools.pairwise(tried_s)]
    assert pauses[:7] == [1, 2, 4, 8, 16, 32, LONGEST_PAUSE_S]
    assert set(pauses[7:]) == {LONGEST_PAUSE_S}
    assert caplog.text.count("no new generation of cello") == 1


def test_another_generation_is_tried_at_once():
    failures = Failures(Clock())
    failures.note("cello", 2, ERROR)
    assert not failures.is_due("cello", 2)
    assert failures.is_due("cello", 3)
    assert failures.is_due("viola", 2)


@pytest.mark.parametrize("end", ["it loads", "another plays"])
def test_what_is_well_again_is_forgotten(end):
    failures = Failures(Clock())
    failures.note("cello", 2, ERROR)
    failures.settle("cello", 2)
    assert failures.counts() == {("cello", "VoiceError"): 1}
    if end == "it loads":
        failures.forget("cello")
    else:
        failures.settle("cello", 1)
    assert failures.counts() == {}
    assert failures.remarks() == []


class DamagedVoices(SineVoices):
    """Those newer than the first cannot be loaded, until a test says so."""

    is_damaged, n_asked = True, 0

    def acquire(self, reference):
        if reference.generation.generation == 2:
            self.n_asked += 1
            if self.is_damaged:
                raise StatusError(grpc.StatusCode.NOT_FOUND, "it is damaged.")
        return super().acquire(reference)


def test_many_seats_ask_once_and_health_and_metrics_say_why(monkeypatch, caplog):
    monkeypatch.setattr("serving.studio.conductor.LOOK_AROUND_S", 0.01)
    clock = Clock()
    voices = DamagedVoices()
    with RunningStage(voices) as stage:
        failures = stage.performances._failures
        failures._clock = clock
        streams = [_stay(stage) for _ in range(3)]
        voices.generation = 2
        wait_for(lambda: voices.n_asked)
        n_looks = _count_looks(stage)
        wait_for(lambda: n_looks() > 30)
        assert voices.n_asked == 1
        health, metrics = asyncio.run(_scrape(stage.metrics))
        assert health.splitlines()[0] == "SERVING"
        assert "generation 2 of sine cannot take over (tried 1 times): it is" in health
        labels = ("deu", "sine"), ("error", "StatusError")
        assert read(metrics)["amadeus_successors_failed", *labels] == 1
        clock.now_s += 1.5
        wait_for(lambda: voices.n_asked == 2)
        voices.is_damaged = False
        clock.now_s += 3
        wait_for(lambda: not failures.all())
        assert asyncio.run(_scrape(stage.metrics))[0] == "SERVING\n"
        assert caplog.text.count("no new generation of sine") == 1
        for call in streams:
            call.cancel()


def test_who_begins_with_what_could_not_take_over_settles_it(monkeypatch):
    monkeypatch.setattr("serving.studio.conductor.LOOK_AROUND_S", 0.01)
    voices = DamagedVoices()
    with RunningStage(voices) as stage:
        failures = stage.performances._failures
        failures._clock = Clock()  # it stands: nobody tries again
        follower = _stay(stage)
        voices.generation = 2
        wait_for(failures.all)
        follower.cancel()
        wait_for(lambda: not stage.performances._seats)
        voices.is_damaged = False
        _stay(stage).cancel()
        assert failures.remarks() == []


def _stay(stage):
    """Opens a performance that follows its deu, and stays."""
    over = threading.Event()

    def requests():
        yield configure(clock=perform_pb2.PERFORM_CLOCK_CLIENT)
        over.wait(120)

    call = stage.stub.Perform(requests(), timeout=120)
    assert next(call).WhichOneof("message") == "started"
    call.add_callback(over.set)
    return call


def _count_looks(stage):
    looks, plain = [], stage.voices.current

    def current(deu):
        looks.append(deu)
        return plain(deu)

    stage.voices.current = current
    return lambda: len(looks)


async def _scrape(metrics):
    endpoint = MetricsEndpoint(metrics)
    await endpoint.start("127.0.0.1", 0)
    try:
        async with aiohttp.ClientSession() as session:
            texts = []
            for path in (HEALTH_PATH, METRICS_PATH):
                url = f"http://127.0.0.1:{endpoint.port}{path}"
                async with session.get(url) as response:
                    texts.append(await response.text())
            return texts
    finally:
        await endpoint.stop()
