"""What each knob of the player does, in numbers: in controls here, in the sound of a voice in test_timbre."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from amadeus.personality import profiles
from amadeus.play import dynamics, envelope, gestures
from amadeus.play.notation import Channel, Note, Score
from amadeus.play.perform import perform_score
from amadeus.play.style import settle_style
from amadeus.v1 import profiles_pb2
from tests.play.instrument import SPEC, SineVoice, learned, make_personality
from tests.play.playing import (
    STRAIGHT,
    cents,
    frames,
    level_at,
    play,
    play_line,
    profile,
    steps,
)

FIRM = Note(0, 1, 60, 100)
STEADY = learned(sustain_slope_db_per_s=0, vibrato_rate_hz=0)
# The attack of `learned` ends after 0.08 / (1 - sqrt(3 / 24)) s.
ATTACK_S = 0.124

# A value of each knob that is heard in the piece below.
OTHER = {
    "pitch_shift_semitones": -7,
    "fine_tuning_cents": 10,
    "a4_hz": 442,
    "bend_range_semitones": 12,
    "loudness_offset_db": -6,
    "loudness_curve": 2,
    "pressure_scale": 0.5,
    "harmonic_gain_db": -6,
    "noise_gain_db": -6,
    "brightness": 0.5,
    "timbre_scale": 2,
    "attack_scale": 2,
    "decay_scale": 2,
    "sustain_scale": 2,
    "release_scale": 2,
    "vibrato_scale": 2,
    "vibrato_rate_hz": 3,
    "vibrato_depth_cents": 10,
    "modulation_depth_cents": 20,
    "voice_count": 1,
    "voice_mode": profiles_pb2.VOICE_MODE_MONO,
    "note_priority": profiles_pb2.NOTE_PRIORITY_LOW,
    "portamento_s": 0.3,
    "reverb_mix": 0.5,
    "output_gain_db": -3,
}
PIECE = Score(
    (Note(0, 2, 60, 80), Note(1, 3, 67, 60), Note(1.5, 2.5, 64, 90)),
    {
        0: Channel(
            bend_unit=steps((0.5, 0.2)),
            modulation_unit=steps((0.7, 0.5)),
            pressure_unit=steps((0.9, 0.3)),
            timbre_unit=steps((1.1, 0.4)),
        )
    },
)
NEEDS_MONO = ("note_priority", "portamento_s")


def perform(**player):
    voice = SineVoice(make_personality(learned()))
    asked = profiles_pb2.PlayerProfile(**player)
    audio = perform_score(voice, PIECE, player_profile=asked).audio
    timbres = [np.concatenate(timbre) for timbre in voice.timbres if timbre]
    return np.concatenate([audio, *timbres])


@pytest.mark.parametrize("name", profiles.PLAYER_KNOBS)
def test_every_knob_is_heard(name):
    mode = {"voice_mode": profiles_pb2.VOICE_MODE_MONO} if name in NEEDS_MONO else {}
    plain, turned = perform(**mode), perform(**mode, **{name: OTHER[name]})
    assert not np.array_equal(plain, turned)
    default = profiles.PLAYER_KNOBS[name].default
    assert_array_equal(perform(**mode, **{name: default}), plain)


def test_without_timbre_a_voice_is_asked_for_none():
    assert play_line(FIRM).timbre is None
    voice = SineVoice()
    perform_score(voice, Score((FIRM,)))
    assert voice.timbres == [None]


# Pitch


@pytest.mark.parametrize("tuning_cents", [-100, -12.5, 50, 100])
def test_fine_tuning_moves_every_pitch_by_cents(tuning_cents):
    line = play_line(FIRM, Note(1, 2, 67, 90), fine_tuning_cents=tuning_cents)
    plain = play_line(FIRM, Note(1, 2, 67, 90))
    moved = 1200 * np.log2(line.f0_hz / plain.f0_hz)
    assert_allclose(moved, tuning_cents, atol=1e-3)
    assert_array_equal(line.loudness_db, plain.loudness_db)


# Dynamics


@pytest.mark.parametrize("curve", [0.25, 0.5, 2, 4])
def test_the_loudness_curve_bends_velocities_and_keeps_the_ends(curve):
    def peak_db(velocity, **player):
        return play_line(Note(0, 1, 60, velocity), **player).loudness_db.max()

    for velocity, way in ((1, 0.0), (64, 0.5), (127, 1.0)):
        gain = peak_db(velocity, loudness_curve=curve) - peak_db(velocity)
        assert gain == pytest.approx(20 * (way**curve - way), abs=1e-4)
    peaks = [peak_db(v, loudness_curve=curve) for v in range(1, 128)]
    assert (np.diff(peaks) >= 0).all()
    assert len(np.unique(peaks)) > 120  # the softest steps may be below rounding


def test_the_curve_of_loudness_bends_between_the_ends_only():
    style = {"softest_db": -60.0, "loudest_db": -20.0, "curve": 2.0}
    given = np.array([-80.0, -60.0, -40.0, -20.0, -10.0])
    bent = dynamics.curve_loudness(given, **style)
    assert_allclose(bent, [-80, -60, -50, -20, -10])
    ramp = dynamics.curve_loudness(np.linspace(-80, 0, 500), **style)
    assert (np.diff(ramp) >= 0).all()


@pytest.mark.parametrize("scale", [0, 0.5, 2])
def test_pressure_reaches_as_far_as_its_knob(scale):
    channels = {0: Channel(pressure_unit=steps((0.5, 0.4)))}
    note = Note(0, 1, 60, 1)
    swollen = play_line(note, channels=channels, pressure_scale=scale)
    late = frames(0.5, 1)
    gain = swollen.loudness_db[late] - play_line(note).loudness_db[late]
    assert_allclose(gain, 0.4 * 10 * scale, atol=1e-4)  # half of the learned 20 dB


# Envelope


@pytest.mark.parametrize("scale", [0.05, 0.5, 4])
def test_the_decay_knob_stretches_the_decay(scale):
    line = play_line(Note(0, 4, 60, 100), statistics=STEADY, decay_scale=scale)
    peak = line.loudness_db.max()
    below = np.flatnonzero(line.loudness_db[50:] <= peak - 2.9)
    if scale == 4:
        # 2.9 of 3 dB are 0.89 of the way: 3 w^2 - 2 w^3 = 0.967
        reached_s = (below[0] + 51) / SPEC.frame_rate
        assert reached_s == pytest.approx(ATTACK_S + 0.89 * 0.15 * 4, abs=0.02)
    else:
        assert level_at(line, ATTACK_S + 0.15 * scale + 0.02) == pytest.approx(
            peak - 3, abs=0.1
        )


@pytest.mark.parametrize("slope", [-1.0, -4.0, -40.0])
@pytest.mark.parametrize("scale", [0.5, 2, 20])
def test_the_sustain_knob_divides_what_a_held_note_loses(slope, scale):
    statistics = learned(sustain_slope_db_per_s=slope, vibrato_rate_hz=0)
    note = Note(0, 1, 60, 127)
    plain = play_line(note, statistics=statistics)
    held = play_line(note, statistics=statistics, sustain_scale=scale)
    peak_db = settle_style(statistics, profile()).loud_db
    offset = plain.loudness_db[13] - peak_db  # of the seed, right after the attack
    after = frames(0.3, 0.9)  # later even the softest is silence
    lost, lost_now = (peak_db + offset - x.loudness_db[after] for x in (plain, held))
    assert_allclose(lost_now, lost / scale, atol=0.1)


def test_a_string_that_sings_longer_is_struck_all_the_same():
    plucked = learned(sustain_slope_db_per_s=-30)
    style = settle_style(plucked, profile(sustain_scale=20))
    assert style.is_struck
    assert not settle_style(learned(), profile(sustain_scale=0.05)).is_struck


def test_slurs_lose_less_too():
    melody = [Note(0, 1, 60, 90), Note(1, 3, 64, 90)]
    plain, held = (play_line(*melody, sustain_scale=s) for s in (1, 4))
    sunk, sunk_less = (
        level_at(line, 1.2) - level_at(line, 2.9) for line in (plain, held)
    )
    assert sunk_less == pytest.approx(sunk / 4, abs=1e-3)


# Vibrato


def swing_of(seconds=4, **options):
    line = play_line(Note(0, seconds, 60, 100), **options)
    return cents(line.f0_hz[frames(0, seconds)], 60)


def rate_of(swing):
    """Cycles a second, by the crossings of zero after the first second."""
    late = swing[100:]
    crossings = np.flatnonzero(np.diff(np.signbit(late)))
    return (len(crossings) - 1) / 2 / (crossings[-1] - crossings[0]) * SPEC.frame_rate


@pytest.mark.parametrize("rate_hz", [2, 7.5, 12])
def test_the_vibrato_has_the_rate_asked_for(rate_hz):
    learned_rate = rate_of(swing_of(statistics=learned()))
    asked = rate_of(swing_of(statistics=learned(), vibrato_rate_hz=rate_hz))
    # A note differs from others by the same share at any rate.
    assert asked / learned_rate == pytest.approx(rate_hz / 5.0, rel=0.02)


@pytest.mark.parametrize("learned_cents", [0, 20])
def test_the_depth_asked_for_is_added_to_the_learned_one(learned_cents):
    statistics = learned(vibrato_depth_cents=learned_cents)
    swing = swing_of(statistics=statistics, vibrato_depth_cents=30)[100:]
    assert swing.max() == pytest.approx(learned_cents + 30, rel=0.11)
    assert swing.max() == pytest.approx(-swing.min(), rel=0.05)


@pytest.mark.parametrize("depth_cents", [0, 20, 200])
def test_the_wheel_reaches_as_deep_as_its_knob(depth_cents):
    channels = {0: Channel(modulation_unit=steps((0.0, 0.5)))}
    swing = swing_of(channels=channels, modulation_depth_cents=depth_cents)
    assert swing.max() == pytest.approx(depth_cents / 2, rel=0.05, abs=0.1)


# Timbre


def test_gains_and_brightness_are_told_to_the_voice_frame_by_frame():
    line = play_line(FIRM, harmonic_gain_db=3, noise_gain_db=-9, brightness=0.5)
    for curve, value in zip(line.timbre, (3, -9, 0.5), strict=True):
        assert curve.dtype == np.float32
        assert_array_equal(curve, np.full(len(line.f0_hz), value, np.float32))


@pytest.mark.parametrize("scale", [0, 0.5, 2])
def test_cc_74_moves_the_brightness_of_its_own_notes(scale):
    channels = {0: Channel(timbre_unit=steps((0.5, -0.5)))}
    other = Note(0, 1, 72, 100, channel=1)
    one, two = play(
        FIRM, other, channels=channels, brightness=0.25, timbre_scale=scale
    ).lines
    assert_allclose(one.timbre.brightness[frames(0, 0.5)], 0.25)
    assert_allclose(one.timbre.brightness[frames(0.5, 1)], 0.25 - 0.5 * scale)
    assert_allclose(two.timbre.brightness, 0.25)


def test_brightness_rests_once_a_note_has_ended():
    channels = {0: Channel(timbre_unit=steps((0.0, 1.0), (1.0, 0.0)))}
    line = play_line(FIRM, channels=channels)
    assert_allclose(line.timbre.brightness[line.f0_hz > 0], 1)


def test_a_phrase_takes_its_own_part_of_the_timbre():
    voice = SineVoice()
    channels = {0: Channel(timbre_unit=steps((5.0, 1.0)))}
    score = Score((FIRM, Note(6, 7, 60, 90)), channels)
    perform_score(voice, score)
    first, second = voice.timbres
    assert (first.brightness == 0).all()
    assert (second.brightness[2:] == 1).all()


def test_a_voice_of_before_plays_a_score_without_its_timbre():
    voice = SineVoice(can_bend=False)
    score = Score((FIRM,), {0: Channel(timbre_unit=steps((0.0, 1.0)))})
    performance = perform_score(voice, score)
    assert voice.timbres == [None]
    assert performance.notices == [
        "CC 74 is left out, for this voice was made before that."
    ]
    perform_score(voice, score, player_profile=profiles_pb2.PlayerProfile(brightness=1))
    assert voice.timbres[-1] is not None  # the voice says itself what it cannot do


# Voices


@pytest.mark.parametrize("voice_count", [1, 2, 32])
def test_at_most_so_many_notes_sound(voice_count):
    playing = play(
        *[Note(i / 100, 2, 40 + i, 90) for i in range(20)], voice_count=voice_count
    )
    assert len(playing.lines) == min(voice_count, 20)
    cut = [notice for notice in playing.notices if "cut short" in notice]
    if voice_count < 20:
        assert f"at most {voice_count} sound at once: {20 - voice_count}." in cut[0]
    else:
        assert not cut


# What the live player shares: numbers and arrays alike, one note or many


def test_the_shapes_are_the_same_for_one_note_and_for_many(rng):
    style = settle_style(learned(), profile(sustain_scale=2, pressure_scale=0.5))
    ages_s = rng.uniform(0, 2, (3, 50))
    peaks_db, depths_db = rng.uniform(-40, -20, (2, 3, 1))
    variation = rng.uniform(-1, 1, (2, 3, 1))
    attacked = envelope.attacked(ages_s, peaks_db, -depths_db, style)
    slurred = envelope.slurred(ages_s, peaks_db, depths_db, style)
    swinging = gestures.vibrato(ages_s, 0.5, style, variation)
    gliding = gestures.glide(ages_s, peaks_db, depths_db, 0.3)
    for i in range(3):
        peak_db, depth_db = float(peaks_db[i, 0]), float(depths_db[i, 0])
        for j in (0, 20, 49):
            age_s, at = float(ages_s[i, j]), (i, j)
            alone = envelope.attacked(age_s, peak_db, -depth_db, style)
            assert alone == pytest.approx(attacked[at])
            alone = envelope.slurred(age_s, peak_db, depth_db, style)
            assert alone == pytest.approx(slurred[at])
            alone = gestures.vibrato(age_s, 0.5, style, variation[:, i, 0])
            assert alone == pytest.approx(swinging[at])
            alone = gestures.glide(age_s, peak_db, depth_db, 0.3)
            assert alone == pytest.approx(gliding[at])
    velocities = np.arange(1, 128)
    peaks = dynamics.peak_db(velocities, style)
    assert peaks[[0, -1]].tolist() == [style.soft_db, style.loud_db]
    assert dynamics.peak_db(64, style) == peaks[63]
    assert_allclose(gestures.timbre_unit(np.array([0, 64, 127])), [-1, 0, 1])
    assert gestures.timbre_unit(32) == -0.5
    assert gestures.swell_db(1.0, style) == (style.loud_db - style.soft_db) / 4


def test_a_glide_begins_here_and_ends_there_in_its_time():
    ages_s = np.array([-1.0, 0.0, 0.25, 0.5, 9.0])
    assert_allclose(gestures.glide(ages_s, 60, 72, 0.5), [60, 60, 66, 72, 72])
    assert gestures.glide(0.0, 60, 72, 0.0) == 60
    assert gestures.glide(1e-6, 60, 72, 0.0) == 72


def test_statistics_without_vibrato_still_take_a_rate():
    style = settle_style(STRAIGHT, profile(vibrato_rate_hz=4))
    assert style.vibrato_rate_hz == 4
