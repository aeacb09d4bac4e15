import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from amadeus.errors import ConfigError, RecordingError
from amadeus.features import Features
from amadeus.personality import profiles
from amadeus.play.transfer import map_features
from amadeus.v1 import personality_pb2
from tests.play.instrument import SPEC, learned

SILENCE_DB = -80.0
PLAYED = slice(100, 300)  # frames of the tune that sound


def tune(pitch_midi=60.0, loudness_db=None, background_db=-75.0):
    """1 s of background, 2 s of one note with a swell, 1 s of background."""
    f0_hz = np.full(401, 440 * 2 ** ((pitch_midi - 69) / 12), np.float32)
    confidence = np.zeros(401, np.float32)
    confidence[PLAYED] = 0.95
    loudness = np.full(401, background_db, np.float32)
    swell = np.linspace(-50, -30, 200) if loudness_db is None else loudness_db
    loudness[PLAYED] = swell
    return Features(f0_hz, confidence, loudness)


def transfer(features, statistics=None, octave="auto", **player):
    profile = profiles.complete_player_profile()
    for name, value in player.items():
        setattr(profile, name, value)
    return map_features(
        features,
        statistics=learned() if statistics is None else statistics,
        player_profile=profile,
        spec=SPEC,
        threshold=0.5,
        octave=octave,
    )


def played(controls):
    """Pitch and loudness of the frames that sound: frame i + 1 is control i."""
    return controls.f0_hz[99:299], controls.loudness_db[99:299]


def range_of(low, high):
    statistics = learned()
    statistics.pitch_quantiles_midi[:] = np.linspace(low, high, 11)
    return statistics


def test_frame_i_plus_1_is_control_i():
    controls = transfer(tune()).controls
    assert len(controls.f0_hz) == 400
    assert_array_equal(np.flatnonzero(controls.f0_hz > 0), np.arange(99, 299))


@pytest.mark.parametrize(
    ("pitch_midi", "octaves"),
    [(60, 0), (49, 0), (40, 1), (25, 2), (74, -1), (80, -2), (110, -4)],
)
def test_the_pitch_moves_by_octaves_into_the_range(pitch_midi, octaves):
    result = transfer(tune(pitch_midi), range_of(48, 64))
    assert result.octaves == octaves
    f0_hz, _ = played(result.controls)
    moved_midi = 69 + 12 * np.log2(f0_hz / 440)
    assert_allclose(moved_midi, pitch_midi + 12 * octaves, atol=1e-3)
    assert ((moved_midi > 47.9) & (moved_midi < 64.1)).all()


def test_the_range_may_be_narrower_than_an_octave():
    assert transfer(tune(54), range_of(60, 62)).octaves in (0, 1)
    assert transfer(tune(49), range_of(60, 62)).octaves == 1


def test_a_fixed_octave_is_obeyed():
    result = transfer(tune(60), octave=-2)
    f0_hz, _ = played(result.controls)
    assert result.octaves == -2
    assert_allclose(f0_hz, tune(36).f0_hz[PLAYED], rtol=1e-5)


def test_absurd_octaves_are_refused():
    with pytest.raises(ConfigError, match="octave=9 is out of range"):
        transfer(tune(), octave=9)


def test_the_pitch_knob_shifts_after_the_octave():
    usual, _ = played(transfer(tune()).controls)
    shifted, _ = played(transfer(tune(), pitch_shift_semitones=3).controls)
    assert_allclose(shifted / usual, 2 ** (3 / 12), rtol=1e-5)


def test_loudness_is_mapped_to_the_learned_quantiles():
    _, loudness_db = played(transfer(tune()).controls)
    assert loudness_db[0] == pytest.approx(-60, abs=0.5)
    assert np.median(loudness_db) == pytest.approx(-40, abs=0.5)
    assert loudness_db[-1] == pytest.approx(-20, abs=0.5)


def test_the_map_only_rises(rng):
    given = rng.normal(-40, 8, 200)
    _, loudness_db = played(transfer(tune(loudness_db=given)).controls)
    order = np.argsort(given)
    assert (np.diff(loudness_db[order]) >= -1e-4).all()
    assert loudness_db.max() <= -20 + 1e-4


def test_an_input_without_dynamics_keeps_little():
    flat = -40 + np.linspace(-1, 1, 200)
    _, loudness_db = played(transfer(tune(loudness_db=flat)).controls)
    assert np.ptp(loudness_db) == pytest.approx(4, abs=0.1)
    assert np.median(loudness_db) == pytest.approx(-40, abs=0.1)


def test_an_input_of_one_loudness_plays_at_the_learned_middle():
    _, loudness_db = played(transfer(tune(loudness_db=-33)).controls)
    assert_allclose(loudness_db, -40, atol=1e-3)


@pytest.mark.parametrize("background_db", [-80.0, -70.0, -58.0])
def test_background_becomes_silence(background_db):
    controls = transfer(tune(background_db=background_db)).controls
    outside = np.r_[controls.loudness_db[:90], controls.loudness_db[310:]]
    assert (outside == SILENCE_DB).all()
    assert (controls.f0_hz[:90] < 0).all()


def test_sound_outside_notes_is_pulled_down():
    features = tune(loudness_db=np.full(200, -40.0))
    features.loudness_db[20:30] = -40  # a breath, as loud as the note
    controls = transfer(features).controls
    _, note_db = played(controls)
    assert controls.loudness_db[24] == pytest.approx(np.median(note_db) - 20, abs=0.1)
    assert controls.f0_hz[24] < 0


def test_the_loudness_knob_moves_notes_and_leaves_silence():
    _, usual = played(transfer(tune()).controls)
    raised = transfer(tune(), loudness_offset_db=10).controls
    _, louder = played(raised)
    _, softer = played(transfer(tune(), loudness_offset_db=-10).controls)
    clear = usual > -59
    assert_allclose(louder[clear], usual[clear] + 10, atol=1e-3)
    assert_allclose(softer, np.maximum(usual - 10, -59.6), atol=1e-3)
    assert (raised.loudness_db[:90] == SILENCE_DB).all()


@pytest.mark.parametrize("curve", [0.5, 2.0])
def test_the_loudness_curve_bends_notes_between_the_softest_and_the_loudest(curve):
    floor_db, top_db = -59.6, -20.0  # of `learned`
    _, usual = played(transfer(tune()).controls)
    bent = transfer(tune(), loudness_curve=curve).controls
    way = np.clip((usual - floor_db) / (top_db - floor_db), 0, 1)
    expected = floor_db + (top_db - floor_db) * way**curve
    assert_allclose(played(bent)[1], expected, atol=1e-2)
    assert (bent.loudness_db[:90] == SILENCE_DB).all()


def test_fine_tuning_and_timbre_apply_to_another_sound_too():
    plain = transfer(tune()).controls
    moved = transfer(tune(), fine_tuning_cents=50, brightness=1, noise_gain_db=-6)
    assert_allclose(moved.controls.f0_hz / plain.f0_hz, 2 ** (50 / 1200), rtol=1e-6)
    assert plain.timbre is None
    for curve, value in zip(moved.controls.timbre, (0, -6, 1), strict=True):
        assert_array_equal(curve, np.full(400, value, np.float32))


def test_a_voice_that_learned_nothing_leaves_the_input_as_it_is():
    features = tune()
    result = transfer(features, personality_pb2.Statistics())
    f0_hz, loudness_db = played(result.controls)
    assert result.octaves == 0
    assert_allclose(f0_hz, features.f0_hz[PLAYED], rtol=1e-6)
    assert_allclose(loudness_db, features.loudness_db[PLAYED], atol=0.2)


def test_a_note_from_end_to_end_needs_no_background():
    features = tune()._replace(
        f0_confidence=np.ones(401, np.float32),
        loudness_db=np.linspace(-50, -30, 401).astype(np.float32),
    )
    controls = transfer(features).controls
    assert (controls.f0_hz > 0).all()
    assert np.ptp(controls.loudness_db) == pytest.approx(40, abs=1)


def test_sound_without_pitch_is_refused():
    rain = tune()._replace(f0_confidence=np.full(401, 0.1, np.float32))
    with pytest.raises(RecordingError, match=r"in 0.00 s of 4.0 s .* one clear melody"):
        transfer(rain)


def test_the_features_are_not_touched():
    features = tune()
    copies = [a.copy() for a in features]
    transfer(features, loudness_offset_db=5, pitch_shift_semitones=1)
    for mine, theirs in zip(features, copies, strict=True):
        assert_array_equal(mine, theirs)
