import numpy as np
import pytest

from benchmarks.measures.bands import EDGES_HZ, band_levels_db


def sine(frequency_hz, sample_rate, amplitude=0.5):
    return amplitude * np.sin(
        2 * np.pi * frequency_hz * np.arange(sample_rate) / sample_rate
    )


@pytest.mark.parametrize("frequency_hz", [500, 3_000, 14_000])
def test_a_sine_is_found_in_its_band_at_its_level(frequency_hz):
    levels = band_levels_db([sine(frequency_hz, 48_000)], sample_rate=48_000)
    band = np.searchsorted(EDGES_HZ, frequency_hz, side="right") - 1
    assert levels[band] == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.1)
    others = np.delete(levels, band)
    assert others.max() < levels[band] - 40


def test_there_is_nothing_above_nyquist():
    levels = band_levels_db([sine(500, 16_000)], sample_rate=16_000)
    assert np.isnan(levels[EDGES_HZ.index(8_000) :]).all()
    assert np.isfinite(levels[: EDGES_HZ.index(8_000)]).all()
