import contextlib

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from amadeus.audio.write import write_wav
from amadeus.errors import RecordingError
from amadeus.personality.profiles import parse_player_settings
from amadeus.play.notation import Note, Score
from amadeus.play.perform import perform_score, resample_performance
from amadeus.play.record import decode, encode, read_record
from tests.play.instrument import SineVoice, make_personality

SCORE = Score(
    notes=(Note(0.0, 0.5, 60, 100), Note(0.25, 0.8, 64, 80), Note(1.6, 2.0, 67, 127))
)


@pytest.fixture
def performance():
    voice = SineVoice(make_personality())
    voice.personality.digest = "sha256:" + "a" * 64
    profile = parse_player_settings(["brightness=0.5", "output_gain_db=20"])
    return perform_score(voice, SCORE, player_profile=profile)


def test_a_take_tells_exactly_what_was_played(performance, tmp_path):
    path = tmp_path / "take.wav"
    audio, sample_rate, _, record = performance
    write_wav(path, audio, sample_rate=sample_rate, record=encode(record))
    found = read_record(path)
    assert (found.deu, found.generation, found.digest) == (
        "sine", 1, "sha256:" + "a" * 64,
    )  # fmt: skip
    assert found.player_profile == record.player_profile
    assert found.player_profile.brightness == 0.5
    assert found.spec == record.spec
    assert len(found.lines) == 2
    for ours, theirs in zip(record.lines, found.lines, strict=True):
        np.testing.assert_array_equal(ours.f0_hz, theirs.f0_hz)
        np.testing.assert_array_equal(ours.loudness_db, theirs.loudness_db)
        np.testing.assert_array_equal(ours.timbre, theirs.timbre)


def test_played_again_from_its_record_it_is_the_same_sound():
    loud = parse_player_settings(["output_gain_db=24"])
    score = Score(notes=(Note(0.0, 0.6, 60, 127),))
    performance = perform_score(SineVoice(), score, player_profile=loud)
    record = decode(encode(performance.record))
    (line,) = record.lines
    audio = SineVoice().render(line.f0_hz, line.loudness_db)
    audio *= 10 ** ((record.player_profile.output_gain_db + record.gain_db) / 20)
    assert record.gain_db < -0.1
    np.testing.assert_allclose(audio, performance.audio[: len(audio)], atol=1e-5)


def test_the_level_is_known_after_a_change_of_rate(performance):
    assert performance.record.gain_db < -1
    changed = resample_performance(performance, sample_rate=44_100)
    assert changed.record.gain_db <= performance.record.gain_db
    assert changed.record.spec == performance.record.spec


def test_of_an_edited_take_is_known_who_played_but_not_when(performance, tmp_path):
    path = tmp_path / "take.wav"
    audio, sample_rate, _, record = performance
    write_wav(path, audio, sample_rate=sample_rate, record=encode(record))
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    found = read_record(path)
    assert (found.deu, found.lines, found.is_untouched) == ("sine", (), False)


def test_a_take_without_a_record_has_none(tmp_path):
    path = tmp_path / "other.wav"
    soundfile.write(path, np.zeros(100), 16_000)
    assert read_record(path) is None


def test_a_file_that_is_gone_is_said(tmp_path):
    with pytest.raises(RecordingError, match="cannot be read"):
        read_record(tmp_path / "gone.wav")


@given(place=st.integers(0, 10_000), value=st.integers(0, 255), cut=st.integers(0, 50))
def test_damage_is_said_or_harmless(place, value, cut):
    record = perform_score(SineVoice(), SCORE).record
    content = bytearray(encode(record))
    content[place % len(content)] = value
    with contextlib.suppress(RecordingError):
        found = decode(bytes(content[: len(content) - cut]))
        assert all(np.isfinite(line.f0_hz).all() for line in found.lines)


def test_a_bomb_is_not_unpacked():
    import json
    import zlib

    header, _, _ = encode(perform_score(SineVoice(), SCORE).record).partition(b"\n")
    small = json.loads(header)
    small["lines"] = [{"frame_count": 1, "timbre": False}]
    bomb = json.dumps(small).encode() + b"\n" + zlib.compress(bytes(50_000_000))
    with pytest.raises(RecordingError, match="curves"):
        decode(bomb)
    small["lines"] = [{"frame_count": 2**40, "timbre": True}]
    with pytest.raises(RecordingError, match="too many"):
        decode(json.dumps(small).encode() + b"\n" + zlib.compress(b""))
