"""How loud: velocities, and the way from the softest to the loudest.

Conventions: loudness in dB; all functions take numbers and arrays alike, and give what has their shape.
"""

import numpy as np

from amadeus.play.style import Style

_STEPS = 126  # from velocity 1 to 127


def peak_db(velocity: np.ndarray | float, style: Style) -> np.ndarray:
    """Loudest level of a note struck with a velocity of 1..127, along the style's curve."""
    bent = _STEPS ** (1 - style.loudness_curve) * (velocity - 1) ** style.loudness_curve
    return style.soft_db + (style.loud_db - style.soft_db) * bent / _STEPS


def curve_loudness(
    loudness_db: np.ndarray | float,
    *,
    softest_db: float,
    loudest_db: float,
    curve: float,
) -> np.ndarray:
    """Bends the way from the softest to the loudest; both stay where they are, and what lies outside too.

    Args:
      loudness_db: What is asked for.
      softest_db: The softest sound the voice learned; `style.settle_loudness_range` knows it.
      loudest_db: The loudest, above the softest.
      curve: Exponent of the way, positive: below 1 louder in between, above 1 softer.
    """
    span_db = loudest_db - softest_db
    way = np.clip((loudness_db - softest_db) / span_db, 0.0, 1.0)
    return loudness_db + span_db * (way**curve - way)
