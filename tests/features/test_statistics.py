"""Statistics against notes whose every number is known.

Tolerances: loudness is measured through a window of 32 ms on frames of 10 ms, so durations are
known to about 30 ms; pitch trackers flatten a small vibrato by up to a fifth.
"""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose

from amadeus.features.extract import extract, make_tracker
from amadeus.features.statistics import Accumulator
from amadeus.personality import profiles
from tests.features.instrument import Shape, play
from tests.features.sounds import SPEC, features, reed

PITCHES = [55, 60, 64, 67]


def _statistics(*passages, profile):
    accumulator = Accumulator()
    for passage in passages:
        accumulator.add(passage, spec=SPEC, profile=profile)
    return accumulator.result()


@pytest.fixture(scope="module")
def tracker():
    return make_tracker(profiles.complete_learner_profile())


@pytest.fixture
def measure(profile, tracker):
    def measure_sound(*sounds):
        found = [extract(sound, profile=profile, tracker=tracker) for sound in sounds]
        return _statistics(*found, profile=profile)

    return measure_sound


@pytest.mark.parametrize("attack_s", [0.05, 0.2, 0.4])
def test_the_attack_is_measured(measure, attack_s):
    shape = Shape(attack_s=attack_s, attack_db=40, decay_db=0, slope_db_per_s=0)
    measured = measure(play(shape, PITCHES)).note_shape
    assert measured.note_count == len(PITCHES)
    # A straight line from -40 dB passes -3 dB after 37/40 of its way.
    assert measured.attack_duration_s == pytest.approx(attack_s * 37 / 40, abs=0.03)
    assert measured.attack_depth_db == pytest.approx(40, abs=4)


@pytest.mark.parametrize("release_s", [0.15, 0.3, 0.6])
def test_the_release_is_measured(measure, release_s):
    shape = Shape(release_s=release_s, slope_db_per_s=0)
    measured = measure(play(shape, PITCHES, rest_s=1.0)).note_shape
    assert measured.release_duration_s == pytest.approx(release_s, rel=0.2)


def test_a_release_cut_off_by_the_next_note_is_carried_on(measure):
    shape = Shape(release_s=0.6, slope_db_per_s=0)
    measured = measure(play(shape, PITCHES, rest_s=0.4)).note_shape
    assert measured.release_duration_s == pytest.approx(0.6, rel=0.2)


def test_decay_and_sustain_are_measured(measure):
    shape = Shape(decay_s=0.15, decay_db=8, slope_db_per_s=-2)
    measured = measure(play(shape, PITCHES, duration_s=1.5)).note_shape
    assert measured.sustain_slope_db_per_s == pytest.approx(-2, abs=0.3)
    # The middle of the sustain has fallen 1 to 2 dB more than the decay alone.
    assert measured.decay_depth_db == pytest.approx(9.2, abs=1)
    assert 0.08 < measured.decay_duration_s < 0.3


def test_long_notes_say_more_of_the_sustain_than_short_ones(profile):
    def passage(slope_db_per_s, seconds):
        time_s = np.arange(round(seconds * 100)) / 100
        return features(pitch_midi=60.0, loudness_db=-20 + slope_db_per_s * time_s)

    short = [passage(-20.0, 0.5)] * 3
    measured = _statistics(*short, passage(-2.0, 3.0), profile=profile).note_shape
    assert measured.sustain_slope_db_per_s == pytest.approx(-2, abs=0.2)


def test_vibrato_is_measured(measure):
    shape = Shape(vibrato_cents=60, vibrato_hz=5.5, vibrato_delay_s=0.4)
    measured = measure(play(shape, PITCHES, duration_s=1.6)).note_shape
    assert measured.vibrato_rate_hz == pytest.approx(5.5, abs=0.15)
    assert measured.vibrato_depth_cents == pytest.approx(60, rel=0.2)
    assert measured.vibrato_delay_s == pytest.approx(0.4, abs=0.1)


def test_without_vibrato_its_rate_is_zero(measure):
    measured = measure(play(Shape(), PITCHES, duration_s=1.2)).note_shape
    assert measured.vibrato_rate_hz == 0
    assert measured.vibrato_depth_cents == 0


@pytest.mark.parametrize(("n_vibrating", "is_found"), [(1, False), (5, True)])
def test_vibrato_counts_where_one_long_note_in_five_has_it(
    profile, n_vibrating, is_found
):
    wave = 0.4 * np.sin(2 * np.pi * 5.5 * np.arange(150) / 100)
    notes = [
        features(pitch_midi=60 + wave * (i < n_vibrating), loudness_db=np.zeros(150))
        for i in range(10)
    ]
    measured = _statistics(*notes, profile=profile).note_shape
    assert (measured.vibrato_rate_hz > 0) == is_found
    if is_found:  # of those that vibrate, not of all
        assert measured.vibrato_depth_cents == pytest.approx(40, rel=0.1)


def test_the_legato_slide_is_measured(measure):
    slide = np.concatenate([np.full(8_000, 60.0), np.linspace(60, 65, 1_600)])
    pitch_midi = np.concatenate([slide, np.full(8_000, 65.0)])  # 5 semitones in 100 ms
    audio = reed(440 * 2 ** ((pitch_midi - 69) / 12), sample_rate=16_000)
    measured = measure(audio).note_shape
    assert measured.legato_duration_s == pytest.approx(0.1, abs=0.03)


def test_soft_and_loud_are_the_tenths_of_note_peaks(measure):
    levels_db = np.linspace(-40, -10, 11)
    sounds = [play(Shape(), [60], peak_db=level_db) for level_db in levels_db]
    measured = measure(*sounds).note_shape
    step = measured.loud_loudness_db - measured.soft_loudness_db
    assert step == pytest.approx(24, abs=0.5)  # from the 2nd to the 10th of 11


def test_quantiles_are_those_of_the_frames_of_notes(profile, rng):
    pitch_midi = np.repeat(rng.uniform(50, 70, 8), 40)
    loudness_db = rng.uniform(-30, -25, 320)
    confidence = np.ones(320)
    confidence[::80] = confidence[1::80] = confidence[2::80] = 0
    made = features(
        pitch_midi=pitch_midi, loudness_db=loudness_db, confidence=confidence
    )
    voiced = confidence > 0
    found = _statistics(made, profile=profile)
    shares = np.linspace(0, 1, 101)
    assert_allclose(
        found.pitch_quantiles_midi, np.quantile(pitch_midi[voiced], shares), atol=0.01
    )
    assert_allclose(
        found.loudness_quantiles_db, np.quantile(loudness_db[voiced], shares), atol=0.03
    )


def test_durations_and_silence_are_measured(measure):
    silence = np.zeros(8_000, np.float32)
    tone = reed(np.full(32_000, 220.0), sample_rate=16_000)
    found = measure(np.concatenate([silence, tone, silence]))
    assert found.voiced_duration_s == pytest.approx(2.0, abs=0.1)
    assert found.sounding_duration_s == pytest.approx(2.0, abs=0.1)
    assert found.silence_loudness_db == pytest.approx(-80.0)


def test_the_silence_of_a_noisy_room_is_its_noise(measure, rng):
    tone = np.pad(reed(np.full(32_000, 220.0), sample_rate=16_000), 16_000)
    noise = rng.normal(0, 1e-3, len(tone)).astype(np.float32)
    noisy = measure(tone + noise)
    alone = extract(noise, profile=profiles.complete_learner_profile()).loudness_db
    assert noisy.silence_loudness_db == pytest.approx(np.median(alone), abs=2)


def test_merging_is_exact_in_any_order(profile, tracker):
    shapes = [Shape(), Shape(attack_s=0.3), Shape(vibrato_cents=50), Shape(decay_db=1)]
    passages = [
        extract(play(shape, PITCHES[:2]), profile=profile, tracker=tracker)
        for shape in shapes
    ]
    parts = []
    for passage in passages:
        parts.append(Accumulator())
        parts[-1].add(passage, spec=SPEC, profile=profile)
    merged = Accumulator()
    for part in [parts[2], parts[0], parts[3], parts[1]]:
        merged.merge(pickle.loads(pickle.dumps(part)))  # as Beam hands them on
    assert merged.result() == _statistics(*passages, profile=profile)


def test_nothing_learned_is_said_as_nothing(profile):
    silence = features(pitch_midi=60.0, loudness_db=np.full(100, -80.0), confidence=0.0)
    found = _statistics(silence, profile=profile)
    assert found.note_shape.note_count == 0
    assert not found.pitch_quantiles_midi
    assert found.voiced_duration_s == found.sounding_duration_s == 0
    assert found.silence_loudness_db == pytest.approx(-80.0)
