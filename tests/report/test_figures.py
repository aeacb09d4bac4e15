import base64
import io
import math
import re

import numpy as np
import pytest
from matplotlib import image

from amadeus.report import chart, figures
from amadeus.report.evaluation import read_examples
from amadeus.report.session import TrainingPoint
from amadeus.report.spectrogram import (
    FLOOR_DB,
    LOWEST_HZ,
    N_ROWS,
    encode_png,
    measure_spectrogram,
)
from tests.report.practices import write_example

RATE = 16_000


def sine(f0_hz, seconds=1.0, level=1.0):
    return level * np.sin(2 * np.pi * f0_hz * np.arange(int(RATE * seconds)) / RATE)


@pytest.fixture
def example(tmp_path, rng):
    write_example(tmp_path / "examples", 0, rng, name="suite.wav")
    (example,), missing = read_examples(str(tmp_path))
    assert missing == []
    return example


@pytest.mark.parametrize("f0_hz", [110.0, 440.0, 1760.0, 5000.0])
def test_a_sine_is_bright_at_its_own_pitch(f0_hz):
    power_db = measure_spectrogram(sine(f0_hz), sample_rate=RATE)
    rows_hz = np.geomspace(LOWEST_HZ, RATE / 2, N_ROWS)[::-1]
    loudest = np.argmax(power_db[:, power_db.shape[1] // 2])
    assert abs(math.log2(rows_hz[loudest] / f0_hz)) < 1 / 12


def test_decibels_are_over_a_full_scale_sine():
    for level in (1.0, 0.1, 0.01):
        power_db = measure_spectrogram(sine(440, level=level), sample_rate=RATE)
        middle = power_db[:, power_db.shape[1] // 2]
        assert middle.max() == pytest.approx(20 * math.log10(level), abs=2.0)


def test_silence_is_the_floor_and_nan_is_silence():
    for audio in (np.zeros(RATE), np.full(RATE, np.nan)):
        power_db = measure_spectrogram(audio, sample_rate=RATE)
        assert power_db.max() == pytest.approx(FLOOR_DB)


def test_a_long_sound_does_not_make_a_wide_picture():
    power_db = measure_spectrogram(np.zeros(RATE * 60), sample_rate=RATE)
    assert power_db.shape[0] == N_ROWS
    assert power_db.shape[1] <= 722


def test_a_spectrogram_shorter_than_its_window_is_drawn():
    assert measure_spectrogram(np.ones(10), sample_rate=RATE).shape[1] >= 1


def test_colours_are_a_function_of_the_scale_alone():
    address = encode_png(np.array([[-80.0, -40.0, 0.0, 20.0]]), low=-80, high=0)
    png = base64.b64decode(address.removeprefix("data:image/png;base64,"))
    pixels = image.imread(io.BytesIO(png))[0]
    brightness = pixels[:, :3].sum(axis=1)
    assert brightness[0] < brightness[1] < brightness[2]
    assert np.array_equal(pixels[2], pixels[3])  # beyond the scale nothing is brighter


def test_both_sounds_share_one_scale(example):
    quiet = example._replace(resynthesis=example.resynthesis * 0.01)
    drawn = figures.draw_example(quiet, confidence_threshold=0.5)
    original, resynthesis = (
        _brightness(svg) for svg in (drawn.original, drawn.resynthesis)
    )
    assert resynthesis < 0.6 * original


def test_a_sound_beyond_full_scale_can_still_be_heard(example):
    wild = example._replace(resynthesis=example.resynthesis * 1e6)
    wild.resynthesis[0] = np.nan
    drawn = figures.draw_example(wild, confidence_threshold=0.5)
    assert drawn.resynthesis_mp3.startswith("data:audio/mpeg;base64,")


def test_pitch_breaks_where_the_original_has_none(example):
    svg = figures.draw_pitch(example, confidence_threshold=0.5)
    paths = re.findall(r'<path class="curve \w+" d="([^"]*)"', svg)
    assert [path.count("M") for path in paths] == [4, 4]  # four notes, each a stroke


def test_pitch_is_drawn_at_its_note(example):
    f_sharp_3 = np.full_like(example.f0_hz, 440 * 2 ** ((54 - 69) / 12))
    even = example._replace(
        f0_hz=f_sharp_3, resynthesis_f0_hz=f_sharp_3 * 2 ** (2 / 12)
    )
    svg = figures.draw_pitch(even, confidence_threshold=0.0)
    labels = re.findall(r'y="([\d.]+)" text-anchor="end">([^<]*)<', svg)
    lines = {note: float(y) - 4 for y, note in labels}  # a label sits 4 below its line
    for style, note in (("reference", "F#3"), ("result", "G#3")):
        drawn = float(re.search(rf'{style}" d="M[\d.]+ ([\d.]+)', svg).group(1))
        assert drawn == pytest.approx(lines[note], abs=0.2)


def test_early_steps_do_not_press_the_curve_flat():
    losses = [500.0, *np.linspace(10, 5, 200)]
    points = [
        TrainingPoint(i, i, loss, math.nan, 5.0) for i, loss in enumerate(losses, 1)
    ]
    svg = figures.draw_training(points)
    ticks = re.findall(r'text-anchor="end">([\d.]+)<', svg)
    assert max(map(float, ticks)) <= 12


def test_a_single_point_of_training_is_drawn():
    svg = figures.draw_training([TrainingPoint(1.0, 1, 9.0, math.nan, 5.0)])
    assert "nan" not in svg


def test_ticks_are_round_and_hold_all_values(rng):
    for scale in (1e-3, 1.0, 40.0, 1e4):
        values = rng.normal(size=50) * scale
        axis = chart.fit_axis("", values)
        ticks = [value for value, _ in axis.ticks]
        assert axis.low <= values.min()
        assert axis.high >= values.max()
        assert 3 <= len(ticks) <= 9
        assert np.allclose(np.diff(ticks), ticks[1] - ticks[0])


def test_a_line_breaks_at_nan_and_stays_within_the_frame():
    y = np.array([0.0, 1.0, np.nan, 5.0, 1.0])
    axis = chart.Axis("", 0.0, 1.0, [(0.0, "0"), (1.0, "1")])
    curve = chart.Curve("<b>", np.arange(5.0) / 4, y, "result")
    svg = chart.draw_chart([curve], x_axis=axis, y_axis=axis, description='a "b"')
    path = re.search(r' d="([^"]*)"', svg).group(1)
    assert [part[0] for part in re.findall(r"[ML][\d. ]+", path)] == [
        "M",
        "L",
        "M",
        "L",
    ]
    assert min(float(v) for v in re.findall(r"[ML][\d.]+ ([\d.]+)", path)) >= chart.TOP
    assert "<b>" not in svg
    assert "a &#34;b&#34;" in svg


def _brightness(svg):
    png = base64.b64decode(re.search(r"base64,([^\"]+)", svg).group(1))
    return float(image.imread(io.BytesIO(png))[:, :, :3].mean())
