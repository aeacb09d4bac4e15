"""Pictures for notebooks: the spectrogram of the report on axes of matplotlib, where other curves can be drawn over it.

Conventions: time in s to the right, frequency in Hz upwards on a logarithmic scale, so that a pitch drawn as
`axes.plot(time_s, f0_hz)` lies on its own fundamental; power in dB over the power of a full-scale sine.
"""

from typing import TYPE_CHECKING

import numpy as np

from amadeus.report.spectrogram import (
    COLOURS,
    LOWEST_HZ,
    N_ROWS,
    RANGE_DB,
    frequency_axis,
    measure_spectrogram,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh

TOP_DB = -20.0  # what a loud note of one instrument reaches in one of its harmonics


def plot_spectrogram(
    axes: "Axes", audio: np.ndarray, *, sample_rate: int, top_db: float = TOP_DB
) -> "QuadMesh":
    """Draws the spectrogram of a sound. Sounds that are drawn with the same `top_db` can be compared by their colours.

    Args:
      axes: To draw on; its labels, scale and limits are set.
      audio: In [-1, 1]. Shape [n_samples].
      sample_rate: In Hz; half of it is the top of the picture.
      top_db: Power of the brightest colour; `RANGE_DB` below it all is dark.

    Returns:
      What was drawn, for `figure.colorbar`.
    """
    power_db = measure_spectrogram(audio, sample_rate=sample_rate)[::-1]
    duration_s = len(audio) / sample_rate
    axis = frequency_axis(sample_rate)
    mesh = axes.pcolormesh(
        np.linspace(0, duration_s, power_db.shape[1] + 1),
        np.geomspace(LOWEST_HZ, axis.high, N_ROWS + 1),
        power_db,
        cmap=COLOURS,
        vmin=top_db - RANGE_DB,
        vmax=top_db,
        rasterized=True,
    )
    axes.set_yscale("log")
    axes.set_yticks(*zip(*axis.ticks, strict=True))
    axes.minorticks_off()
    axes.set(xlabel="time in s", ylabel=axis.label, ylim=(axis.low, axis.high))
    return mesh
