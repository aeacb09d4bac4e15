"""Plain MIDI 1.0: keys, pedals, controllers, modes."""

import numpy as np
import pytest

from amadeus.live.events import (
    AllSilenced,
    Expression,
    Ignored,
    ModeChanged,
    NoteChanged,
    NoteEnded,
    NoteStarted,
    NoteSustained,
)
from amadeus.live.keyboard import MAX_HELD_NOTES
from amadeus.v1 import profiles_pb2
from tests.live.messages import (
    bend,
    bend_range,
    control,
    key_pressure,
    of_kind,
    off,
    on,
    parameter,
    pressure,
    receiver,
    zone,
)

PLAIN = Expression()
SUSTAIN, SOSTENUTO, SOFT = 64, 66, 67


def started(events):
    return of_kind(events, NoteStarted)


def ended(events):
    return [event.note_id for event in of_kind(events, NoteEnded)]


def expression_of(events):
    """Expression of the last note that started or changed."""
    return of_kind(events, (NoteStarted, NoteChanged))[-1].expression


def test_a_key_starts_a_note_and_ends_it():
    playing = receiver()
    assert playing.feed(on(3, 60, 99)) == [NoteStarted(1, 3, 60, 99, PLAIN)]
    assert playing.feed(off(3, 60, 17)) == [NoteEnded(1, 17)]
    assert playing.feed(on(3, 60, 1)) == [NoteStarted(2, 3, 60, 1, PLAIN)]


def test_velocity_0_is_a_note_off_of_velocity_64():
    assert receiver(on(0, 60)).feed(on(0, 60, 0)) == [NoteEnded(1, 64)]


def test_a_note_off_without_a_note_means_nothing():
    assert receiver(on(0, 60)).feed(off(0, 61) + off(1, 60)) == []


def test_the_same_key_on_two_channels_is_two_notes():
    playing = receiver()
    first, second = playing.feed(on(0, 60) + on(1, 60))
    assert first.note_id != second.note_id
    assert playing.feed(off(1, 60, 5)) == [NoteEnded(second.note_id, 5)]


def test_a_key_struck_again_ends_its_note_and_offs_go_first_in_first_out():
    playing = receiver(on(0, 60))
    assert playing.feed(on(0, 60)) == [
        NoteEnded(1, 64),
        NoteStarted(2, 0, 60, 100, PLAIN),
    ]
    assert playing.feed(off(0, 60, 9)) == []  # that of the first strike
    assert playing.feed(off(0, 60, 9)) == [NoteEnded(2, 9)]


def test_drums_are_left_out_with_one_notice():
    playing = receiver()
    events = playing.feed(on(9, 40) + off(9, 40) + on(9, 41))
    assert [type(event) for event in events] == [Ignored]
    assert "channel 10" in events[0].text


def test_a_member_on_channel_10_plays_no_drums():
    assert started(receiver(zone(0, 15)).feed(on(9, 40)))


def test_programs_banks_and_unknown_controllers_are_ignored_quietly():
    data = bytes.fromhex("c0 05 b0 00 01 b0 20 02 b0 05 10 b0 0a 40 b0 63 01 f8 fe")
    assert receiver(on(0, 60)).feed(data) == []


def test_damaged_bytes_are_told_once_a_call_and_reading_goes_on():
    events = receiver().feed(b"\x3c\x40" + on(0, 60) + b"\xf7")
    assert [type(event) for event in events] == [NoteStarted, Ignored]
    assert "3 of 6 bytes" in events[1].text
    assert "0x3C" in events[1].text


# Controllers.


def test_the_bend_reaches_as_far_as_the_profile_says():
    playing = receiver(on(0, 60), bend_range_semitones=7)
    assert expression_of(playing.feed(bend(0, -1))).bend_semitones == -7
    assert expression_of(playing.feed(bend(0, 0.5))).bend_semitones == 3.5


def test_rpn_0_sets_the_bend_range_with_cents_if_sent():
    playing = receiver(on(0, 60), bend(0, 0.5))
    change = playing.feed(bend_range(0, 12))
    assert expression_of(change).bend_semitones == 6
    change = playing.feed(parameter(0, 0, lsb=50))
    assert expression_of(change).bend_semitones == 6.25
    change = playing.feed(bend_range(0, 4))  # the MSB takes the cents away
    assert expression_of(change).bend_semitones == 2


def test_the_bend_range_ends_at_96_semitones():
    events = receiver(bend_range(0, 120), bend(0, -1)).feed(on(0, 60))
    assert expression_of(events).bend_semitones == -96
    events = receiver(bend_range(0, 96, 99), bend(0, -1)).feed(on(0, 60))
    assert expression_of(events).bend_semitones == -96


def test_rpn_null_and_nrpns_end_data_entry():
    for ending in (
        control(0, 101, 127) + control(0, 100, 127),
        control(0, 99, 0) + control(0, 98, 0),
    ):
        playing = receiver(
            parameter(0, 0), ending, control(0, 6, 24), control(0, 96, 0)
        )
        events = playing.feed(bend(0, -1) + on(0, 60))
        assert expression_of(events).bend_semitones == -2


def test_data_increment_and_decrement_move_by_a_cent():
    playing = receiver(bend_range(0, 1, 99), bend(0, -1), on(0, 60))
    up = playing.feed(control(0, 96, 0) * 2)
    assert expression_of(up).bend_semitones == pytest.approx(-2.01)
    down = playing.feed(control(0, 97, 0) * 300)
    assert expression_of(down).bend_semitones == 0
    assert playing.feed(control(0, 97, 0)) == []


def test_a_range_sent_outlasts_the_knob_and_one_not_sent_follows_it():
    playing = receiver(bend_range(0, 12), *(bend(c, -1) + on(c, 60) for c in (0, 1)))
    profile = profiles_pb2.PlayerProfile(bend_range_semitones=5)
    [change] = playing.set_profile(profile)
    assert (change.note_id, change.expression.bend_semitones) == (2, -5)


def test_faders_have_general_midis_curve():
    for number, name, full in ((7, "volume_db", 100), (11, "expression_db", 127)):
        for value in range(1, 128):
            events = receiver(control(4, number, value)).feed(on(4, 60))
            expected = 40 * np.log10(value / full)
            assert getattr(expression_of(events), name) == pytest.approx(expected)
        silent = receiver(control(4, number, 0)).feed(on(4, 60))
        assert getattr(expression_of(silent), name) == -120


def test_modulation_pressure_and_timbre_come_in_units():
    playing = receiver(on(2, 60))
    changes = playing.feed(control(2, 1, 127) + pressure(2, 127) + control(2, 74, 0))
    assert expression_of(changes) == Expression(
        pressure_unit=1, timbre_unit=-1, modulation_unit=1
    )
    centred = playing.feed(control(2, 74, 64))
    assert expression_of(centred).timbre_unit == 0
    assert expression_of(playing.feed(control(2, 74, 127))).timbre_unit == 1


def test_what_changes_nothing_is_not_told():
    data = control(0, 1, 30) + pressure(0, 20)
    assert receiver(on(0, 60), data).feed(data) == []


def test_key_pressure_is_its_keys_alone_and_joins_the_channels():
    playing = receiver(on(0, 60), on(0, 64))
    [change] = playing.feed(key_pressure(0, 64, 127))
    assert (change.note_id, change.expression.pressure_unit) == (2, 1)
    playing.feed(key_pressure(0, 64, 64))
    both = playing.feed(pressure(0, 64))
    assert both[0].expression.pressure_unit == 64 / 127
    assert both[1].expression.pressure_unit == pytest.approx(1 - (63 / 127) ** 2)


def test_controllers_count_for_a_note_before_it_and_no_more_after_it():
    playing = receiver(bend(0, 0.5), pressure(0, 127), control(0, 7, 0))
    [note] = playing.feed(on(0, 60))
    assert note.expression == Expression(1.0, 1.0, volume_db=-120.0)
    playing.feed(off(0, 60))
    assert playing.feed(bend(0, 0) + pressure(0, 0) + control(0, 74, 9)) == []


def test_reset_all_controllers_is_that_of_rp_015():
    kept = control(0, 7, 50) + control(0, 74, 127) + bend_range(0, 12)
    lost = bend(0, 0.5) + control(0, 1, 9) + control(0, 11, 9) + pressure(0, 9)
    playing = receiver(kept, lost, on(0, 60), key_pressure(0, 60, 50), parameter(0, 0))
    [change] = playing.feed(control(0, 121, 0))
    assert change.expression == Expression(
        timbre_unit=1, volume_db=pytest.approx(40 * np.log10(0.5))
    )
    bent = playing.feed(control(0, 6, 24) + bend(0, -1))  # the parameter is null
    assert expression_of(bent).bend_semitones == -12


def test_of_changes_that_happen_at_once_only_what_they_come_to_is_told():
    playing = receiver(on(0, 60), on(0, 64))
    sweep = b"".join(bend(0, way) for way in np.linspace(-1, 1, 50)) + bend(0, 0.5)
    changes = playing.feed(sweep + off(0, 64) + bend(0, 0.25))
    assert [(type(event), event.note_id) for event in changes] == [
        (NoteChanged, 2),  # as it stood at its end
        (NoteEnded, 2),
        (NoteChanged, 1),
    ]
    assert changes[0].expression.bend_semitones == 1
    assert changes[2].expression.bend_semitones == 0.5
    assert playing.feed(bend(0, 1) + bend(0, 0.25)) == []


def test_what_a_reset_ends_ends_as_it_was():
    playing = receiver(control(0, SUSTAIN, 99), on(0, 60), off(0, 60), on(0, 64))
    playing.feed(bend(0, 0.5))
    assert playing.feed(control(0, 121, 0)) == [NoteEnded(1, 64), NoteChanged(2, PLAIN)]


def test_more_keys_than_there_are_voices_end_the_oldest():
    keys = [on(channel, key) for channel in range(8) for key in range(20, 40)]
    playing = receiver(*keys)
    assert playing.n_held == MAX_HELD_NOTES == 128
    assert ended(playing.feed(on(8, 60))) == [33]
    assert ended(playing.feed(off(1, 32) + off(1, 33))) == [34]


# Pedals.


def test_the_sustain_pedal_holds_notes_and_keeps_their_release_velocity():
    playing = receiver(control(0, SUSTAIN, 64), on(0, 60))
    assert playing.feed(off(0, 60, 33)) == [NoteSustained(1)]
    assert expression_of(playing.feed(bend(0, 0.5))).bend_semitones == 1
    assert playing.feed(control(0, SUSTAIN, 63)) == [NoteEnded(1, 33)]


def test_a_key_that_is_down_outlasts_the_pedal():
    playing = receiver(control(0, SUSTAIN, 127), on(0, 60))
    assert playing.feed(control(0, SUSTAIN, 0)) == []
    assert ended(playing.feed(off(0, 60))) == [1]


def test_a_sustained_key_struck_again_ends_first():
    playing = receiver(control(0, SUSTAIN, 127), on(0, 60), off(0, 60))
    assert [type(e) for e in playing.feed(on(0, 60))] == [NoteEnded, NoteStarted]
    assert playing.feed(off(0, 60)) == [NoteSustained(2)]


def test_sostenuto_holds_only_what_was_down_when_it_went_down():
    playing = receiver(on(0, 60), control(0, SOSTENUTO, 127), on(0, 64))
    assert ended(playing.feed(off(0, 64))) == [2]
    assert playing.feed(off(0, 60)) == [NoteSustained(1)]
    assert playing.feed(control(0, SOSTENUTO, 90)) == []  # still down
    assert ended(playing.feed(control(0, SOSTENUTO, 0))) == [1]


def test_sostenuto_does_not_catch_what_only_the_other_pedal_holds():
    playing = receiver(control(0, SUSTAIN, 127), on(0, 60), off(0, 60))
    playing.feed(control(0, SOSTENUTO, 127))
    assert ended(playing.feed(control(0, SUSTAIN, 0))) == [1]


def test_a_change_comes_before_the_key_goes_up():
    playing = receiver(control(0, SUSTAIN, 127), on(0, 60))
    events = playing.feed(bend(0, 1) + off(0, 60))
    assert [type(event) for event in events] == [NoteChanged, NoteSustained]


def test_either_pedal_is_enough():
    playing = receiver(on(0, 60), control(0, SOSTENUTO, 127), control(0, SUSTAIN, 127))
    playing.feed(off(0, 60))
    assert playing.feed(control(0, SUSTAIN, 0)) == []
    assert ended(playing.feed(control(0, SOSTENUTO, 0))) == [1]


def test_the_soft_pedal_softens_strikes():
    playing = receiver(control(0, SOFT, 127))
    assert [n.velocity for n in playing.feed(on(0, 60, 100) + on(0, 61, 1))] == [70, 1]
    assert playing.feed(control(0, SOFT, 0) + on(0, 62, 100))[0].velocity == 100


def test_a_pedal_is_its_channels_alone():
    playing = receiver(control(0, SUSTAIN, 127), on(1, 60))
    assert ended(playing.feed(off(1, 60))) == [1]


# Silence and modes.


@pytest.mark.parametrize("number", [123, 124, 125])
def test_all_notes_off_lifts_the_keys_and_pedals_still_hold(number):
    playing = receiver(on(0, 60), on(0, 64), on(1, 60))
    assert playing.feed(control(0, number, 0)) == [NoteEnded(1, 64), NoteEnded(2, 64)]
    assert playing.feed(off(0, 60) + off(0, 64)) == []
    playing.feed(control(1, SUSTAIN, 127))
    assert playing.feed(control(1, number, 0)) == [NoteSustained(3)]
    assert playing.feed(control(1, SUSTAIN, 0)) == [NoteEnded(3, 64)]


def test_offs_owed_are_forgiven_by_all_notes_off():
    playing = receiver(on(0, 60), on(0, 60), control(0, 123, 0))
    assert ended(playing.feed(on(0, 60) + off(0, 60))) == [3]


def test_all_sound_off_stops_what_pedals_hold_and_what_fades():
    playing = receiver(control(0, SUSTAIN, 127), on(0, 60), off(0, 60), on(0, 64))
    assert playing.feed(control(0, 120, 0)) == [
        NoteEnded(1, 64),
        NoteEnded(2, 64),
        AllSilenced((0,)),
    ]


def test_mono_and_poly_change_the_mode_of_a_channel():
    playing = receiver(on(2, 60))
    assert not playing.is_mono(2)
    assert playing.feed(control(2, 126, 1)) == [
        NoteEnded(1, 64),
        ModeChanged((2,), True),
    ]
    assert playing.is_mono(2)
    assert not playing.is_mono(3)
    assert playing.feed(control(2, 126, 1)) == []
    assert playing.feed(control(2, 127, 0)) == [ModeChanged((2,), False)]


def test_the_profile_says_in_which_mode_channels_begin():
    playing = receiver(on(0, 60), voice_mode=profiles_pb2.VOICE_MODE_MONO)
    assert all(map(playing.is_mono, range(16)))
    profile = profiles_pb2.PlayerProfile(voice_mode=profiles_pb2.VOICE_MODE_POLY)
    assert playing.set_profile(profile) == [
        NoteEnded(1, 64),
        ModeChanged(tuple(range(16)), False),
    ]


def test_a_system_reset_makes_all_as_it_was_at_first():
    playing = receiver(
        zone(0, 5), control(0, 7, 9), on(1, 60), bend(1, 0.5), control(0, 126, 0)
    )
    assert ended(playing.feed(on(1, 61) + b"\xff"))[-1] == 2
    assert playing.feed(bend(1, 0.5) + on(1, 60)) == [
        NoteStarted(3, 1, 60, 100, Expression(bend_semitones=1.0))
    ]
    assert not playing.is_mono(1)


def test_silence_stops_everything():
    playing = receiver(on(0, 60), on(1, 60), control(1, SUSTAIN, 127))
    events = playing.silence()
    assert ended(events) == [1, 2]
    assert events[-1] == AllSilenced(tuple(range(16)))
    assert playing.n_held == 0
