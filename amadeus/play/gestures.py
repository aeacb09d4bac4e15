"""What happens within a note: bend, vibrato, volume, expression, pressure, brightness, glides.

Conventions: times are seconds from the start of the score. What takes a `Channel` reads it at times [n];
all other functions take numbers and arrays that go together alike, of one note over time or of many at once.
"""

import numpy as np

from amadeus.play.envelope import smooth_step
from amadeus.play.notation import Channel
from amadeus.play.style import Style

VOLUME_FULL = 100  # where CC7 is neutral: General MIDI's power-up value
EXPRESSION_FULL = 127  # and CC11
FADER_SILENT_DB = -120.0
TIMBRE_NEUTRAL = 64  # where CC74 leaves the brightness alone
VIBRATO_VARIATION = 0.1  # share of rate and depth

_VIBRATO_FADE_S = 0.25  # from first sign to full depth
_VIBRATO_STOP_S = 0.05  # it calms down before a slur


def controllers_db(channel: Channel, times_s: np.ndarray, style: Style) -> np.ndarray:
    """Sum of volume, expression and pressure in dB. Shape [n]."""
    swell = swell_db(channel.pressure_unit.at(times_s), style)
    return channel.volume_db.at(times_s) + channel.expression_db.at(times_s) + swell


def bend(channel: Channel, times_s: np.ndarray, default_range: float) -> np.ndarray:
    """Pitch bend in semitones; `default_range` where the score sets no range. Shape [n]."""
    reach = channel.bend_range_semitones.at(times_s)
    reach = np.where(np.isnan(reach), default_range, reach)
    return channel.bend_unit.at(times_s) * reach


def fader_db(value: float, full: float) -> float:
    """What a fader at `value`, in [0, 127], that is neutral at `full` does to loudness, in dB.

    Reference: General MIDI Level 1 Developer Guidelines: 40 log10(value / full).
    """
    if not value:
        return FADER_SILENT_DB
    return max(40 * np.log10(value / full), FADER_SILENT_DB)


def swell_db(pressure_unit: np.ndarray | float, style: Style) -> np.ndarray:
    """What pressure, in [0, 1], adds to loudness, in dB: at full up to half of the learned range."""
    reach_db = (style.loud_db - style.soft_db) / 2
    return np.multiply(pressure_unit, reach_db) * style.pressure_scale


def timbre_unit(value: np.ndarray | float) -> np.ndarray:
    """CC74 as a way from -1 at 0 over 0 at 64 to 1 at 127."""
    way = value - TIMBRE_NEUTRAL
    return way / np.where(way < 0, TIMBRE_NEUTRAL, 127 - TIMBRE_NEUTRAL)


def brightness(timbre_unit: np.ndarray | float, style: Style) -> np.ndarray:
    """Tilt of the harmonics in 6 dB an octave: what the profile says and what CC74, in [-1, 1], adds."""
    return style.brightness + np.multiply(style.timbre_scale, timbre_unit)


def vibrato(
    ages_s: np.ndarray | float,
    wheel_unit: np.ndarray | float,
    style: Style,
    variation: np.ndarray,
    *,
    stop_s: float = np.inf,
) -> np.ndarray:
    """Vibrato in semitones at `ages_s` after the onset; it starts from the middle.

    Args:
      ages_s: Seconds since the onset.
      wheel_unit: Modulation wheel, in [0, 1]; what it adds needs no delay.
      style: Manner of the instrument.
      variation: What tells this note from others, of rate and of depth, in [-1, 1]. Shape [2, ...].
      stop_s: Age at which it has calmed down, for a slur.
    """
    rate_hz = style.vibrato_rate_hz * (1 + VIBRATO_VARIATION * variation[0])
    depth = style.vibrato_depth_cents * (1 + VIBRATO_VARIATION * variation[1])
    grown = np.clip((ages_s - style.vibrato_delay_s) / _VIBRATO_FADE_S, 0, 1)
    depth_cents = depth * grown + style.modulation_depth_cents * wheel_unit
    depth_cents = depth_cents * np.clip((stop_s - ages_s) / _VIBRATO_STOP_S, 0, 1)
    swing = np.sin(2 * np.pi * rate_hz * ages_s)
    return style.vibrato_scale * depth_cents / 100 * swing


def glide(
    ages_s: np.ndarray | float,
    from_midi: np.ndarray | float,
    to_midi: np.ndarray | float,
    duration_s: np.ndarray | float,
) -> np.ndarray:
    """Pitch on its way from one note to the next, `ages_s` after it set out; there after `duration_s`."""
    way = np.clip(ages_s / np.maximum(duration_s, 1e-9), 0.0, 1.0)
    return from_midi + (to_midi - from_midi) * smooth_step(way)
