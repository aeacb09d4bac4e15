"""MPE: what its specification wants of a receiver, row by row of the reference's table of duties."""

import pytest

from amadeus.live.events import (
    AllSilenced,
    Expression,
    ModeChanged,
    NoteChanged,
    NoteEnded,
    NoteStarted,
    NoteSustained,
)
from tests.live.messages import (
    LOWER,
    UPPER,
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
from tests.live.test_receiver import ended, expression_of

SUSTAIN, SOSTENUTO, SOFT = 64, 66, 67


def mpe(*messages, **knobs):
    """A lower zone of channels 1 to 6."""
    return receiver(zone(LOWER, 5), *messages, **knobs)


# Zones, and what a configuration message does.


def test_a_configuration_message_on_a_master_makes_a_zone():
    playing = mpe(zone(UPPER, 3))
    assert playing.layout.lower.member_count == 5
    assert playing.layout.upper.channels == (15, 14, 13, 12)


@pytest.mark.parametrize("channel", range(1, 15))
def test_on_any_other_channel_it_is_ignored(channel):
    playing = mpe(on(3, 60))
    before = playing.layout
    assert playing.feed(zone(channel, 4)) == []
    assert playing.layout == before


def test_more_than_15_members_are_ignored():
    playing = mpe(on(3, 60))
    assert playing.feed(zone(LOWER, 16)) == []
    assert playing.layout.lower.member_count == 5


def test_data_increment_and_decrement_make_zones_larger_and_smaller():
    playing = mpe(parameter(LOWER, 6), control(LOWER, 96, 0) * 2)
    assert playing.layout.lower.member_count == 7
    playing.feed(control(LOWER, 97, 0) * 9)
    assert playing.layout.lower is None
    playing.feed(parameter(UPPER, 6) + control(UPPER, 96, 0))
    assert playing.layout.upper.member_count == 1


def test_channels_that_enter_or_leave_stop_and_are_reset():
    playing = receiver(*(on(channel, 60 + channel) for channel in range(8)))
    played = [bend(7, 1), pressure(7, 99), control(7, 74, 0), control(7, 7, 1)]
    playing.feed(b"".join(played))
    assert ended(playing.feed(zone(LOWER, 5))) == [1, 2, 3, 4, 5, 6]
    playing.feed(on(3, 70) + on(5, 71) + bend(3, 0.5))
    assert ended(playing.feed(zone(LOWER, 7))) == [7, 8]  # 6 and 7 enter
    assert playing.feed(on(7, 60))[0].expression == Expression()
    assert ended(playing.feed(zone(LOWER, 3))) == [10, 11]  # 4 to 7 leave
    assert playing.feed(bend(3, 1 / 4))[0].expression.bend_semitones == 12  # 3 stayed


def test_a_pedal_does_not_hold_what_leaves():
    playing = mpe(control(LOWER, SUSTAIN, 127), on(2, 60), off(2, 60))
    assert ended(playing.feed(zone(LOWER, 0))) == [1]
    assert ended(playing.feed(on(0, 60) + off(0, 60))) == [2]  # and it is up


def test_no_members_end_a_zone_and_channels_are_plain_again():
    playing = mpe(zone(LOWER, 0), bend(3, -1), control(3, 1, 127))
    [note] = playing.feed(on(3, 60))
    assert note.expression == Expression(-2.0, modulation_unit=1.0)


def test_channels_beside_a_zone_are_plain():
    playing = mpe(bend(LOWER, -1), bend(8, -1), bend_range_semitones=12)
    assert expression_of(playing.feed(on(8, 60))).bend_semitones == -12


# Bend ranges.


def test_at_first_the_master_bends_2_semitones_and_members_48():
    playing = mpe(bend(LOWER, -1), bend(2, -1))
    assert expression_of(playing.feed(on(2, 60))).bend_semitones == -50
    assert expression_of(playing.feed(on(3, 60))).bend_semitones == -2


def test_a_range_sent_on_any_member_is_the_whole_zones():
    playing = mpe(on(2, 60), on(3, 64), bend(2, -1), bend(3, -1))
    changes = playing.feed(bend_range(5, 24))
    assert [change.expression.bend_semitones for change in changes] == [-24, -24]
    assert expression_of(playing.feed(bend(LOWER, -1))).bend_semitones == -26
    assert playing.feed(bend_range(8, 3)) == []  # no member


def test_the_masters_range_is_its_own():
    playing = mpe(on(2, 60), bend(2, -0.5), bend(LOWER, -1))
    assert expression_of(playing.feed(bend_range(LOWER, 12))).bend_semitones == -12 - 24


def test_a_configuration_message_sets_the_ranges_back():
    playing = mpe(bend_range(2, 12), bend_range(LOWER, 7), on(2, 60))
    playing.feed(bend(2, -1) + bend(LOWER, -1))
    change = playing.feed(zone(LOWER, 5))
    assert expression_of(change).bend_semitones == -50


def test_zones_have_ranges_of_their_own():
    playing = mpe(zone(UPPER, 5), bend_range(14, 12), bend(1, -1), bend(14, -1))
    assert expression_of(playing.feed(on(1, 60))).bend_semitones == -48
    assert expression_of(playing.feed(on(14, 60))).bend_semitones == -12


# A note's own values and the master's.


def test_each_member_shapes_its_own_note():
    playing = mpe(on(1, 60), on(2, 60))
    [change] = playing.feed(bend(2, 0.25))
    assert change == NoteChanged(2, Expression(bend_semitones=12.0))
    [change] = playing.feed(pressure(1, 127))
    assert change == NoteChanged(1, Expression(pressure_unit=1.0))
    [change] = playing.feed(control(1, 74, 127))
    assert change == NoteChanged(1, Expression(pressure_unit=1.0, timbre_unit=1.0))


def test_the_master_is_combined_with_every_note_and_overwrites_none():
    playing = mpe(on(1, 60), on(2, 62), pressure(1, 64), control(1, 74, 96))
    first, second = playing.feed(pressure(LOWER, 9) + pressure(LOWER, 64))
    assert first.expression.pressure_unit == pytest.approx(1 - (63 / 127) ** 2)
    assert second.expression.pressure_unit == 64 / 127
    first, second = playing.feed(control(LOWER, 74, 32))
    assert first.expression.timbre_unit == pytest.approx(32 / 63 - 1 / 2)
    assert second.expression.timbre_unit == -1 / 2
    back = playing.feed(pressure(LOWER, 0) + control(LOWER, 74, 64))
    assert back[-2].expression.pressure_unit == 64 / 127
    assert back[-2].expression.timbre_unit == 32 / 63


def test_what_is_combined_stays_in_its_range():
    playing = mpe(on(1, 60), pressure(1, 127), control(1, 74, 127))
    assert playing.feed(pressure(LOWER, 127) + control(LOWER, 74, 127)) == []
    assert expression_of(playing.feed(control(LOWER, 74, 0))).timbre_unit == 0


def test_the_master_reaches_no_further_than_its_zone():
    playing = mpe(zone(UPPER, 2), on(1, 60), on(14, 60), on(8, 60))
    assert [change.note_id for change in playing.feed(bend(LOWER, 1))] == [1]
    assert [change.note_id for change in playing.feed(bend(UPPER, 1))] == [2]


def test_volume_expression_and_modulation_are_the_zones():
    playing = mpe(on(1, 60), on(2, 62))
    data = control(LOWER, 7, 0) + control(LOWER, 11, 0) + control(LOWER, 1, 127)
    changes = playing.feed(data)
    expected = Expression(modulation_unit=1, volume_db=-120, expression_db=-120)
    assert [change.expression for change in changes] == [expected, expected]


@pytest.mark.parametrize("number", [1, 7, 11, SUSTAIN, SOSTENUTO, SOFT])
def test_other_controllers_on_members_are_ignored_quietly(number):
    playing = mpe(on(2, 60))
    assert playing.feed(control(2, number, 100)) == []
    assert playing.feed(on(2, 61, 100))[0][1:] == (2, 61, 100, Expression())
    assert ended(playing.feed(off(2, 60))) == [1]


# Poly key pressure, notes on the master.


def test_key_pressure_is_for_notes_on_the_master_and_never_for_members():
    playing = mpe(on(LOWER, 60), on(2, 60))
    assert playing.feed(key_pressure(2, 60, 99)) == []
    [change] = playing.feed(key_pressure(LOWER, 60, 127))
    assert change == NoteChanged(1, Expression(pressure_unit=1.0))


def test_notes_on_the_master_sound_with_its_values_alone():
    playing = mpe(bend(LOWER, -1), pressure(LOWER, 127), bend(2, 1))
    [note] = playing.feed(on(LOWER, 60))
    assert note.expression == Expression(-2.0, 1.0)
    assert playing.feed(bend(2, -1)) == []


# Before a note, after it, and channels that are shared.


def test_values_before_a_note_count_for_it():
    data = bend(3, -0.5) + control(3, 74, 0) + pressure(3, 127) + on(3, 60)
    assert expression_of(mpe().feed(data)) == Expression(-24.0, 1.0, -1.0)


def test_untouched_values_are_neutral():
    assert mpe().feed(on(3, 60))[0].expression == Expression(0.0, 0.0, 0.0)


def test_values_outlast_a_note_and_count_for_the_next():
    playing = mpe(on(3, 60), bend(3, 0.5), off(3, 60))
    assert expression_of(playing.feed(on(3, 62))).bend_semitones == 24


def test_after_note_off_nothing_moves_the_release():
    playing = mpe(on(3, 60))
    assert playing.feed(off(3, 60, 80)) == [NoteEnded(1, 80)]
    late = bend(3, 1) + pressure(3, 5) + control(3, 74, 9)
    master = bend(LOWER, 1) + pressure(LOWER, 5) + control(LOWER, 74, 9)
    assert playing.feed(late + master) == []


def test_a_note_the_pedal_holds_keeps_its_values_and_follows_the_master():
    playing = mpe(control(LOWER, SUSTAIN, 127), on(3, 60), bend(3, 0.25))
    assert playing.feed(off(3, 60)) == [NoteSustained(1)]
    assert playing.feed(bend(3, 1) + pressure(3, 99) + control(3, 74, 0)) == []
    change = playing.feed(bend(LOWER, -1))
    assert expression_of(change) == Expression(bend_semitones=10.0)
    assert [e.note_id for e in playing.feed(on(3, 64) + bend(3, 0))] == [2, 2]


def test_note_on_of_velocity_0_is_a_note_off_of_velocity_64():
    assert mpe(on(3, 60)).feed(on(3, 60, 0)) == [NoteEnded(1, 64)]


def test_several_notes_of_a_channel_share_its_values():
    playing = mpe(on(3, 60), on(3, 64))
    changes = playing.feed(bend(3, 0.5))
    assert [(c.note_id, c.expression.bend_semitones) for c in changes] == [
        (1, 24),
        (2, 24),
    ]
    assert ended(playing.feed(off(3, 60))) == [1]
    assert [change.note_id for change in playing.feed(bend(3, 0))] == [2]


def test_one_key_on_two_channels_is_two_notes():
    playing = mpe(on(3, 60), on(4, 60))
    assert ended(playing.feed(off(3, 60))) == [1]
    assert playing.n_held == 1


# Pedals, resets and modes are zone-wide on the master.


def test_pedals_on_the_master_are_the_zones():
    playing = mpe(on(1, 60), on(8, 60), control(LOWER, SOSTENUTO, 127), on(2, 64))
    assert [type(e) for e in playing.feed(off(1, 60) + off(2, 64) + off(8, 60))] == [
        NoteSustained,
        NoteEnded,
        NoteEnded,
    ]
    playing.feed(on(3, 65) + control(LOWER, SUSTAIN, 127) + off(3, 65))
    assert ended(playing.feed(control(LOWER, SUSTAIN, 0))) == [4]
    assert ended(playing.feed(control(LOWER, SOSTENUTO, 0))) == [1]
    assert playing.feed(control(LOWER, SOFT, 127) + on(2, 60, 100))[0].velocity == 70


def test_a_reset_on_the_master_is_the_zones():
    playing = mpe(on(2, 60), bend(2, 1), pressure(2, 9), bend(LOWER, 1))
    playing.feed(control(2, 74, 127) + control(LOWER, 7, 9))
    [change] = playing.feed(control(LOWER, 121, 0))
    assert change.expression.bend_semitones == change.expression.pressure_unit == 0
    assert change.expression.timbre_unit == 1  # RP-015
    assert change.expression.volume_db < -40


def test_all_notes_off_and_all_sound_off_on_the_master_are_the_zones():
    keys = on(1, 60) + on(2, 62) + on(8, 64) + on(LOWER, 66)
    assert sorted(ended(mpe(keys).feed(control(LOWER, 123, 0)))) == [1, 2, 4]
    events = mpe(keys).feed(control(LOWER, 120, 0))
    assert sorted(ended(events)) == [1, 2, 4]
    assert events[-1] == AllSilenced((0, 1, 2, 3, 4, 5))


def test_on_a_member_they_count_for_itself():
    playing = mpe(on(1, 60), on(2, 62), bend(2, 1))
    assert ended(playing.feed(control(1, 123, 0))) == [1]
    assert expression_of(playing.feed(control(2, 121, 0))).bend_semitones == 0
    assert playing.feed(control(2, 120, 0)) == [NoteEnded(2, 64), AllSilenced((2,))]


def test_a_reset_on_a_member_leaves_the_zones_pedals_alone():
    for pedal in (SUSTAIN, SOSTENUTO):
        playing = mpe(on(1, 60), control(LOWER, pedal, 127), off(1, 60))
        assert playing.feed(control(1, 121, 0) + control(2, 123, 0)) == []
        assert ended(playing.feed(control(LOWER, pedal, 0))) == [1]


def test_mode_4_on_the_master_is_the_zones_and_modes_1_and_2_are_ignored():
    playing = mpe()
    assert playing.feed(control(2, 126, 0)) == []  # no master
    assert playing.feed(control(LOWER, 126, 0)) == [ModeChanged(tuple(range(6)), True)]
    assert playing.feed(control(LOWER, 125, 0) + control(LOWER, 124, 0)) == []
    assert playing.is_mono(3)
    assert not playing.is_mono(8)
    assert playing.feed(zone(LOWER, 2)) == [ModeChanged((3, 4, 5), False)]


def test_programs_on_the_master_are_ignored_quietly():
    assert of_kind(mpe().feed(bytes([0xC0, 5])), NoteStarted) == []
