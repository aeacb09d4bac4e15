import mido
import numpy as np
import pytest
from numpy.testing import assert_allclose

from amadeus.errors import ConfigError, ScoreError
from amadeus.play import score as score_module
from amadeus.play.score import list_tracks, read_score
from tests.play.tunes import bend, control, make_track, note, tempo, write


@pytest.fixture
def read(tmp_path):
    def write_and_read(*tracks, midi_format=1, **options):
        path = write(tmp_path / "t.mid", *tracks, midi_format=midi_format)
        return read_score(path, **options)

    return write_and_read


def on(beat, pitch, velocity=80):
    return note(beat, 0, pitch, velocity)[0]


def off(beat, pitch):
    return note(beat, 0, pitch)[1]


def spans(score):
    """Start, end and pitch of each note in beats of half a second."""
    return [(n.start_s * 2, n.end_s * 2, n.pitch_midi) for n in score.notes]


def test_velocity_0_ends_a_note(read):
    assert spans(read([on(0, 60), on(1, 60, velocity=0)])) == [(0, 1, 60)]


def test_notes_keep_key_velocity_and_channel(read):
    (only,) = read([note(0, 1, 61, 99, channel=3)]).notes
    assert (only.pitch_midi, only.velocity, only.channel) == (61, 99, 3)


def test_a_key_struck_again_ends_what_it_sounded(read):
    score = read([on(0, 60), on(1, 60), off(1.25, 60), off(2, 60)])
    assert spans(score) == [(0, 1, 60), (1, 2, 60)]


def test_a_lost_note_off_does_not_swallow_the_next_note(read):
    score = read([on(0, 60), on(1, 60), off(2, 60), note(4, 1, 62)])
    assert spans(score) == [(0, 1, 60), (1, 2, 60), (4, 5, 62)]
    assert not score.notices


def test_a_hanging_note_sounds_until_the_file_ends(read):
    score = read(make_track([on(0, 60), note(0, 1, 64)], end_beat=6))
    assert spans(score) == [(0, 6, 60), (0, 1, 64)]
    assert score.notices == (
        "notes without an end in the file: 1; held until it ends.",
    )


def test_a_note_hanging_in_the_last_instant_is_still_heard(read):
    assert spans(read([on(2, 60)])) == [(2, 3, 60)]


def test_an_off_without_an_on_is_ignored(read):
    assert spans(read([off(0, 60), note(1, 1, 60)])) == [(1, 2, 60)]


def test_the_pedal_holds_notes_until_it_rises(read):
    pedal = [control(0.5, 64, 127), control(3, 64, 0)]
    score = read([note(0, 1, 60), note(2, 2, 64), *pedal])
    assert spans(score) == [(0, 3, 60), (2, 4, 64)]


def test_a_pedal_below_half_is_up(read):
    assert spans(read([control(0, 64, 63), note(0, 1, 60), note(3, 1, 62)]))[0][1] == 1


def test_a_key_struck_again_under_the_pedal_ends_the_held_note(read):
    pedal = [control(0, 64, 127), control(4, 64, 0)]
    assert spans(read([note(0, 1, 60), note(2, 1, 60), *pedal])) == [
        (0, 2, 60),
        (2, 4, 60),
    ]


def test_a_pedal_never_raised_holds_until_the_end(read):
    score = read(make_track([control(0, 64, 127), note(0, 1, 60)], end_beat=5))
    assert spans(score) == [(0, 5, 60)]


def test_all_notes_off_ends_what_sounds_on_its_channel(read):
    events = [on(0, 60), note(0, 4, 64, channel=1), control(2, 123, 0), off(3, 60)]
    assert spans(read(events)) == [(0, 2, 60), (0, 4, 64)]


def test_all_sound_off_overrules_the_pedal(read):
    events = [control(0, 64, 127), note(0, 1, 60), control(2, 120, 0), note(3, 1, 60)]
    assert spans(read(events))[0] == (0, 2, 60)


def test_the_bend_range_of_the_file_is_read(read):
    rpn = [
        control(0, 101, 0),
        control(0, 100, 0),
        control(0, 6, 12),
        control(0, 38, 50),
    ]
    channel = read([*rpn, note(0, 1, 60), bend(1, -4096)]).channels[0]
    assert_allclose(channel.bend_range_semitones.at(np.array([1.0])), [12.5])
    assert_allclose(channel.bend_unit.at(np.array([0.49, 0.5])), [0, -0.5])


def test_other_parameters_do_not_change_the_bend_range(read):
    fine_tuning = [control(0, 101, 0), control(0, 100, 1), control(0, 6, 64)]
    unregistered = [control(1, 99, 0), control(1, 98, 0), control(1, 6, 64)]
    events = [*fine_tuning, *unregistered, bend(0, 1), note(0, 1, 60)]
    reach = read(events).channels[0].bend_range_semitones
    assert np.isnan(reach.at(np.array([1.0]))).all()


def test_reset_all_controllers_resets_what_the_standard_says(read):
    touched = [bend(0, 4000), control(0, 1, 99), control(0, 11, 20), control(0, 7, 50)]
    channel = read([*touched, control(1, 121, 0), note(0, 2, 60)]).channels[0]
    later = np.array([0.75])
    assert channel.bend_unit.at(later) == 0
    assert channel.modulation_unit.at(later) == 0
    assert channel.expression_db.at(later) == 0
    assert_allclose(channel.volume_db.at(later), 40 * np.log10(50 / 100))


def test_faders_are_neutral_at_their_power_up_value(read):
    channel = read([control(0, 7, 100), control(0, 11, 127), note(0, 1, 60)]).channels[
        0
    ]
    assert channel.volume_db.at(np.array([0.1])) == 0
    assert channel.expression_db.at(np.array([0.1])) == 0


def test_cc_74_is_read_around_its_middle_and_outlasts_a_reset(read):
    turned = [control(b, 74, v) for b, v in ((0, 0), (1, 64), (2, 96), (3, 127))]
    channel = read([*turned, control(3.5, 121, 0), note(0, 4, 60)]).channels[0]
    units = channel.timbre_unit.at(np.array([0, 0.5, 1, 1.5, 1.8]))
    assert_allclose(units, [-1, 0, 32 / 63, 1, 1])


def test_controllers_reach_their_channel_from_any_track(read):
    score = read([bend(0, 4096, channel=2)], [note(0, 1, 60, channel=2)])
    assert score.channels[2].bend_unit.at(np.array([0.1])) == 0.5


def test_drums_are_left_out_with_a_notice(read):
    score = read([note(0, 1, 60)], [note(b, 0.1, 38, channel=9) for b in range(3)])
    assert spans(score) == [(0, 1, 60)]
    assert "no drums: 3" in score.notices[0]


@pytest.fixture
def trio(tmp_path):
    return write(
        tmp_path / "trio.mid",
        make_track([tempo(0, 120)], name="Trio in C"),
        make_track([note(0, 1, 72)], name="Violin I"),
        make_track([note(0, 1, 67), note(1, 1, 65)], name="Violin II", end_beat=9),
        make_track([note(0, 1, 48, channel=1)], name="Violoncello"),
        make_track([note(0, 1, 38, channel=9)], name="Drums"),
    )


def test_tracks_are_listed_with_their_notes(trio):
    tracks = list_tracks(trio)
    assert [t.number for t in tracks] == [1, 2, 3, 4, 5]
    assert [t.note_count for t in tracks] == [0, 1, 2, 1, 1]
    assert [t.is_drums for t in tracks] == [False, False, False, False, True]
    assert tracks[3].name == "Violoncello"


@pytest.mark.parametrize(
    ("wanted", "pitches"),
    [
        (None, {72, 67, 65, 48}),
        ([3], {67, 65}),
        (["3"], {67, 65}),
        (["violin i"], {72}),
        (["cello"], {48}),
        ([2, "Violoncello"], {72, 48}),
    ],
)
def test_tracks_are_chosen_by_number_or_name(trio, wanted, pitches):
    notes = read_score(trio, tracks=wanted).notes
    assert {n.pitch_midi for n in notes} == pitches


def test_an_unknown_track_names_those_there_are(trio):
    with pytest.raises(
        ConfigError, match=r"no track 'oboe'.*2 \(Violin I\).*4 \(Violonc"
    ):
        read_score(trio, tracks=["oboe"])
    with pytest.raises(ConfigError, match="no track 6"):
        read_score(trio, tracks=[6])


def test_an_ambiguous_name_asks_for_a_number(trio):
    with pytest.raises(ConfigError, match=r"could be .*choose by number"):
        read_score(trio, tracks=["viol"])


def test_a_silent_track_and_drums_cannot_be_chosen(trio):
    with pytest.raises(ScoreError, match="no notes"):
        read_score(trio, tracks=[1])
    with pytest.raises(ScoreError, match="only drums"):
        read_score(trio, tracks=["Drums"])


def test_channels_of_format_0_are_chosen_like_tracks(tmp_path):
    events = [note(0, 1, 60), note(0, 1, 48, channel=4), note(0, 1, 38, channel=9)]
    path = write(tmp_path / "t.mid", events, midi_format=0)
    assert [t.channels for t in list_tracks(path)] == [(0,), (4,), (9,)]
    assert [n.pitch_midi for n in read_score(path, tracks=[2]).notes] == [48]


def test_names_in_utf_8_are_read(tmp_path):
    path = tmp_path / "t.mid"
    midi = mido.MidiFile(charset="utf-8")
    midi.tracks.append(make_track([note(0, 1, 60)], name="Bögen"))
    midi.save(path)
    assert list_tracks(path)[0].name == "Bögen"


def test_a_score_without_notes_is_refused(read):
    with pytest.raises(ScoreError, match="has no notes"):
        read([tempo(0, 100), control(0, 7, 100)])
    with pytest.raises(ScoreError, match="only drum notes"):
        read([note(0, 1, 38, channel=9)])


def test_a_score_of_hours_is_refused(read):
    with pytest.raises(ScoreError, match="lasts 83 minutes and at most 60"):
        read([note(0, 1, 60), note(9999, 1, 60)])


def test_a_huge_delta_time_is_refused(read):
    late = mido.Message("note_off", note=60, time=0x0FFFFFFF)
    track = mido.MidiTrack([mido.Message("note_on", note=60), late])
    with pytest.raises(ScoreError, match="at most 60 can be played"):
        read(track)


def test_silence_after_the_last_note_is_no_length(read):
    score = read(make_track([note(0, 1, 60)], end_beat=99_999))
    assert score.duration_s == 0.5


def test_too_many_notes_are_refused(read, monkeypatch):
    monkeypatch.setattr(score_module, "MAX_NOTES", 5)
    with pytest.raises(ScoreError, match="has 6 notes and at most 5"):
        read([note(beat, 1, 60) for beat in range(6)])
