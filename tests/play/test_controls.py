import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from amadeus.play.controls import LEVEL_VARIATION_DB
from amadeus.play.notation import Channel, Note
from amadeus.v1 import personality_pb2
from tests.play.instrument import SPEC, learned
from tests.play.playing import (
    STRAIGHT,
    cents,
    frames,
    level_at,
    play,
    play_line,
    steps,
)

SILENCE_DB = -80.0
FIRM = Note(0.0, 1.0, 60, 100)


# Time


def test_control_i_says_what_sounds_at_the_end_of_block_i():
    line = play_line(Note(0.5, 1.0, 60, 100))
    onset = int(np.flatnonzero(line.f0_hz > 0)[0])
    assert (onset + 1) / SPEC.frame_rate == 0.5


def test_an_onset_between_frames_waits_for_the_next():
    line = play_line(Note(0.501, 1.0, 60, 100))
    assert (np.flatnonzero(line.f0_hz > 0)[0] + 1) / SPEC.frame_rate == 0.51


def test_the_last_frame_is_silent_and_the_one_before_sounds():
    line = play_line(FIRM)
    assert line.f0_hz[-1] < 0 < line.f0_hz[-2]
    assert line.loudness_db[-1] == SILENCE_DB


def test_all_lines_are_equally_long():
    playing = play(FIRM, Note(0, 3, 64, 100), Note(0, 0.2, 67, 100))
    assert {len(line.f0_hz) for line in playing.lines} == {len(playing.lines[0].f0_hz)}
    assert len(playing.lines[0].f0_hz) > 3 * SPEC.frame_rate


# Pitch


@pytest.mark.parametrize("pitch_midi", [36, 57, 60, 69, 84])
def test_notes_sound_at_their_pitch(pitch_midi):
    line = play_line(Note(0, 1, pitch_midi, 100))
    voiced = line.f0_hz > 0
    assert_allclose(cents(line.f0_hz[voiced], pitch_midi), 0, atol=0.1)


def test_each_note_of_a_slurred_melody_reaches_its_pitch():
    melody = [Note(i * 0.3, (i + 1) * 0.3, 60 + 2 * i, 90) for i in range(5)]
    line = play_line(*melody)
    for note in melody:
        settled = frames(note.start_s + 0.03, note.end_s - 0.03)
        assert_allclose(cents(line.f0_hz[settled], note.pitch_midi), 0, atol=1)


def test_transposing_the_score_is_transposing_by_the_knob():
    melody = [Note(0, 0.5, 60, 90), Note(0.5, 1, 67, 70), Note(1.5, 2, 55, 110)]
    moved = [n._replace(pitch_midi=n.pitch_midi + 5) for n in melody]
    by_hand = play_line(*moved)
    by_knob = play_line(*melody, pitch_shift_semitones=5)
    assert_allclose(by_knob.f0_hz, by_hand.f0_hz, rtol=1e-6)
    assert_array_equal(by_knob.loudness_db, by_hand.loudness_db)


def test_a4_tunes_everything():
    usual, low = play_line(FIRM), play_line(FIRM, a4_hz=415)
    assert_allclose(low.f0_hz / usual.f0_hz, 415 / 440, rtol=1e-6)


def test_silence_already_holds_the_coming_pitch():
    line = play_line(Note(0.5, 1, 60, 100), Note(3, 4, 72, 100))
    assert_allclose(cents(-line.f0_hz[frames(0, 0.5)], 60), 0, atol=0.1)
    assert_allclose(cents(-line.f0_hz[frames(2, 3)], 72), 0, atol=0.1)


def test_pitches_beyond_the_clock_stay_below_nyquist():
    line = play_line(Note(0, 1, 127, 100), pitch_shift_semitones=48)
    assert np.abs(line.f0_hz).max() < SPEC.sample_rate / 2


# Bend and vibrato


@pytest.mark.parametrize("bend_unit", [-1.0, -0.25, 0.5, 8191 / 8192])
def test_the_bend_reaches_the_range_of_the_profile(bend_unit):
    channels = {0: Channel(bend_unit=steps((0.5, bend_unit)))}
    line = play_line(FIRM, channels=channels, bend_range_semitones=7)
    assert_allclose(cents(line.f0_hz[frames(0, 0.5)], 60), 0, atol=0.1)
    bent = line.f0_hz[frames(0.5, 1.0)]
    assert_allclose(cents(bent, 60 + 7 * bend_unit), 0, atol=0.1)


def test_the_range_sent_by_the_score_wins():
    channel = Channel(
        bend_unit=steps((0.0, 0.5)), bend_range_semitones=steps((0.0, 12.0))
    )
    line = play_line(FIRM, channels={0: channel}, bend_range_semitones=2)
    assert_allclose(cents(line.f0_hz[frames(0, 1)], 66), 0, atol=0.1)


def test_a_bend_reset_at_the_end_of_a_note_spares_its_release():
    channels = {0: Channel(bend_unit=steps((0.0, 1.0), (1.0, 0.0)))}
    line = play_line(FIRM, channels=channels)
    assert_allclose(cents(line.f0_hz[line.f0_hz > 0], 62), 0, atol=0.1)


def test_a_bend_moves_its_own_channel_only():
    channels = {1: Channel(bend_unit=steps((0.0, 1.0)))}
    other = Note(0, 1, 72, 100, channel=1)
    one, two = play(FIRM, other, channels=channels).lines
    assert_allclose(cents(one.f0_hz[frames(0, 1)], 60), 0, atol=0.1)
    assert_allclose(cents(two.f0_hz[frames(0, 1)], 74), 0, atol=0.1)


def test_vibrato_is_as_learned_after_its_delay():
    line = play_line(Note(0, 4, 60, 100), statistics=learned())
    swing = cents(line.f0_hz[frames(0, 4)], 60)
    assert np.abs(swing[:29]).max() < 0.1
    late = swing[100:]
    assert 18 * 0.95 <= late.max() <= 22
    assert_allclose(late.max(), -late.min(), rtol=0.05)
    crossings = np.count_nonzero(np.diff(np.signbit(late)))
    assert crossings / 2 / 3 == pytest.approx(5.0, rel=0.15)


@pytest.mark.parametrize("scale", [0.0, 0.5, 2.0])
def test_the_vibrato_knob_scales_depth(scale):
    note = Note(0, 2, 60, 100)
    usual = cents(play_line(note, statistics=learned()).f0_hz[frames(0, 2)], 60)
    scaled_line = play_line(note, statistics=learned(), vibrato_scale=scale)
    scaled = cents(scaled_line.f0_hz[frames(0, 2)], 60)
    assert_allclose(scaled, scale * usual, atol=0.05)


def test_the_modulation_wheel_adds_vibrato_at_once():
    channels = {0: Channel(modulation_unit=steps((0.0, 1.0)))}
    note = Note(0, 2, 60, 100)
    swing = cents(play_line(note, channels=channels).f0_hz[frames(0, 1)], 60)
    assert swing.max() == pytest.approx(50, rel=0.05)
    still = play_line(note, channels=channels, vibrato_scale=0)
    assert_allclose(cents(still.f0_hz[frames(0, 1)], 60), 0, atol=0.1)


# Loudness


def test_harder_is_louder_at_every_velocity():
    peaks = [play_line(Note(0, 1, 60, v)).loudness_db.max() for v in range(1, 128)]
    assert (np.diff(peaks) > 0).all()


def test_velocity_spans_the_learned_dynamics():
    soft = play_line(Note(0, 1, 60, 1)).loudness_db.max()
    loud = play_line(Note(0, 1, 60, 127)).loudness_db.max()
    assert soft == pytest.approx(-42, abs=LEVEL_VARIATION_DB + 0.1)
    assert loud == pytest.approx(-22, abs=LEVEL_VARIATION_DB + 0.1)


def test_the_attack_takes_the_learned_time_to_3_db_below_the_peak():
    line = play_line(Note(0.5, 3, 60, 100))
    peak = line.loudness_db.max()
    assert level_at(line, 0.5) == pytest.approx(peak - 24, abs=0.2)
    assert level_at(line, 0.58) == pytest.approx(peak - 3, abs=0.2)


def test_a_note_decays_to_its_sustain_and_fades_as_learned():
    line = play_line(Note(0.5, 3, 60, 100))
    peak = line.loudness_db.max()
    # The attack ends after 0.08 / (1 - sqrt(3 / 24)) = 0.124 s, the decay 0.15 s later.
    sustain_from = 0.5 + 0.124 + 0.15
    assert level_at(line, 0.78) == pytest.approx(peak - 3, abs=0.1)
    assert level_at(line, 2.9) == pytest.approx(
        peak - 3 - (2.9 - sustain_from), abs=0.1
    )


def test_a_sustained_instrument_holds_a_long_note():
    line = play_line(
        Note(0, 60, 60, 100), statistics=learned(sustain_slope_db_per_s=-5)
    )
    assert level_at(line, 59) > line.loudness_db.max() - 16


def test_a_struck_instrument_dies_away():
    plucked = learned(sustain_slope_db_per_s=-40)
    line = play_line(Note(0, 5, 60, 100), statistics=plucked)
    assert level_at(line, 4) == SILENCE_DB


def test_the_release_falls_steadily_at_the_learned_pace():
    line = play_line(FIRM)
    tail = line.loudness_db[frames(1.0, 1.2)].astype(float)
    assert_allclose(np.diff(tail), -40 / 0.3 / SPEC.frame_rate, rtol=1e-4)
    after = line.loudness_db[frames(1.0, len(line.f0_hz) / SPEC.frame_rate)]
    assert (np.diff(after) <= 0).all()


def test_the_release_keeps_its_pitch_and_falls_to_silence():
    line = play_line(FIRM)
    voiced = line.f0_hz > 0
    step_db = 40 / 0.3 / SPEC.frame_rate
    assert SILENCE_DB < line.loudness_db[voiced].min() <= SILENCE_DB + step_db
    assert (line.loudness_db[~voiced] == SILENCE_DB).all()
    last = int(np.flatnonzero(voiced)[-1])
    assert line.loudness_db[last] - line.loudness_db[last + 1] <= step_db + 1e-4


def test_a_voice_that_knows_only_loud_sound_still_releases_to_silence():
    narrow = learned()
    narrow.loudness_quantiles_db[:] = [-24, -20]
    line = play_line(FIRM, statistics=narrow)
    assert line.loudness_db[line.f0_hz > 0].min() == pytest.approx(SILENCE_DB, abs=1.5)


def length_s(line):
    return np.count_nonzero(line.f0_hz > 0) / SPEC.frame_rate


def test_the_release_knob_stretches_the_tail():
    tail_s = length_s(play_line(FIRM)) - 1
    assert length_s(play_line(FIRM, release_scale=3)) - 1 == pytest.approx(
        3 * tail_s, abs=0.03
    )
    assert length_s(play_line(FIRM, release_scale=0.1)) - 1 == pytest.approx(
        tail_s / 10, abs=0.03
    )


def test_the_attack_knob_stretches_the_rise():
    def rise_s(**player):
        line = play_line(Note(0.5, 4, 60, 100), **player)
        reached = line.loudness_db >= line.loudness_db.max() - 3
        return (np.flatnonzero(reached)[0] + 1) / SPEC.frame_rate - 0.5

    assert rise_s() == pytest.approx(0.08, abs=0.01)
    assert rise_s(attack_scale=4) == pytest.approx(0.32, abs=0.01)
    assert rise_s(attack_scale=0.05) < 0.02


def test_a_short_note_is_heard_although_the_instrument_is_slow():
    slow = learned(attack_duration_s=0.5)
    note = Note(0, 0.1, 60, 100)
    peak = play_line(Note(0, 3, 60, 100), statistics=slow).loudness_db.max()
    assert play_line(note, statistics=slow).loudness_db.max() > peak - 4


def test_the_loudness_knob_moves_sound_and_leaves_silence():
    line = play_line(Note(0.5, 1, 60, 100))
    louder = play_line(Note(0.5, 1, 60, 100), loudness_offset_db=6)
    held, rest = frames(0.5, 1), frames(0, 0.5)
    assert_allclose(louder.loudness_db[held], line.loudness_db[held] + 6, atol=1e-4)
    assert (louder.loudness_db[rest] == SILENCE_DB).all()


@pytest.mark.parametrize("offset_db", [-40, -12, 6])
def test_the_loudness_knob_counts_in_full_and_silences_no_held_note(offset_db):
    plain = play_line(Note(0, 1, 60, 100))
    line = play_line(Note(0, 1, 60, 100), loudness_offset_db=offset_db)
    held = frames(0.1, 1)
    assert_allclose(
        line.loudness_db[held], plain.loudness_db[held] + offset_db, atol=1e-4
    )
    assert (line.f0_hz[held] > 0).all()


def test_expression_fades_and_volume_sets_the_level():
    expression = Channel(expression_db=steps((0.5, -12.0)))
    volume = Channel(volume_db=steps((0.0, -6.0)))
    plain = play_line(FIRM).loudness_db
    faded = play_line(FIRM, channels={0: expression}).loudness_db
    assert_allclose(faded[frames(0, 0.5)], plain[frames(0, 0.5)])
    assert_allclose(faded[frames(0.5, 1)], plain[frames(0.5, 1)] - 12, atol=1e-4)
    softer = play_line(FIRM, channels={0: volume}).loudness_db
    assert_allclose(softer[frames(0, 1)], plain[frames(0, 1)] - 6, atol=1e-4)


def test_a_closed_fader_is_silent():
    channels = {0: Channel(volume_db=steps((0.0, -120.0)))}
    line = play_line(FIRM, channels=channels)
    assert (line.f0_hz < 0).all()
    assert len(line.f0_hz) >= SPEC.frame_rate


def test_pressure_swells():
    note = Note(0, 1, 60, 30)
    channels = {0: Channel(pressure_unit=steps((0.5, 1.0)))}
    swollen, plain = play_line(note, channels=channels), play_line(note)
    late = frames(0.5, 1)
    gain = swollen.loudness_db[late] - plain.loudness_db[late]
    assert_allclose(gain, 10, atol=1e-4)  # half of the learned 20 dB


def test_nothing_gets_louder_than_the_voice_has_heard():
    channels = {
        0: Channel(volume_db=steps((0.0, 4.2)), pressure_unit=steps((0.0, 1.0)))
    }
    line = play_line(Note(0, 1, 60, 127), channels=channels)
    assert line.loudness_db.max() == pytest.approx(-20)


# Slurs


def test_a_slur_has_no_gap_and_no_attack():
    line = play_line(Note(0, 1, 60, 90), Note(1, 2, 64, 90))
    across = slice(*(round(t * SPEC.frame_rate) for t in (0.5, 1.9)))
    assert (line.f0_hz[across] > 0).all()
    assert np.ptp(line.loudness_db[across]) < 4


def test_a_slur_glides_in_the_learned_time_and_only_onwards():
    line = play_line(Note(0, 1, 60, 90), Note(1, 2, 67, 90))
    glide = cents(line.f0_hz[frames(0.9, 1.1)], 60) / 100
    assert (np.diff(glide) >= -1e-4).all()
    moving = np.count_nonzero((glide > 0.01) & (glide < 6.99))
    assert moving == pytest.approx(0.06 * SPEC.frame_rate, abs=1)
    assert cents(line.f0_hz[frames(1.0, 1.01)], 63.5) == pytest.approx(0, abs=1)


@pytest.mark.parametrize(
    ("second", "statistics"),
    [
        (Note(1.2, 2, 64, 90), STRAIGHT),  # after a rest
        (Note(1, 2, 60, 90), STRAIGHT),  # the same pitch again
        (Note(1, 2, 64, 90), learned(sustain_slope_db_per_s=-30)),  # a struck string
    ],
)
def test_other_notes_are_attacked_anew(second, statistics):
    line = play_line(Note(0, 1, 60, 90), second, statistics=statistics)
    before, onset = (
        level_at(line, second.start_s - 0.01),
        level_at(line, second.start_s),
    )
    peak = line.loudness_db[frames(second.start_s, 2)].max()
    assert onset <= peak - 6 + 0.1 or onset < before
    assert level_at(line, second.start_s + 0.2) > onset + 5


def test_a_slur_between_unequal_notes_ends_at_the_new_level():
    loud, soft = Note(0, 1, 60, 120), Note(1, 2, 64, 20)
    line = play_line(loud, soft)
    alone = play_line(soft._replace(start_s=0, end_s=1))
    assert level_at(line, 1.5) == pytest.approx(level_at(alone, 0.5), abs=1.5)


# Chords, seeds, notices


def test_a_chord_sounds_all_its_pitches():
    chord = [Note(0, 1, pitch, 90) for pitch in (60, 64, 67)]
    lines = play(*chord).lines
    for line, note in zip(lines, chord, strict=True):
        assert_allclose(cents(line.f0_hz[frames(0, 1)], note.pitch_midi), 0, atol=0.1)


def test_too_many_notes_at_once_are_told():
    playing = play(*[Note(i / 100, 2, 40 + i, 90) for i in range(20)])
    assert len(playing.lines) == 16
    assert "at most 16 sound at once: 4" in playing.notices[0]


def test_the_seed_decides_the_small_differences_within_bounds():
    notes = [Note(i, i + 0.5, 60, 90) for i in range(8)]
    one, same, other = (play_line(*notes, seed=s) for s in (1, 1, 2))
    assert_array_equal(one.loudness_db, same.loudness_db)
    assert not np.array_equal(one.loudness_db, other.loudness_db)
    assert (
        np.abs(one.loudness_db[:50] - other.loudness_db[:50]).max()
        <= 2 * LEVEL_VARIATION_DB
    )
    peaks = [one.loudness_db[i * 100 : i * 100 + 50].max() for i in range(8)]
    assert 0.1 < np.ptp(peaks) <= 2 * LEVEL_VARIATION_DB


def test_notes_outside_the_learned_range_are_told_and_played():
    playing = play(FIRM, Note(1, 2, 96, 90), Note(2, 3, 30, 90))
    assert (
        "2 of 3 notes lie outside the range the voice learned, C2 to C6"
        in playing.notices[0]
    )
    line = playing.lines[0]
    assert_allclose(cents(line.f0_hz[frames(1.1, 2 - 0.05)], 96), 0, atol=1)


def test_the_notice_knows_a_better_octave():
    playing = play(*[Note(i, i + 1, 90 + i, 90) for i in range(5)])
    assert "pitch_shift_semitones=-12" in playing.notices[0]
    assert not play(*[Note(0, 1, 90, 90)], pitch_shift_semitones=-12).notices


# Anything at all

ANY_NOTES = st.lists(
    st.builds(
        lambda start, length, pitch, velocity: Note(
            start, start + length, pitch, velocity
        ),
        st.floats(0, 5),
        st.floats(0, 2),
        st.integers(0, 127),
        st.integers(1, 127),
    ),
    min_size=1,
    max_size=30,
)
ANY_STATISTICS = st.sampled_from(
    [
        personality_pb2.Statistics(),
        STRAIGHT,
        learned(),
        learned(attack_duration_s=0, release_duration_s=0, legato_duration_s=0),
        learned(sustain_slope_db_per_s=-100, decay_depth_db=20),
        learned(sustain_slope_db_per_s=50),
    ]
)


@settings(deadline=None, derandomize=True, max_examples=150)
@given(
    notes=ANY_NOTES,
    statistics=ANY_STATISTICS,
    attack=st.floats(0.05, 20),
    release=st.floats(0.05, 20),
    offset=st.floats(-40, 40),
    others=st.fixed_dictionaries(
        {},
        optional={
            "loudness_curve": st.floats(0.25, 4),
            "decay_scale": st.floats(0.05, 20),
            "sustain_scale": st.floats(0.05, 20),
            "vibrato_rate_hz": st.floats(0, 12),
            "vibrato_depth_cents": st.floats(0, 200),
            "brightness": st.floats(-2, 2),
            "voice_count": st.integers(1, 32),
            "voice_mode": st.sampled_from([1, 2]),
            "note_priority": st.sampled_from([1, 2, 3]),
            "portamento_s": st.floats(0, 5),
        },
    ),
)
def test_any_score_becomes_controls_a_voice_can_play(
    notes, statistics, attack, release, offset, others
):
    playing = play(
        *sorted(notes),
        statistics=statistics,
        attack_scale=attack,
        release_scale=release,
        loudness_offset_db=offset,
        **others,
    )
    assert len(playing.lines) <= others.get("voice_count", 16)
    learned_max_db = max(statistics.loudness_quantiles_db, default=-5)
    ceiling_db = learned_max_db + max(offset, 0)
    end_frame = max(n.end_s for n in notes) * SPEC.frame_rate
    for line in playing.lines:
        assert np.isfinite(line.f0_hz).all()
        assert np.isfinite(line.loudness_db).all()
        assert line.f0_hz.dtype == line.loudness_db.dtype == np.float32
        assert line.f0_hz.shape == line.loudness_db.shape
        assert line.loudness_db.max() <= ceiling_db + 1e-4
        assert ((line.loudness_db == SILENCE_DB) == (line.f0_hz < 0)).all()
        assert (np.abs(line.f0_hz) >= 8 - 1e-6).all()
        assert len(line.f0_hz) >= end_frame
        for curve in line.timbre or ():
            assert curve.shape == line.f0_hz.shape
            assert np.isfinite(curve).all()
