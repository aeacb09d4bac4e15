import numpy as np
import pytest

from amadeus.features.vibrato import find_vibrato
from tests.features.sounds import SPEC


def _note(*, rate_hz, depth_cents, delay_s=0.0, seconds=2.0, drift_cents=0.0):
    time_s = np.arange(round(seconds * 100)) / 100
    wave = np.sin(2 * np.pi * rate_hz * (time_s - delay_s)) * (time_s >= delay_s)
    drift = drift_cents * (time_s / seconds) ** 2
    return 60 + (depth_cents * wave + drift) / 100


@pytest.mark.parametrize("rate_hz", [4.0, 5.5, 8.0])
@pytest.mark.parametrize("depth_cents", [12, 50, 150])
@pytest.mark.parametrize("drift_cents", [0, 40])
def test_rate_and_depth_are_found(rate_hz, depth_cents, drift_cents):
    found = find_vibrato(
        _note(rate_hz=rate_hz, depth_cents=depth_cents, drift_cents=drift_cents),
        spec=SPEC,
    )
    assert found.rate_hz == pytest.approx(rate_hz, abs=0.1)
    assert found.depth_cents == pytest.approx(depth_cents, rel=0.1)
    assert found.delay_s == 0.0


@pytest.mark.parametrize("delay_s", [0.3, 0.6, 1.0])
def test_the_delay_is_found(delay_s):
    pitch_midi = _note(rate_hz=5.5, depth_cents=40, delay_s=delay_s)
    assert find_vibrato(pitch_midi, spec=SPEC).delay_s == pytest.approx(
        delay_s, abs=0.08
    )


def test_a_steady_note_has_none(rng):
    assert find_vibrato(60 + rng.normal(0, 0.03, 200), spec=SPEC) is None


def test_a_slow_bend_is_none():
    bend = np.sin(np.linspace(0, 2 * np.pi, 200))  # half a wave a second
    assert find_vibrato(60 + bend, spec=SPEC) is None


def test_a_short_note_says_nothing():
    assert (
        find_vibrato(_note(rate_hz=6, depth_cents=50, seconds=0.45), spec=SPEC) is None
    )


def test_a_random_walk_has_none(rng):
    walks = 60 + np.cumsum(rng.normal(0, 0.02, (50, 150)), axis=1)
    found = [find_vibrato(walk, spec=SPEC) for walk in walks]
    assert sum(vibrato is not None for vibrato in found) <= 5
