import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from amadeus.features.extract import extract
from amadeus.features.octaves import (
    lower_pitch_shows,
    octave_heard,
    repair_octave_slips,
)
from tests.features.sounds import SPEC, at_frames, reed, sweep_hz
from tests.features.test_extract import FixedTracker

VOICED = np.ones(101, bool)


def _note(f0_hz=330.0, *, n_samples=16_000):
    return reed(np.full(n_samples, f0_hz), sample_rate=16_000)


def _leap():
    """A player's leap by an octave and back, without a break: audio and true pitch."""
    f0_hz = np.full(16_000, 220.0)
    f0_hz[5_000:11_000] = 440.0
    return reed(f0_hz, sample_rate=16_000), at_frames(f0_hz, SPEC, 101)


@pytest.mark.parametrize(("start", "end"), [(20, 60), (0, 40), (70, 101), (50, 54)])
@pytest.mark.parametrize("factor", [2.0, 0.5])
def test_a_slip_is_repaired_however_long_and_wherever(start, end, factor):
    f0_hz = np.full(101, 330.0)
    f0_hz[start:end] *= factor
    repaired = repair_octave_slips(f0_hz, VOICED, _note(), spec=SPEC)
    assert_allclose(repaired, 330.0)


def test_what_a_player_leaps_stays():
    audio, f0_hz = _leap()
    assert_array_equal(repair_octave_slips(f0_hz, VOICED, audio, spec=SPEC), f0_hz)


def test_glides_and_vibrato_stay():
    glide_hz = sweep_hz(110, 880, seconds=0.5, sample_rate=16_000)
    wave = 0.8 * np.sin(2 * np.pi * 6 * np.arange(8_160) / 16_000)
    true_hz = np.concatenate([glide_hz, 880 * 2 ** (wave / 12)])
    f0_hz = at_frames(true_hz, SPEC, 101)
    audio = reed(true_hz, sample_rate=16_000)
    assert_array_equal(repair_octave_slips(f0_hz, VOICED, audio, spec=SPEC), f0_hz)


def test_without_evidence_nothing_moves(rng):
    noise = rng.normal(0, 0.1, 16_000).astype(np.float32)
    f0_hz = np.full(101, 330.0)
    f0_hz[20:60] = 660.0
    assert_array_equal(repair_octave_slips(f0_hz, VOICED, noise, spec=SPEC), f0_hz)


def test_over_a_pause_nothing_is_compared():
    f0_hz = np.full(101, 330.0)
    f0_hz[50:] = 660.0
    voiced = VOICED.copy()
    voiced[48:52] = False
    repaired = repair_octave_slips(f0_hz, voiced, _note(), spec=SPEC)
    assert_array_equal(repaired, f0_hz)


@pytest.mark.parametrize(("said", "octaves"), [(330, 0), (660, -1), (165, 1), (495, 0)])
@pytest.mark.parametrize("level", [1.0, 1e-3])
def test_the_octave_is_heard_at_any_level(said, octaves, level):
    heard = octave_heard(np.full(40, float(said)), 20, level * _note(), spec=SPEC)
    assert heard == octaves


def _bright(f0_hz, *, odd):
    """A tone whose even harmonics are as loud as a reed's and whose odd ones are `odd` times as loud."""
    time = np.arange(16_000) / 16_000
    partials = (
        np.sin(2 * np.pi * k * f0_hz * time) / k * (odd if k % 2 else 1.0)
        for k in range(1, 15)
    )
    return 0.1 * sum(partials)


def test_a_strong_second_harmonic_is_no_octave():
    f0_hz = np.full(40, 220.0)
    assert octave_heard(f0_hz, 20, _bright(220, odd=0.1), spec=SPEC) == 0
    assert octave_heard(f0_hz, 20, _bright(220, odd=0.001), spec=SPEC) == 1


def _one_in(times, f0_hz, *, others):
    """A tone whose harmonics are as loud as a reed's where `times` divides them, and else `others` times as loud."""
    time = np.arange(16_000) / 16_000
    partials = (
        np.sin(2 * np.pi * k * f0_hz * time) / k * (1.0 if k % times == 0 else others)
        for k in range(1, int(7_000 / f0_hz))
    )
    return 0.1 * sum(partials)


@pytest.mark.parametrize(("others", "shows"), [(0.2, True), (0.001, False)])
@pytest.mark.parametrize("times", [2, 3, 4, 5])
@pytest.mark.parametrize("f0_hz", [110.0, 247.0, 261.6, 330.0])
def test_the_lower_pitch_shows_between_the_harmonics_of_the_upper(
    f0_hz, times, others, shows
):
    frames = _one_in(times, f0_hz, others=others)[None, 4_000:4_700]
    period = np.array([16_000 / (times * f0_hz)])
    assert lower_pitch_shows(frames, period, np.array([times])).tolist() == [shows]


@pytest.mark.parametrize("f0_hz", [493.0, 740.0, 783.4, 1_222.0])
@pytest.mark.parametrize("times", [2, 3])
def test_between_whole_lags_a_pitch_is_not_taken_for_a_harmonic(f0_hz, times):
    frames = _note(f0_hz)[None, 4_000:4_700]
    period = np.array([16_000 / f0_hz])
    assert not lower_pitch_shows(frames, period, np.array([times])).any()


def test_extraction_repairs_a_long_slip(profile):
    f0_hz = np.full(101, 330.0)
    f0_hz[20:60] = 660.0
    found = extract(_note(), profile=profile, tracker=FixedTracker(f0_hz, np.ones(101)))
    assert_allclose(found.f0_hz, 330.0, rtol=1e-6)
