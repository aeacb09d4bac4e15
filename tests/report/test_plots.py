"""Pictures on axes of matplotlib: what is drawn lies where it sounds."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from amadeus.report.plots import plot_spectrogram
from amadeus.report.spectrogram import RANGE_DB

RATE = 16_000


@pytest.fixture
def axes():
    return Figure().subplots()


def _sine(f0_hz, seconds=1.0, peak=0.5):
    return peak * np.sin(2 * np.pi * f0_hz * np.arange(round(seconds * RATE)) / RATE)


def _brightest_hz(mesh):
    """The frequency whose row holds most power, read off the picture's own coordinates."""
    edges_hz = mesh.get_coordinates()[:, 0, 1]
    row = np.asarray(mesh.get_array()).mean(axis=1).argmax()
    return np.sqrt(edges_hz[row] * edges_hz[row + 1])


@pytest.mark.parametrize("f0_hz", [110.0, 440.0, 3_000.0])
def test_a_sine_is_brightest_where_its_pitch_would_be_drawn(axes, f0_hz):
    mesh = plot_spectrogram(axes, _sine(f0_hz), sample_rate=RATE)
    assert 12 * abs(np.log2(_brightest_hz(mesh) / f0_hz)) < 1  # semitone


def test_a_note_begins_where_it_begins(axes):
    audio = np.concatenate([np.zeros(RATE), _sine(440.0)])
    mesh = plot_spectrogram(axes, audio, sample_rate=RATE)
    edges_s = mesh.get_coordinates()[0, :, 0]
    power_db = np.asarray(mesh.get_array()).max(axis=0)
    began_s = edges_s[np.argmax(power_db > power_db.max() - 12)]
    assert (edges_s[0], edges_s[-1]) == (0.0, 2.0)
    assert began_s == pytest.approx(1.0, abs=0.1)


def test_axes_say_what_they_show(axes):
    plot_spectrogram(axes, _sine(440.0), sample_rate=RATE)
    assert axes.get_yscale() == "log"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("time in s", "frequency in Hz")
    labels = [tick.get_text() for tick in axes.get_yticklabels()]
    assert labels == ["50", "100", "200", "500", "1 k", "2 k", "5 k"]
    assert axes.get_ylim() == (50.0, RATE / 2)


def test_colours_reach_from_the_top_downwards(axes):
    mesh = plot_spectrogram(axes, _sine(440.0), sample_rate=RATE, top_db=-6.0)
    assert mesh.get_clim() == (-6.0 - RANGE_DB, -6.0)
