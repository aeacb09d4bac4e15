"""Line charts as inline SVG: they take the page's colours, so they work in the dark and on paper.

Conventions: x runs to the right and y upwards, in the units of their axes; NaN breaks a line.
"""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from markupsafe import Markup

MAX_POINTS = 900  # a curve; more than a screen shows

LEFT, RIGHT, TOP, BOTTOM = 64, 12, 10, 38  # margins for ticks and labels, in SVG units

Style = Literal["reference", "result"]


class Curve(NamedTuple):
    """A line: `reference` is drawn thin and grey, `result` in colour."""

    name: str
    x: np.ndarray
    y: np.ndarray
    style: Style


class Axis(NamedTuple):
    """A scale: its closed range and where it is marked."""

    label: str
    low: float
    high: float
    ticks: Sequence[tuple[float, str]]
    is_log: bool = False

    def share(self, values: np.ndarray | float) -> np.ndarray | float:
        """Says how far along the axis values lie, from 0 to 1."""
        if self.is_log:
            return np.log(np.asarray(values) / self.low) / math.log(
                self.high / self.low
            )
        return (np.asarray(values) - self.low) / (self.high - self.low)


class Frame(NamedTuple):
    """The size of a drawing in SVG units, margins included."""

    width: int = 900
    height: int = 240

    def x(self, share: float) -> float:
        """Where a share of the x axis lies."""
        return LEFT + share * (self.width - LEFT - RIGHT)

    def y(self, share: float) -> float:
        """Where a share of the y axis lies."""
        return self.height - BOTTOM - share * (self.height - TOP - BOTTOM)


def draw_chart(
    curves: Sequence[Curve],
    *,
    x_axis: Axis,
    y_axis: Axis,
    description: str,
    frame: Frame | None = None,
) -> Markup:
    """Draws curves over one pair of axes.

    Args:
      curves: What to draw, the last one on top.
      x_axis: Scale to the right.
      y_axis: Scale upwards.
      description: What is to be seen, for those who cannot see it.
      frame: Size of the drawing.
    """
    frame = frame or Frame()
    parts = [draw_axes(x_axis, y_axis, frame)]
    parts += [_draw_curve(curve, x_axis, y_axis, frame) for curve in curves]
    return wrap(Markup("").join(parts), description, frame)


def draw_axes(x_axis: Axis, y_axis: Axis, frame: Frame) -> Markup:
    """Draws grid lines, ticks and labels."""
    bottom, left, right = frame.y(0), frame.x(0), frame.x(1)
    parts = []
    for value, text in y_axis.ticks:
        y = frame.y(float(y_axis.share(value)))
        parts.append(
            Markup(
                '<line class="grid" x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>'
                '<text class="tick" x="{:.1f}" y="{:.1f}" text-anchor="end">{}</text>'
            ).format(left, right, y, y, left - 7, y + 4, text)
        )
    for value, text in x_axis.ticks:
        x = frame.x(float(x_axis.share(value)))
        parts.append(
            Markup(
                '<line class="mark" x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>'
                '<text class="tick" x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>'
            ).format(x, x, bottom, bottom + 4, x, bottom + 17, text)
        )
    middle = (frame.y(0) + frame.y(1)) / 2
    parts.append(
        Markup(
            '<text class="axis" x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>'
            '<text class="axis" transform="translate(13 {:.1f}) rotate(-90)" text-anchor="middle">{}</text>'
        ).format(
            (left + right) / 2, frame.height - 3, x_axis.label, middle, y_axis.label
        )
    )
    return Markup("").join(parts)


def wrap(content: Markup, description: str, frame: Frame) -> Markup:
    """Makes an SVG image of drawn parts."""
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
    ).format(frame.width, frame.height, description, content)


def fit_axis(label: str, values: np.ndarray, *, n_ticks: int = 5) -> Axis:
    """Makes a linear axis that holds all finite `values`, marked at round numbers."""
    finite = values[np.isfinite(values)]
    low, high = (
        (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    )
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    step = _round_step((high - low) / n_ticks)
    low, high = math.floor(low / step) * step, math.ceil(high / step) * step
    ticks = np.arange(round(low / step), round(high / step) + 1) * step
    return Axis(label, low, high, [(float(tick), _say(tick, step)) for tick in ticks])


def time_axis(duration_s: float, *, label: str = "time in s") -> Axis:
    """Makes an axis from 0 to `duration_s` seconds, marked at round times within."""
    step = _round_step(duration_s / 8)
    ticks = np.arange(0, duration_s + step * 1e-6, step)
    return Axis(label, 0.0, duration_s, [(float(t), _say(t, step)) for t in ticks])


def _draw_curve(curve: Curve, x_axis: Axis, y_axis: Axis, frame: Frame) -> Markup:
    stride = max(1, math.ceil(len(curve.x) / MAX_POINTS))
    y = np.clip(curve.y[::stride], y_axis.low, y_axis.high)  # NaN stays NaN
    xs = frame.x(x_axis.share(curve.x[::stride]))
    ys = frame.y(y_axis.share(y))
    path, pen_is_down = [], False
    for x, y in zip(xs, ys, strict=True):
        if math.isfinite(x) and math.isfinite(y):
            path.append(f"{'L' if pen_is_down else 'M'}{x:.1f} {y:.1f}")
            pen_is_down = True
        else:
            pen_is_down = False
    return Markup('<path class="curve {}" d="{}"><title>{}</title></path>').format(
        curve.style, "".join(path), curve.name
    )


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(max(rough, 1e-9)))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)


def _say(value: float, step: float) -> str:
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")
