"""Takes that a studio played carry what each frame was told, and nobody else pays for it."""

import numpy as np
import pytest

from amadeus.live.notes import Frames
from amadeus.play.record import decode, encode
from serving.client import perform as client
from serving.client.connection import Address
from serving.client.sung import SungLines
from tests.live.singers import SineSinger
from tests.serving.studio.stage import Heard, RunningStage, SineVoices, configure, midi

RATE, HOP = 16_000, 160  # of the voice
STEADY = {"vibrato_scale": 0.0, "attack_scale": 0.05}


@pytest.fixture
def stage():
    with RunningStage(SineVoices()) as stage:
        yield stage


def chord(*starts):
    """Notes that begin one after the other, in samples, and sound together to the end."""
    events = [
        (start / RATE, bytes([0x90, 60 + 4 * n, 80])) for n, start in enumerate(starts)
    ]
    events += [(1.0, bytes([0x80, 60 + 4 * n, 0])) for n in range(len(starts))]
    return client.Source(events=events)


def play(stage, source, **fields):
    asked = configure(sample_rate=0, player_profile=STEADY, **fields).configuration
    return client.play(Address(f"127.0.0.1:{stage.port}"), source, asked)


def sing(lines):
    """What voices of the same kind make of lines, each from its first tone on."""
    sound = np.zeros(max(len(line.f0_hz) for line in lines) * HOP, np.float32)
    for line in lines:
        first = int(np.flatnonzero(line.f0_hz > 0)[0])
        singer = SineSinger()
        curves = (line.f0_hz[first:], line.loudness_db[first:])
        frames = Frames(
            *(c[None] for c in curves), *(np.zeros_like(curves[0])[None],) * 3
        )
        state = np.zeros((1, singer.state_size), np.float32)
        sound[first * HOP :] += singer.sing(frames, state).audio[0]
    return sound


def test_the_lines_of_a_take_sound_as_the_take(stage):
    played = play(stage, chord(10 * HOP, 25 * HOP, 40 * HOP))
    lines = played.record.lines
    assert len(lines) == 3, "notes that sound together have a line each"
    sound = sing(lines)
    n_samples = min(len(sound), len(played.audio))
    assert n_samples > RATE
    np.testing.assert_allclose(sound[:n_samples], played.audio[:n_samples], atol=2e-3)
    assert np.abs(played.audio).max() > 0.01


@pytest.mark.parametrize("place", [1, 79, 81, 159])
def test_a_note_between_two_frames_is_laid_on_the_nearer_one(stage, place):
    played = play(stage, chord(10 * HOP + place))
    (line,) = played.record.lines
    first = int(np.flatnonzero(line.f0_hz > 0)[0])
    assert abs(first * HOP - (10 * HOP + place)) <= HOP / 2


def test_notes_one_after_the_other_share_a_line(stage):
    events = [
        (start, bytes([kind, key, 80]))
        for n, key in enumerate((60, 64, 67))
        for start, kind in ((1.0 * n, 0x90), (1.0 * n + 0.3, 0x80))
    ]
    played = play(stage, client.Source(events=events))
    (line,) = played.record.lines
    middle = [abs(line.f0_hz[round((n + 0.2) * RATE / HOP)]) for n in range(3)]
    np.testing.assert_allclose(middle, [261.63, 329.63, 392.0], rtol=1e-3)
    assert np.isfinite(line.loudness_db).all()
    assert (line.f0_hz != 0).all()


def test_a_take_says_who_played_and_how(stage):
    played = play(stage, chord(0))
    record = decode(encode(played.record))
    assert (record.deu, record.generation) == ("sine", 1)
    assert record.player_profile.vibrato_scale == 0.0
    assert (record.spec.sample_rate, record.spec.hop_size) == (RATE, HOP)
    assert len(record.lines) == 1


def test_timbre_is_told_where_there_is_any(stage):
    bent = {**STEADY, "brightness": 0.5}
    asked = configure(sample_rate=0, player_profile=bent).configuration
    played = client.play(Address(f"127.0.0.1:{stage.port}"), chord(0), asked)
    (line,) = played.record.lines
    assert line.timbre is not None
    assert line.timbre.brightness[20] == pytest.approx(0.5)
    assert play(stage, chord(0)).record.lines[0].timbre is None


def test_who_does_not_ask_is_told_nothing(stage):
    requests = [configure(), midi(0x90, 60, 80), midi(0x80, 60, 0)]
    kinds = [r.WhichOneof("message") for r in stage.stub.Perform(iter(requests))]
    assert "sung" not in kinds
    assert kinds[-1] == "ended"


def test_all_is_told_before_the_end_and_in_few_messages(stage):
    asked = configure(send_controls=True, block_size=64)
    requests = [
        asked,
        midi(0x90, 60, 80, at=0),
        midi(0x80, 60, 0, at=3 * 48_000),
    ]
    responses = list(stage.stub.Perform(iter(requests)))
    kinds = [response.WhichOneof("message") for response in responses]
    assert kinds[-1] == "ended"
    sung = [r.sung for r in responses if r.HasField("sung")]
    assert 1 <= len(sung) <= 5
    assert sum(len(s.f0_hz) for s in sung) >= 300
    ends = [s.voice_sample_offset + HOP * len(s.f0_hz) for s in sung]
    assert [s.voice_sample_offset for s in sung[1:]] == ends[:-1], "without a gap"
    assert len(Heard(iter(responses)).sound) > 3 * 48_000


def test_a_take_that_is_kept_keeps_who_began_it(stage):
    performance = configure(send_controls=True)
    stage.voices.generation = 1
    calls = stage.stub.Perform(iter([performance, midi(0x90, 60, 80, at=0)]))
    assert next(iter(calls)).started.personality.generation == 1
    for response in calls:
        notice = response.notice.text if response.HasField("notice") else ""
        assert "plays as generation" not in notice


def test_a_line_of_nothing_is_no_line():
    assert SungLines().lines(hop_size=HOP, silence_db=-90.0) == []
