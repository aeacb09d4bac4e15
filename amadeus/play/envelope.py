"""The loudness of one note over its life: opening, decay, sustain, release.

Conventions: ages are seconds since the onset; levels are loudness in dB. `attacked`, `slurred`, `release`
and `smooth_step` take numbers and arrays that go together alike, of one note over time or of many at once; then the
fields of the style may be arrays, too, for notes of many instruments.
"""

import math
from dataclasses import dataclass

import numpy as np

from amadeus.play.style import Style

# Of a note: attacks learned from long notes must not swallow short ones.
MAX_ATTACK_SHARE = 1 / 3
SLUR_DIP_DB = 1.5  # the breath of a slur
RELEASE_DB = 40.0  # what `release_s` is measured over
MAX_FADE_DB = 12.0  # a sustained instrument holds a long note: medians of short ones say little of it


@dataclass(frozen=True, kw_only=True)
class Opening:
    """How a note begins: with an attack from `depth_db` below its peak, or slurred from a level."""

    depth_db: float = 0.0
    slurred_from_db: float | None = None


def envelope(
    ages_s: np.ndarray,
    duration_s: float,
    peak_db: float,
    opening: Opening,
    style: Style,
) -> np.ndarray:
    """Level of a held note, never above its peak unless slurred down from a louder one.

    Args:
      ages_s: Seconds since the onset. Shape [n].
      duration_s: Length of the note; a learned attack takes at most a third of it.
      peak_db: Loudest level of the note.
      opening: How it begins.
      style: Manner of the instrument.

    Returns:
      Level in dB. Shape [n].
    """
    if opening.slurred_from_db is not None:
        return slurred(ages_s, peak_db, opening.slurred_from_db, style)
    return attacked(ages_s, peak_db, opening.depth_db, style, duration_s=duration_s)


def attacked(
    ages_s: np.ndarray | float,
    peak_db: np.ndarray | float,
    depth_db: np.ndarray | float,
    style: Style,
    *,
    duration_s: float = math.inf,
) -> np.ndarray:
    """Level of a note that rises to its peak from `depth_db` below; see `envelope`."""
    attack_s = np.minimum(style.attack_s, duration_s * MAX_ATTACK_SHARE)
    # The attack is learned as the way to 3 dB below the peak; (1 - x)^2 gets there before its end.
    span_s = (
        attack_s * style.attack_scale / (1 - np.sqrt(3 / np.maximum(depth_db, 6.0)))
    )
    rest = 1 - _way(ages_s, span_s)
    decayed = style.decay_depth_db * smooth_step(_way(ages_s - span_s, style.decay_s))
    sustained = _sustain(ages_s - span_s - style.decay_s, style)
    held_db = np.minimum(sustained - decayed, 0.0) / style.sustain_scale
    return peak_db - depth_db * rest**2 + held_db


def slurred(
    ages_s: np.ndarray | float,
    peak_db: np.ndarray | float,
    from_db: np.ndarray | float,
    style: Style,
) -> np.ndarray:
    """Level of a note that goes on from where the one before it stood; see `envelope`."""
    way = _way(ages_s, style.legato_s)
    depth_db = style.decay_depth_db / style.sustain_scale
    target_db = peak_db - depth_db
    dip_db = SLUR_DIP_DB * np.sin(np.pi * way)
    fading_db = np.minimum(
        _sustain(ages_s - style.legato_s, style) / style.sustain_scale, depth_db
    )
    return from_db + (target_db - from_db) * smooth_step(way) - dip_db + fading_db


def release(ages_s: np.ndarray | float, style: Style) -> np.ndarray:
    """How far a note has fallen `ages_s` after its end, in dB; 0 before it."""
    return RELEASE_DB / style.release_s * np.maximum(ages_s, 0.0)


def _sustain(ages_s: np.ndarray | float, style: Style) -> np.ndarray:
    faded_db = style.sustain_slope_db_per_s * np.maximum(ages_s, 0.0)
    return np.where(style.is_struck, faded_db, np.maximum(faded_db, -MAX_FADE_DB))


def _way(ages_s: np.ndarray | float, span_s: np.ndarray | float) -> np.ndarray:
    """From 0 at age 0 to 1 at `span_s`; an instant span is over at once."""
    return np.clip(ages_s / np.maximum(span_s, 1e-9), 0.0, 1.0)


def smooth_step(way: np.ndarray | float) -> np.ndarray:
    """From 0 to 1 with level ends. `way` in [0, 1]."""
    return np.square(way) * (3 - 2 * way)
