"""A live session without keys and loudspeaker: tests strike and listen themselves."""

import time

import grpc
import numpy as np
import pytest

from amadeus.errors import ConfigError
from amadeus.v1 import perform_pb2
from serving.client import devices
from serving.client.live import LiveSession
from tests.live.playing import cents, pitch_hz
from tests.serving.studio.stage import RunningStage, SineVoices, configure

BLOCK = 240


@pytest.fixture
def stage():
    with RunningStage(SineVoices()) as stage:
        yield stage


def session(stage, deu="sine", lead_samples=4_800):
    asked = configure(deu, block_size=BLOCK, player_profile={"vibrato_scale": 0.0})
    return LiveSession(stage.channel, asked.configuration, lead_samples=lead_samples)


def hear(live, seconds):
    """Plays the sound card, in its own time."""
    blocks = []
    for _ in range(round(seconds * 48_000 / BLOCK)):
        block = np.full(BLOCK, 9.0, np.float32)
        live.fill(block)
        blocks.append(block)
        time.sleep(BLOCK / 48_000)
    return np.concatenate(blocks)


def test_keys_sound_and_end(stage):
    live = session(stage)
    started = live.start()
    assert started.configuration.mode == perform_pb2.PERFORM_MODE_MIDI
    hear(live, 0.2)
    live.strike(bytes([0x90, 69, 100]))
    sound = hear(live, 0.6)
    played = live.finish()
    assert abs(cents(pitch_hz(sound[-14_400:]), 440)) < 5
    assert played.n_notes == 1
    assert played.n_samples == round(0.8 * 48_000)
    assert played.n_missing < 0.3 * 48_000


def test_what_is_played_can_be_kept_with_what_each_frame_was_told(stage):
    asked = configure("sine", block_size=BLOCK, player_profile={"vibrato_scale": 0.0})
    live = LiveSession(
        stage.channel, asked.configuration, lead_samples=4_800, keeps=True
    )
    live.start()
    live.strike(bytes([0x90, 69, 100]))
    hear(live, 0.4)
    take = live.finish().take
    assert len(take.audio) > 0.3 * 48_000
    assert take.record.deu == "sine"
    (line,) = take.record.lines
    assert line.f0_hz.max() == pytest.approx(440, rel=1e-3)


def test_what_is_not_there_in_time_is_silence_and_counted(stage):
    live = session(stage, lead_samples=1)
    live.start()
    block = np.full(4_800, 9.0, np.float32)
    live.fill(block)
    assert not block.any()
    assert live.finish().n_missing >= 4_560


def test_a_studio_that_refuses_is_heard(stage):
    live = session(stage, "nobody")
    with pytest.raises(grpc.RpcError) as raised:
        live.start()
    assert raised.value.code() == grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    ("wanted", "number"),
    [(None, 0), ("nano", 1), ("Seaboard Block", 2), ("seaboard rise", 3)],
)
def test_a_device_is_found_by_part_of_its_name(wanted, number):
    names = ["Midi Through", "nanoKEY2", "Seaboard Block", "Seaboard RISE"]
    assert (
        devices.find(names, wanted, what="MIDI input", option="--midi-port") == number
    )


@pytest.mark.parametrize(
    ("names", "wanted", "sentence"),
    [
        ([], None, "no MIDI input"),
        (["a", "b"], "c", "there are: a, b"),
        (["Seaboard 1", "Seaboard 2"], "seaboard", "2 have 'seaboard' in their name"),
    ],
)
def test_a_device_that_is_not_there_is_a_sentence(names, wanted, sentence):
    with pytest.raises(ConfigError, match=sentence):
        devices.find(names, wanted, what="MIDI input", option="--midi-port")
