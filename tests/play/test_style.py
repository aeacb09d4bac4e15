import math

import numpy as np
import pytest

from amadeus.personality import profiles
from amadeus.play.style import Style, settle_pitch_range, settle_silence, settle_style
from amadeus.v1 import personality_pb2
from tests.play.instrument import learned

PLAIN = profiles.complete_player_profile()


def settle(statistics, **player):
    profile = profiles.complete_player_profile()
    for name, value in player.items():
        setattr(profile, name, value)
    return settle_style(statistics, profile)


def test_what_was_learned_is_what_is_played():
    style = settle(learned())
    shape = learned().note_shape
    assert style.attack_s == pytest.approx(shape.attack_duration_s)
    assert style.attack_depth_db == shape.attack_depth_db
    assert style.decay_depth_db == shape.decay_depth_db
    assert style.release_s == pytest.approx(shape.release_duration_s)
    assert (style.soft_db, style.loud_db) == (-42, -22)
    assert style.max_db == -20
    assert (style.low_midi, style.high_midi) == pytest.approx((36.48, 83.52))
    assert style.vibrato_depth_cents == 20


def test_nothing_learned_is_played_plainly():
    assert settle(personality_pb2.Statistics()) == Style()


def test_zeros_in_a_found_note_do_not_make_it_loud_or_endless():
    shape = personality_pb2.NoteShape(note_count=1)
    style = settle(personality_pb2.Statistics(note_shape=shape))
    assert (style.soft_db, style.loud_db) == (Style.soft_db, Style.loud_db)
    assert style.release_s > 0
    assert style.legato_s == Style.legato_s
    assert style.vibrato_depth_cents == 0


def test_without_notes_dynamics_come_from_the_quantiles():
    quantiles = np.linspace(-70, -30, 11)
    statistics = personality_pb2.Statistics(loudness_quantiles_db=quantiles)
    style = settle(statistics)
    assert (style.soft_db, style.loud_db) == (-66, -34)
    assert style.max_db == -30


def test_a_practice_at_one_dynamic_still_answers_to_velocity():
    style = settle(learned(soft_loudness_db=-25, loud_loudness_db=-25))
    assert style.loud_db == -25
    assert style.soft_db == -31


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_none_are_replaced(value):
    names = [f.name for f in personality_pb2.NoteShape.DESCRIPTOR.fields][1:]
    statistics = learned(**dict.fromkeys(names, value))
    statistics.silence_loudness_db = value
    statistics.loudness_quantiles_db[:] = [value, -20]
    statistics.pitch_quantiles_midi[:] = [value, 60]
    style = settle(statistics)
    numbers = [v for v in vars(style).values() if v is not None]
    assert all(map(math.isfinite, numbers))
    assert style.silence_db < style.soft_db < style.loud_db <= style.max_db
    assert style.low_midi is None


@pytest.mark.parametrize(
    ("learned_db", "played_db"), [(0, -80), (-50, -80), (-93.5, -93.5), (-300, -120)]
)
def test_silence_is_silent_however_noisy_the_practice(learned_db, played_db):
    statistics = personality_pb2.Statistics(silence_loudness_db=learned_db)
    assert settle_silence(statistics) == played_db


def test_slips_of_the_tracker_do_not_widen_the_pitch_range():
    quantiles = [20, *np.linspace(48, 60, 99), 110]
    statistics = personality_pb2.Statistics(pitch_quantiles_midi=quantiles)
    assert settle_pitch_range(statistics) == pytest.approx((48, 60))


def test_the_softest_note_is_above_the_floor():
    soft = learned(soft_loudness_db=-60, loud_loudness_db=-20)
    assert settle(soft).floor_db <= settle(soft).soft_db - 10


def test_a_fading_instrument_is_struck():
    assert settle(learned(sustain_slope_db_per_s=-30)).is_struck
    assert not settle(learned(sustain_slope_db_per_s=-3)).is_struck


def test_knobs_scale_what_was_learned():
    style = settle(learned(), attack_scale=2, release_scale=3, vibrato_scale=0.5)
    assert style.attack_scale == 2
    assert style.release_s == pytest.approx(0.9)
    assert style.vibrato_scale == 0.5


def test_the_floor_is_the_softest_hundredth_of_what_was_learned():
    statistics = learned()
    statistics.loudness_quantiles_db[:] = np.linspace(-70, 0, 101)
    assert settle(statistics).floor_db == pytest.approx(-69.3)


def test_the_floor_leaves_room_for_a_release_and_is_above_silence():
    loud = personality_pb2.Statistics(loudness_quantiles_db=[-3, 0])
    assert settle(loud).floor_db <= settle(loud).loud_db - 25
    soft = personality_pb2.Statistics(loudness_quantiles_db=[-79, -70])
    assert settle(soft).floor_db >= settle(soft).silence_db
