"""What happens within a note: bend, vibrato, volume, expression, pressure.

Conventions: times are seconds from the start of the score; shapes are [n].
"""

import numpy as np

from amadeus.play.notation import Channel
from amadeus.play.style import Style

WHEEL_DEPTH_CENTS = 50.0  # at full modulation, as General MIDI 2 has it
VIBRATO_VARIATION = 0.1  # share of rate and depth

_VIBRATO_FADE_S = 0.25  # from first sign to full depth
_VIBRATO_STOP_S = 0.05  # it calms down before a slur


def controllers_db(channel: Channel, times_s: np.ndarray, style: Style) -> np.ndarray:
    """Sum of volume, expression and pressure in dB."""
    swell_db = channel.pressure_unit.at(times_s) * (style.loud_db - style.soft_db) / 2
    return channel.volume_db.at(times_s) + channel.expression_db.at(times_s) + swell_db


def bend(channel: Channel, times_s: np.ndarray, default_range: float) -> np.ndarray:
    """Pitch bend in semitones; `default_range` where the score sets no range."""
    reach = channel.bend_range_semitones.at(times_s)
    reach = np.where(np.isnan(reach), default_range, reach)
    return channel.bend_unit.at(times_s) * reach


def vibrato(
    ages_s: np.ndarray,
    wheel_unit: np.ndarray,
    style: Style,
    variation: np.ndarray,
    *,
    stop_s: float,
) -> np.ndarray:
    """Vibrato in semitones at `ages_s` after the onset; both start from the middle."""
    rate_hz = style.vibrato_rate_hz * (1 + VIBRATO_VARIATION * variation[0])
    depth = style.vibrato_depth_cents * (1 + VIBRATO_VARIATION * variation[1])
    grown = np.clip((ages_s - style.vibrato_delay_s) / _VIBRATO_FADE_S, 0, 1)
    depth_cents = depth * grown + WHEEL_DEPTH_CENTS * wheel_unit
    depth_cents *= np.clip((stop_s - ages_s) / _VIBRATO_STOP_S, 0, 1)
    swing = np.sin(2 * np.pi * rate_hz * ages_s)
    return style.vibrato_scale * depth_cents / 100 * swing
