"""One note at a time: by knobs of the player, and against a key by key account."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from amadeus.play.mono import sing_in_turn
from amadeus.play.notation import Note
from amadeus.v1 import profiles_pb2
from tests.play.instrument import SPEC, learned
from tests.play.playing import STRAIGHT, cents, frames, level_at, play, play_line

MONO = profiles_pb2.VOICE_MODE_MONO
LAST = profiles_pb2.NOTE_PRIORITY_LAST
LOW = profiles_pb2.NOTE_PRIORITY_LOW
HIGH = profiles_pb2.NOTE_PRIORITY_HIGH
PLUCKED = learned(sustain_slope_db_per_s=-30, vibrato_rate_hz=0)

NOTES = st.lists(
    st.builds(
        lambda start, length, pitch, track: Note(
            start / 10, (start + length) / 10, pitch, 80, 0, track
        ),
        st.integers(0, 40),
        st.integers(1, 20),
        st.integers(50, 60),
        st.integers(1, 2),
    ),
    max_size=20,
)


def sung(*spans, priority=LAST):
    notes = [Note(start, end, pitch, 80) for start, end, pitch in spans]
    return [
        (note.start_s, note.end_s, note.pitch_midi, note.is_legato)
        for note in sing_in_turn(notes, priority=priority)
    ]


def play_mono(*notes, **options):
    return play_line(*notes, voice_mode=MONO, **options)


@settings(deadline=None, derandomize=True)
@given(notes=NOTES, priority=st.sampled_from([LAST, LOW, HIGH]))
def test_at_every_instant_the_key_of_priority_sounds_alone(notes, priority):
    melody = sing_in_turn(notes, priority=priority)
    for track, instant in itertools.product((1, 2), np.arange(0.05, 6, 0.1)):
        held = [
            note
            for note in sorted(notes, key=lambda n: (n.start_s, n.pitch_midi))
            if note.track == track and note.start_s <= instant < note.end_s
        ]
        sounding = [
            note.pitch_midi
            for note in melody
            if note.track == track and note.start_s <= instant < note.end_s
        ]
        choose = {
            LAST: lambda pitches: pitches[-1:],
            LOW: lambda pitches: [min(pitches)],
            HIGH: lambda pitches: [max(pitches)],
        }[priority]
        pitches = [note.pitch_midi for note in held]
        assert sounding == (choose(pitches) if pitches else [])


@settings(deadline=None, derandomize=True)
@given(notes=NOTES)
def test_a_note_is_legato_where_a_key_was_down_already(notes):
    for note in sing_in_turn(notes, priority=LAST):
        others = [n for n in notes if n.track == note.track]
        was_down = any(n.start_s < note.start_s < n.end_s for n in others)
        assert note.is_legato == was_down


def test_a_melody_is_sung_as_written():
    melody = [Note(0, 1, 60, 80), Note(1, 2, 64, 70), Note(2.5, 3, 60, 90)]
    for priority in (LAST, LOW, HIGH):
        assert sing_in_turn(reversed(melody), priority=priority) == melody
    plain, mono = play_line(*melody), play_mono(*melody)
    assert_array_equal(mono.f0_hz, plain.f0_hz)
    assert_array_equal(mono.loudness_db, plain.loudness_db)


def test_a_key_let_go_gives_way_to_one_still_held():
    assert sung((0, 4, 60), (1, 2, 64)) == [
        (0, 1, 60, False),
        (1, 2, 64, True),
        (2, 4, 60, True),
    ]


def test_the_priority_decides_who_sounds():
    keys = ((0, 4, 60), (1, 3, 64), (2, 5, 55))
    assert [pitch for *_, pitch, _ in sung(*keys)] == [60, 64, 55]
    assert [pitch for *_, pitch, _ in sung(*keys, priority=LOW)] == [60, 55]
    assert [p for *_, p, _ in sung(*keys, priority=HIGH)] == [60, 64, 60, 55]


def test_a_chord_sings_one_of_its_notes():
    chord = ((0, 1, 60), (0, 1, 64), (0, 1, 67))
    assert sung(*chord) == sung(*chord, priority=HIGH) == [(0, 1, 67, False)]
    assert sung(*chord, priority=LOW) == [(0, 1, 60, False)]


def test_a_note_of_no_length_takes_its_turn():
    assert [pitch for *_, pitch, _ in sung((0, 2, 60), (1, 1, 64))] == [60, 64, 60]


def test_each_channel_has_a_voice_of_its_own():
    chord = [Note(0, 1, 60, 80), Note(0, 1, 67, 80), Note(0, 1, 72, 80, channel=1)]
    assert len(play(*chord, voice_mode=MONO).lines) == 2
    assert len(play(*chord).lines) == 3


@pytest.mark.parametrize("statistics", [STRAIGHT, PLUCKED])
def test_overlapping_keys_are_legato_whatever_the_instrument(statistics):
    keys = [Note(0, 1.8, 60, 90), Note(1, 2, 64, 90)]
    line = play_mono(*keys, statistics=statistics)
    after = line.loudness_db[frames(1, 1.2)]
    assert after.min() > level_at(line, 0.99) - 2  # a breath, and no new attack
    assert (line.f0_hz[frames(0.1, 1.9)] > 0).all()
    assert cents(line.f0_hz[frames(1.1, 1.11)], 64) == pytest.approx(0, abs=1)
    assert len(play(*keys, statistics=statistics).lines) == 2


def test_without_portamento_a_slur_glides_as_learned():
    keys = [Note(0, 1.5, 60, 90), Note(1, 2, 67, 90)]
    apart = [Note(0, 1, 60, 90), Note(1, 2, 67, 90)]
    held, slurred = play_mono(*keys), play_line(*apart)
    assert_array_equal(held.f0_hz[frames(0, 2)], slurred.f0_hz[frames(0, 2)])


@pytest.mark.parametrize("portamento_s", [0.1, 0.5])
def test_a_portamento_takes_its_time_from_the_new_key_on(portamento_s):
    keys = [Note(0, 1.5, 60, 90), Note(1, 2, 67, 90)]
    line = play_mono(*keys, portamento_s=portamento_s)
    pitch = cents(line.f0_hz[frames(0.9, 1.9)], 60) / 100
    assert (np.diff(pitch) >= -1e-4).all()
    assert_allclose(pitch[:10], 0, atol=1e-3)  # nothing moves before the key is down
    middle = round((0.1 + portamento_s / 2) * SPEC.frame_rate)
    assert pitch[middle] == pytest.approx(3.5, abs=0.1)
    moving = np.count_nonzero((pitch > 1e-3) & (pitch < 7 - 1e-3))
    assert moving == pytest.approx(portamento_s * SPEC.frame_rate, abs=2)


def test_a_glide_cut_short_goes_on_from_where_it_is():
    keys = [Note(0, 3, 60, 90), Note(1, 3, 72, 90), Note(1.2, 3, 60, 90)]
    line = play_mono(*keys, portamento_s=0.4)
    pitch = cents(line.f0_hz[frames(0.9, 2)], 60) / 100
    assert np.abs(np.diff(pitch)).max() < 12 * 1.6 / 0.4 / SPEC.frame_rate
    assert pitch.max() == pytest.approx(6, abs=0.6)  # half of the way
    assert_allclose(pitch[80:], 0, atol=1e-3)


def test_poly_knows_no_portamento_and_keys_apart_none_either():
    slurred = [Note(0, 1, 60, 90), Note(1, 2, 67, 90)]
    assert_array_equal(
        play_line(*slurred, portamento_s=1).f0_hz, play_line(*slurred).f0_hz
    )
    apart = [Note(0, 1, 60, 90), Note(1.5, 2, 67, 90)]
    assert_array_equal(play_mono(*apart, portamento_s=1).f0_hz, play_line(*apart).f0_hz)


def test_a_legato_note_reaches_its_own_level():
    keys = [Note(0, 2, 60, 120), Note(1, 2, 64, 20)]
    line = play_mono(*keys)
    alone = play_line(Note(0, 1, 64, 20))
    assert level_at(line, 1.5) == pytest.approx(level_at(alone, 0.5), abs=1.5)
