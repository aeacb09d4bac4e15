"""Performances over a real socket. The voices sing sines; `test_served_voices` plays real ones."""

import itertools
import queue
import threading
import time
from contextlib import closing

import grpc
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amadeus.errors import VoiceError
from amadeus.v1 import perform_pb2
from serving.client.connection import reason_of
from serving.studio.conductor import Conductor
from serving.studio.perform import PerformLimits
from tests.live.playing import cents, pitch_hz
from tests.serving.studio.stage import (
    Heard,
    RunningStage,
    SineVoices,
    advance,
    configure,
    midi,
)

STUDIO = perform_pb2.PERFORM_CLOCK_STUDIO
STEADY = {"vibrato_scale": 0.0, "attack_scale": 0.05}


@pytest.fixture
def stage():
    with RunningStage(SineVoices()) as stage:
        yield stage


def wait_until(happens, timeout_s=10.0):
    deadline_s = time.monotonic() + timeout_s
    while not happens():
        assert time.monotonic() < deadline_s, "it never happened"
        time.sleep(0.01)


class Live:
    """A performance whose requests are sent one by one."""

    def __init__(self, stage, *requests):
        self._requests = queue.SimpleQueue()
        for request in requests:
            self._requests.put(request)
        self.call = stage.stub.Perform(iter(self._requests.get, None))

    def send(self, *requests):
        for request in requests:
            self._requests.put(request)

    def wait_for(self, kind):
        """Reads on until a notice of this kind."""
        for response in self.call:
            notice = response.notice if response.HasField("notice") else None
            if notice and perform_pb2.PerformanceNotice.Kind.Name(notice.kind) == kind:
                return
        raise AssertionError(f"it ended without {kind}")

    def end(self):
        self._requests.put(None)
        return Heard(self.call)

    def close(self):
        self.call.cancel()


def test_a_tune_is_played_in_order_and_to_its_end(stage):
    requests = [
        configure(block_size=512, player_profile=STEADY),
        midi(0x90, 69, 100, at=4_800),
        midi(0x80, 69, 64, at=28_800),
        advance(48_000),
    ]
    heard = Heard(stage.stub.Perform(iter(requests)))
    offsets = [block.sample_offset for block in heard.blocks]
    assert offsets == list(range(0, 512 * len(offsets), 512))
    assert heard.ended.sample_count == len(heard.sound) >= 48_000
    assert heard.ended.note_count == 1
    assert abs(cents(pitch_hz(heard.sound[9_600:24_000]), 440)) < 2
    assert not heard.sound[:4_800].any()
    wait_until(lambda: not stage.voices.open)


def test_what_is_heard_does_not_depend_on_when_it_was_sent(stage):
    """Neither on who plays at the same time: a note that is held until the client goes, a knob, and the tail."""
    begin = configure(block_size=480, player_profile=STEADY)
    held = [begin, midi(0x90, 69, 100), advance(9_600), midi(0x90, 76, 100)]
    held += [advance(14_399)]
    at_once = Heard(stage.stub.Perform(iter(held)))
    live = Live(stage, *held[:3])
    _read_until(live, 9_600)
    with closing(Live(stage, configure(clock=STUDIO, block_size=64))):
        live.send(*held[3:])
        _read_until(live, 14_399 // 480 * 480)
        slowly = live.end()
    assert slowly.ended == at_once.ended
    n_rest = len(slowly.sound)
    assert n_rest > 4_800
    np.testing.assert_allclose(slowly.sound, at_once.sound[-n_rest:], atol=1e-6)


def _read_until(live, sample):
    for response in live.call:
        block = response.audio if response.HasField("audio") else None
        if block and block.sample_offset + len(block.samples) // 4 == sample:
            return


def test_what_was_left_open_is_said_at_the_start(stage):
    heard = Heard(stage.stub.Perform(iter([configure(sample_rate=0)])))
    full = heard.started.configuration
    assert full.sample_rate == heard.started.voice_sample_rate == 16_000
    assert full.block_size == 512
    assert full.channel_count == 1
    assert full.player_profile.voice_count == 16
    assert heard.started.personality.deu == "sine"
    assert heard.started.frame_rate == 100
    assert heard.ended.sample_count == 0


@pytest.mark.parametrize(
    "rate", [16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000]
)
def test_every_rate_sounds_at_its_pitch(stage, rate):
    requests = [
        configure(sample_rate=rate, block_size=32, player_profile=STEADY),
        midi(0x90, 69, 100),
        advance(rate // 2),
    ]
    sound = Heard(stage.stub.Perform(iter(requests))).sound
    assert abs(cents(pitch_hz(sound[rate // 5 : rate // 2], rate), 440)) < 2


def test_two_channels_carry_the_same_sound(stage):
    requests = [configure(channel_count=2), midi(0x90, 69, 100), advance(9_600)]
    sound = Heard(stage.stub.Perform(iter(requests))).sound.reshape(-1, 2)
    np.testing.assert_array_equal(sound[:, 0], sound[:, 1])
    assert sound.any()


@pytest.mark.parametrize(
    ("requests", "code", "sentence"),
    [
        ([], "INVALID_ARGUMENT", "send a configuration first"),
        ([midi(0x90, 60, 1)], "INVALID_ARGUMENT", "began with midi"),
        ([configure("nobody")], "NOT_FOUND", "no such deu"),
        ([configure(block_size=5)], "INVALID_ARGUMENT", "block_size=5 is out of range"),
        ([configure(), configure()], "INVALID_ARGUMENT", "a second configuration"),
        ([configure(), advance(-1)], "INVALID_ARGUMENT", "time only goes on"),
        (
            [configure(player_profile={"reverb_mix": 7})],
            "INVALID_ARGUMENT",
            "reverb_mix=7 is out of range",
        ),
        (
            [configure("broken"), midi(0x90, 60, 1), advance(4_800)],
            "INTERNAL",
            "a fault of the studio",
        ),
    ],
)
def test_what_cannot_be_played_ends_in_a_status(stage, requests, code, sentence):
    with pytest.raises(grpc.RpcError) as raised:
        Heard(stage.stub.Perform(iter(requests)))
    assert raised.value.code().name == code
    assert sentence in raised.value.details()
    wait_until(lambda: not stage.voices.open)


def test_who_is_not_held_is_a_reason_to_act_on(stage):
    with pytest.raises(grpc.RpcError) as raised:
        Heard(stage.stub.Perform(iter([configure("nobody")])))
    assert reason_of(raised.value) == "PERSONALITY_NOT_HELD"


def test_a_broken_voice_silences_nobody_else(stage):
    good = Live(
        stage, configure(clock=STUDIO, player_profile=STEADY), midi(0x90, 69, 100)
    )
    time.sleep(0.2)
    bad = Live(stage, configure("broken", clock=STUDIO), midi(0x90, 60, 100))
    with pytest.raises(grpc.RpcError):
        Heard(bad.call)
    time.sleep(0.3)
    heard = good.end()
    assert heard.ended is not None
    steps = np.diff([block.sample_offset for block in heard.blocks])
    assert set(steps) == {512}
    assert abs(cents(pitch_hz(heard.sound[9_600:19_200]), 440)) < 2


def test_the_studios_clock_keeps_time(stage):
    began_s = time.monotonic()
    live = Live(stage, configure(clock=STUDIO, block_size=480))
    arrivals_s = []
    for response in live.call:
        if response.WhichOneof("message") == "audio":
            arrivals_s.append(time.monotonic() - began_s)
        if len(arrivals_s) == 100:
            break
    live.end()
    # never early; a machine that is busy may hold up any of them
    assert (np.array(arrivals_s) > 0.01 * np.arange(100)).all()
    assert arrivals_s[-1] < 10


def test_a_client_that_leaves_frees_its_voice(stage):
    live = Live(stage, configure(clock=STUDIO), midi(0x90, 60, 100))
    next(iter(live.call))
    wait_until(lambda: len(stage.voices.open) == 1)
    live.call.cancel()
    wait_until(lambda: not stage.voices.open)
    wait_until(lambda: stage.metrics.performances_open._value.get() == 0)


def test_a_client_that_leaves_before_its_voice_comes_leaves_no_voice_behind(stage):
    acquire, asked = stage.voices.acquire, threading.Event()

    def slowly(reference):
        asked.set()
        time.sleep(0.5)
        return acquire(reference)

    stage.voices.acquire = slowly
    live = Live(stage, configure(clock=STUDIO))
    assert asked.wait(10)
    live.call.cancel()
    time.sleep(0.7)
    wait_until(lambda: not stage.voices.open)
    wait_until(lambda: stage.performances._n_open == 0)


def test_a_client_that_does_not_read_is_waited_for(stage):
    live = Live(
        stage, configure(block_size=8_192), midi(0x90, 60, 100), advance(48_000 * 600)
    )
    time.sleep(1.0)
    # what fills the buffers of the connection, not ten minutes
    made = stage.metrics.blocks._value.get() * 8_192 / 48_000
    assert made < 300
    live.call.cancel()
    wait_until(lambda: not stage.voices.open)


def test_a_client_in_the_studios_time_that_does_not_read_is_let_go():
    with RunningStage(SineVoices()) as stage:
        live = Live(stage, configure(clock=STUDIO, block_size=8_192, channel_count=2))
        seat = None
        wait_until(lambda: stage.performances._seats)
        seat = next(iter(stage.performances._seats))
        seat.read(-(10**9))  # as if nothing had been taken for long
        with pytest.raises(grpc.RpcError) as raised:
            Heard(live.call)
        assert "sound were not taken" in raised.value.details()


def test_only_so_many_performances_are_open():
    with RunningStage(SineVoices(), PerformLimits(max_performances=2)) as stage:
        lives = [Live(stage, configure(clock=STUDIO)) for _ in range(2)]
        for live in lives:
            next(iter(live.call))
        with pytest.raises(grpc.RpcError) as raised:
            Heard(Live(stage, configure()).call)
        assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert lives[0].end().ended is not None
        wait_until(lambda: stage.performances._n_open == 1)
        assert Live(stage, configure()).end().ended is not None


def test_a_studio_that_stops_lets_performances_end_and_takes_no_new_ones(stage):
    live = Live(
        stage, configure(clock=STUDIO, player_profile=STEADY), midi(0x90, 69, 100)
    )
    time.sleep(0.2)
    ended = []
    thread = threading.Thread(target=lambda: ended.append(Heard(live.call)))
    thread.start()
    stage.run(stage.performances.drain(5.0))
    thread.join(10)
    assert ended[0].ended is not None  # no status, but a last word
    assert np.abs(ended[0].sound[-10:]).max() < 1e-3
    with pytest.raises(grpc.RpcError) as raised:
        Heard(Live(stage, configure()).call)
    assert raised.value.code() == grpc.StatusCode.UNAVAILABLE


def test_a_new_generation_takes_over_at_the_next_note(stage):
    live = Live(
        stage, configure(clock=STUDIO, player_profile=STEADY), midi(0x90, 57, 100)
    )
    time.sleep(0.2)
    stage.voices.generation = 2
    live.wait_for("KIND_PERSONALITY_CHANGED")
    assert len(stage.voices.open) == 2
    live.send(midi(0x90, 69, 100), midi(0x80, 57, 64))
    wait_until(lambda: len(stage.voices.open) == 1, 20)
    heard = live.end()
    assert np.abs(np.diff(heard.sound)).max() < 0.1


def test_a_new_generation_that_comes_when_its_client_has_gone_is_let_go(stage):
    live = Live(stage, configure(clock=STUDIO), midi(0x90, 57, 100))
    next(iter(live.call))
    acquire, asked, gone = stage.voices.acquire, threading.Event(), threading.Event()

    def slowly(reference):
        asked.set()
        assert gone.wait(60)
        return acquire(reference)

    stage.voices.acquire, stage.voices.generation = slowly, 2
    assert asked.wait(60)
    live.call.cancel()
    wait_until(lambda: not stage.voices.open, 60)
    gone.set()
    wait_until(lambda: stage.voices.released == 2, 60)
    assert not stage.voices.open


class Follower:
    """A seat whose performance follows a deu."""

    follows, is_leaving, is_over = "sine", False, False


def test_a_generation_that_cannot_be_loaded_is_complained_of_once(monkeypatch, caplog):
    n_asked = itertools.count(1)
    enough = threading.Event()

    def fail(_seat):
        if next(n_asked) == 5:
            enough.set()
        raise VoiceError("generation 2 is damaged.")

    monkeypatch.setattr("serving.studio.conductor.LOOK_AROUND_S", 0.01)
    conductor = Conductor(newer=fail, release=list, hand_out=list)
    conductor._seats.append(Follower())
    looking = threading.Thread(target=conductor._look_around)
    conductor._threads.append(looking)
    looking.start()
    assert enough.wait(60)
    conductor.stop()
    assert caplog.text.count("no new generation of sine: generation 2 is damaged.") == 1


def test_a_studio_that_ends_lets_go_of_who_would_have_taken_over():
    found, released = threading.Event(), []
    conductor = Conductor(
        newer=lambda _seat: found.set() or "successor",
        release=released.append,
        hand_out=lambda: None,
    )
    conductor._seats.append(Follower())
    looking = threading.Thread(target=conductor._look_around)
    conductor._threads.append(looking)
    looking.start()
    assert found.wait(60)
    conductor.stop()
    assert released == ["successor"]


def test_one_asked_for_by_its_number_stays(stage):
    stage.voices.generation = 1
    live = Live(stage, configure(generation=1, clock=STUDIO))
    time.sleep(0.2)
    stage.voices.generation = 2
    time.sleep(2.5)
    assert "KIND_PERSONALITY_CHANGED" not in live.end().kinds


def test_lines_keep_who_began_them(stage):
    frames = {"f0_hz": [220.0] * 400, "loudness_db": [-20.0] * 400}
    controls = perform_pb2.PerformRequest(controls=frames)
    mode = perform_pb2.PERFORM_MODE_CONTROLS
    live = Live(stage, configure(clock=STUDIO, mode=mode), controls)
    time.sleep(0.2)
    stage.voices.generation = 2
    time.sleep(2.5)  # two looks for new generations
    assert len(stage.voices.open) == 1
    assert "KIND_PERSONALITY_CHANGED" not in live.end().kinds


class HangingVoices(SineVoices):
    """One deu's voice comes from a store that does not answer."""

    def __init__(self):
        super().__init__()
        self.answers = threading.Event()

    def acquire(self, reference):
        if reference.generation.deu == "far":
            self.answers.wait(60)
        return super().acquire(reference)


def test_a_store_that_hangs_keeps_no_other_voice_waiting():
    voices = HangingVoices()
    with RunningStage(voices) as stage:
        waiting = [stage.stub.Perform(iter([configure("far")])) for _ in range(12)]
        here = stage.stub.Perform(iter([configure(), advance(4_800)]), timeout=30)
        assert Heard(here).ended.sample_count >= 4_800
        voices.answers.set()
        for call in waiting:
            with pytest.raises(grpc.RpcError):
                Heard(call)


def test_performances_share_batches(stage):
    lives = [
        Live(stage, configure(clock=STUDIO), midi(0x90, 60 + i, 100)) for i in range(4)
    ]
    time.sleep(1.0)
    sizes = [size for singer in stage.voices.open for size in singer.batch_sizes]
    for live in lives:
        live.end()
    assert max(sizes) > 1


fields = st.one_of(
    st.builds(lambda d: {"midi": {"data": d}}, st.binary(max_size=20)),
    st.builds(
        lambda d, at: {"midi": {"data": d, "sample_offset": at}},
        st.binary(max_size=6),
        st.integers(-(2**63), 2**63 - 1),
    ),
    st.builds(lambda n: {"advance": {"sample_offset": n}}, st.integers(-5, 20_000)),
    st.builds(
        lambda hz, db: {"controls": {"f0_hz": hz, "loudness_db": db}},
        st.lists(st.floats(width=32), max_size=4),
        st.lists(st.floats(width=32), max_size=4),
    ),
    st.builds(lambda s: {"audio": {"samples": s}}, st.binary(max_size=64)),
    st.builds(
        lambda x: {"player_profile": {"a4_hz": x, "voice_count": 3}},
        st.floats(width=32),
    ),
    st.just({}),
)


# about 10,000 messages
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 4), st.integers(-3, 9_000), st.lists(fields, max_size=70))
def test_whatever_is_sent_ends_in_a_status_or_in_sound(
    fuzzed, mode, block_size, messages
):
    asked = configure(mode=mode, block_size=block_size)
    requests = [perform_pb2.PerformRequest(**message) for message in messages]
    call = fuzzed.stub.Perform(iter([asked, *requests]), timeout=30)
    sound, code = np.zeros(0), None
    try:
        sound = Heard(call).sound
    except grpc.RpcError as error:
        code = error.code()
    assert code in (None, grpc.StatusCode.INVALID_ARGUMENT), call.details()
    assert np.isfinite(sound).all()


@pytest.fixture(scope="module")
def fuzzed():
    with RunningStage(SineVoices()) as stage:
        yield stage
        assert Heard(stage.stub.Perform(iter([configure()]))).ended is not None
