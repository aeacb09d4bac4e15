import struct

import mido
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from amadeus.errors import ScoreError
from amadeus.play.midi_file import MAX_FILE_BYTES, load_midi
from amadeus.play.score import read_score
from tests.play.tunes import bend, control, make_track, note, tempo, write


def starts_s(path):
    return [n.start_s for n in read_score(path).notes]


def test_times_follow_every_tempo_change(tmp_path):
    tune = [tempo(0, 120), tempo(2, 60), tempo(3, 240)]
    tune += [note(beat, 0.5, 60 + beat) for beat in range(6)]
    path = write(tmp_path / "t.mid", tune)
    # 2 beats at 0.5 s, 1 at 1 s, then 0.25 s each.
    assert_allclose(starts_s(path), [0, 0.5, 1.0, 2.0, 2.25, 2.5], atol=1e-9)


def test_a_note_across_a_tempo_change_lasts_the_sum(tmp_path):
    path = write(tmp_path / "t.mid", [tempo(1, 60), note(0, 2, 60)])
    assert_allclose(read_score(path).notes[0].end_s, 1.5)


def test_a_tempo_in_one_track_rules_all(tmp_path):
    path = write(tmp_path / "t.mid", [tempo(0, 60)], [note(1, 1, 60)])
    assert_allclose(starts_s(path), [1.0])


def test_without_a_tempo_a_beat_is_half_a_second(tmp_path):
    path = write(tmp_path / "t.mid", [note(3, 1, 60)])
    assert_allclose(starts_s(path), [1.5])


def test_smpte_time_counts_frames(tmp_path):
    path = write(tmp_path / "t.mid", [note(1, 1, 60)])
    content = bytearray(path.read_bytes())
    content[12:14] = struct.pack(">bB", -25, 40)  # 25 frames a second, 40 ticks a frame
    path.write_bytes(content)
    assert_allclose(starts_s(path), [480 / 1000])


def test_format_0_and_format_1_are_the_same_music(tmp_path):
    upper = [note(0, 1, 72), note(1, 2, 74, 100), control(1.5, 11, 60), tempo(2, 90)]
    lower = [note(0, 3, 48, channel=1), bend(1, 2000, channel=1)]
    one = read_score(write(tmp_path / "1.mid", upper, lower))
    zero = read_score(write(tmp_path / "0.mid", [*upper, *lower], midi_format=0))
    assert zero.notes == one.notes
    assert zero.channels.keys() == one.channels.keys()
    for number, channel in zero.channels.items():
        for mine, theirs in zip(channel, one.channels[number], strict=True):
            assert_allclose(mine.values, theirs.values)
            assert_allclose(mine.times_s, theirs.times_s)


def test_chunks_that_are_no_tracks_are_skipped(tmp_path):
    path = write(tmp_path / "t.mid", [note(1, 1, 60)])
    content = path.read_bytes()
    path.write_bytes(content[:14] + b"XFIH\0\0\0\3abc" + content[14:] + b"junk")
    assert_allclose(starts_s(path), [0.5])


def test_a_riff_wrapper_is_taken_off(tmp_path):
    content = write(tmp_path / "t.mid", [note(1, 1, 60)]).read_bytes()
    size = len(content)
    wrapped = b"RIFF" + struct.pack("<L", size + 12) + b"RMIDdata"
    path = tmp_path / "t.rmi"
    path.write_bytes(wrapped + struct.pack("<L", size) + content)
    assert_allclose(starts_s(path), [0.5])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"Dear diary, today I sang.\n" * 9, "not a MIDI file"),
        (b"MThd\0\0\0\6\0\1\0\1\1\xe0", "damaged"),  # promises a track and has none
        (b"MThd\0\0\0\6\0\2\0\0\1\xe0", "format 2"),
        (b"MThd\0\0\0\6\0\1\0\0\0\0", "0 ticks"),
        (b"MThd\0\0\0\6\0\1\0\1\1\xe0MTrk\0\0\1\0\0\x90", "truncated"),
        (b"MThd\0\0\0\6\0\1\0\1\1\xe0MTrk\0\0\0\2\0\x90", "damaged"),
    ],
)
def test_what_is_no_score_is_refused_in_a_sentence(tmp_path, content, reason):
    path = tmp_path / "t.mid"
    path.write_bytes(content)
    with pytest.raises(ScoreError, match=reason) as refusal:
        read_score(path)
    assert str(path) in str(refusal.value)
    assert str(refusal.value).endswith(".")


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(ScoreError, match="cannot read"):
        load_midi(tmp_path / "none.mid")
    with pytest.raises(ScoreError, match="cannot read"):
        load_midi(tmp_path)


def test_a_huge_file_is_refused_before_it_is_parsed(tmp_path):
    path = tmp_path / "t.mid"
    path.write_bytes(b"MThd" + bytes(MAX_FILE_BYTES))
    with pytest.raises(ScoreError, match="larger than 8 MB"):
        load_midi(path)


def test_every_truncation_is_refused(tmp_path):
    path = write(tmp_path / "t.mid", [tempo(0, 90), note(0, 1, 60), note(1, 1, 62)])
    content = path.read_bytes()
    for size in range(len(content)):
        path.write_bytes(content[:size])
        with pytest.raises(ScoreError):
            read_score(path)


@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    changes=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=8)
)
def test_a_damaged_file_is_played_or_refused_but_never_breaks(tmp_path, changes):
    events = [note(0, 1, 60), note(1, 1, 62), control(1, 64, 127), bend(1.2, 99)]
    named = make_track([*events, tempo(1, 77)], name="melody")
    named.insert(0, mido.MetaMessage("key_signature", key="Eb"))
    path = write(tmp_path / "t.mid", named)
    content = bytearray(path.read_bytes())
    for position, value in changes:
        content[position % len(content)] = value
    path.write_bytes(content)
    try:
        score = read_score(path)
    except ScoreError:
        return
    assert all(0 <= n.start_s <= n.end_s for n in score.notes)
