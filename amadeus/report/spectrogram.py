"""Spectrograms as pictures: time to the right, pitch upwards on a logarithmic scale.

Conventions: power in dB over the power of a full-scale sine; the rows of a picture run from the
highest frequency to the lowest.
"""

import base64
import io
import math

import numpy as np
from markupsafe import Markup

from amadeus.report.chart import Axis, Frame, draw_axes, time_axis, wrap

N_ROWS = 300
MAX_COLUMNS = 720
WINDOW_S = 0.128  # long enough to part the harmonics of a low voice
RANGE_DB = 80.0
FLOOR_DB = -160.0
LOWEST_HZ = 50.0
COLOURS = "magma"

_TICKS_HZ = (50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000)
_FRAME = Frame(width=440, height=270)


def measure_spectrogram(audio: np.ndarray, *, sample_rate: int) -> np.ndarray:
    """Measures power over time and logarithmic frequency.

    Args:
      audio: In [-1, 1]. Shape [n_samples].
      sample_rate: In Hz.

    Returns:
      power_db: Shape [N_ROWS, n_columns], the first row for the highest frequency.
    """
    n_fft = 2 ** round(math.log2(WINDOW_S * sample_rate))
    hop = max(n_fft // 8, math.ceil(len(audio) / MAX_COLUMNS))
    padded = np.pad(np.nan_to_num(audio.astype(np.float64)), n_fft // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop]
    window = np.hanning(n_fft)
    amplitude = np.abs(np.fft.rfft(frames * window)) / (window.sum() / 2)
    power = amplitude**2 @ _bands(n_fft, sample_rate).T  # [n_columns, N_ROWS]
    return 10 * np.log10(np.maximum(power, 10 ** (FLOOR_DB / 10))).T[::-1]


def draw_spectrogram(
    power_db: np.ndarray,
    *,
    top_db: float,
    duration_s: float,
    sample_rate: int,
    description: str,
) -> Markup:
    """Draws a spectrogram with its axes.

    Args:
      power_db: From `measure_spectrogram`.
      top_db: Power of the brightest colour; `RANGE_DB` below it all is dark.
      duration_s: Length of the sound.
      sample_rate: In Hz; half of it is the top of the picture.
      description: What is to be seen, for those who cannot see it.
    """
    picture = Markup(
        '<image href="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" preserveAspectRatio="none"/>'
    ).format(
        encode_png(power_db, low=top_db - RANGE_DB, high=top_db),
        _FRAME.x(0),
        _FRAME.y(1),
        _FRAME.x(1) - _FRAME.x(0),
        _FRAME.y(0) - _FRAME.y(1),
    )
    axes = draw_axes(time_axis(duration_s), frequency_axis(sample_rate), _FRAME)
    return wrap(axes + picture, description, _FRAME)


def frequency_axis(sample_rate: int) -> Axis:
    """Makes the axis of a spectrogram, marked in Hz and kHz."""
    top_hz = sample_rate / 2
    ticks = [(float(f), _say_hz(f)) for f in _TICKS_HZ if LOWEST_HZ <= f <= top_hz]
    return Axis("frequency in Hz", LOWEST_HZ, top_hz, ticks, is_log=True)


def encode_png(values: np.ndarray, *, low: float, high: float) -> str:
    """Paints values between `low` and `high` in colours, as a `data:` address of a PNG."""
    from matplotlib import image  # no figure, no display

    png = io.BytesIO()
    image.imsave(png, values, cmap=COLOURS, vmin=low, vmax=high, format="png")
    return "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()


def draw_scale() -> str:
    """Paints the colours from dark to bright, as a `data:` address of a PNG."""
    return encode_png(np.linspace(0, 1, 128)[None, :], low=0, high=1)


def _bands(n_fft: int, sample_rate: int) -> np.ndarray:
    # Triangles on a logarithmic scale, at least as wide as a bin. Shape [N_ROWS, n_bins].
    bins_hz = np.arange(n_fft // 2 + 1) * sample_rate / n_fft
    centres_hz = np.geomspace(LOWEST_HZ, sample_rate / 2, N_ROWS)
    ratio = centres_hz[1] / centres_hz[0]
    width_hz = np.maximum(centres_hz * (ratio - 1), sample_rate / n_fft)
    distance = np.abs(bins_hz[None, :] - centres_hz[:, None]) / width_hz[:, None]
    weights = np.maximum(1 - distance, 0)
    return weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)


def _say_hz(frequency_hz: int) -> str:
    return f"{frequency_hz // 1000} k" if frequency_hz >= 1000 else str(frequency_hz)
