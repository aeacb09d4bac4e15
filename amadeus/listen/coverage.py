"""Which pitches were recorded at which level: where a voice knows what to do, and where it guesses.

Levels are told by the recordings themselves. Their loud level is the one that a twentieth of the
pitched time exceeds; down to 8 dB below it playing is loud, down to 16 dB medium, below that soft:
a mark of dynamics, as from mf to f, is some 5 dB. Registers differ by nature (low notes of a flute
are never loud), so the loud level of a region is its own, yet not more than 4 dB below that of all.
"""

import itertools
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from amadeus.listen.material import HIGHEST_DB, LOWEST_DB

Level = Literal["soft", "medium", "loud"]
LEVELS: tuple[Level, ...] = ("soft", "medium", "loud")

LOUD_RANGE_DB = 8.0
MEDIUM_RANGE_DB = 16.0
GOAL_S = 20.0  # ten minutes over some eight regions and three levels
HOLE_S = 5.0  # five crops of training: a voice has hardly met it

_REGISTER_DB = 4.0
_LOUD_PERCENT = 95
_REGION_SEMITONES = 6.5
_N_REGIONS = (2, 9)


@dataclass(frozen=True, kw_only=True)
class Region:
    """Neighbouring notes, and the seconds there are of them.

    Attributes:
      low_midi, high_midi: First and last note.
      soft_s, medium_s, loud_s: Usable seconds at each level.
      softest_db, loudest_db: Levels in use, 5th and 95th percentile; NaN without sound.
      loud_above_db, soft_below_db: Where loud playing begins and soft playing ends here.
    """

    low_midi: int
    high_midi: int
    soft_s: float
    medium_s: float
    loud_s: float
    softest_db: float
    loudest_db: float
    loud_above_db: float
    soft_below_db: float

    @property
    def total_s(self) -> float:
        """Usable seconds at any level."""
        return self.soft_s + self.medium_s + self.loud_s

    def seconds(self, level: Level) -> float:
        """Usable seconds at one level."""
        return float(getattr(self, f"{level}_s"))


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """Usable seconds by region and level.

    Attributes:
      regions: From low to high; together they are what should be there.
      loud_db: The recordings' loud level.
      softest_db: 5th percentile of the levels in use.
      outside_s: Usable seconds outside of all regions.
    """

    regions: list[Region]
    loud_db: float
    softest_db: float
    outside_s: float

    @property
    def range_db(self) -> float:
        """From soft to loud, in dB."""
        return self.loud_db - self.softest_db


def measure_coverage(seconds: np.ndarray, *, low_midi: int, high_midi: int) -> Coverage:
    """Measures what there is of the notes that should be there.

    Args:
      seconds: By pitch and level, as `Material` has them.
      low_midi: Lowest note that should be there.
      high_midi: Highest note that should be there.
    """
    loud_db = level_percentile(seconds, _LOUD_PERCENT)
    low, high = low_midi, high_midi
    n_notes = high - low + 1
    n_regions = round(n_notes / _REGION_SEMITONES)
    n_regions = min(max(n_regions, _N_REGIONS[0]), _N_REGIONS[1], n_notes)
    edges = np.round(np.linspace(low, high + 1, n_regions + 1)).astype(int)
    regions = [
        _measure_region(seconds, start, end, loud_db)
        for start, end in itertools.pairwise(edges.tolist())
    ]
    return Coverage(
        regions=regions,
        loud_db=loud_db,
        softest_db=level_percentile(seconds, 100 - _LOUD_PERCENT),
        outside_s=float(seconds.sum() - seconds[low : high + 1].sum()),
    )


def level_percentile(seconds: np.ndarray, percent: float) -> float:
    """Returns the level that `percent` of the time lies below, in dB; NaN without any time."""
    by_level = seconds.reshape(-1, HIGHEST_DB - LOWEST_DB).sum(axis=0)
    total = by_level.sum()
    if total <= 0:
        return math.nan
    bin_index = int(np.searchsorted(np.cumsum(by_level), total * percent / 100))
    return min(bin_index, len(by_level) - 1) + LOWEST_DB + 0.5


def _measure_region(
    seconds: np.ndarray, start: int, end: int, loud_db: float
) -> Region:
    part = seconds[start:end]
    levels_db = np.arange(LOWEST_DB, HIGHEST_DB) + 0.5
    loudest_db = level_percentile(part, _LOUD_PERCENT)
    reference_db = float(np.fmax(loudest_db, loud_db - _REGISTER_DB))
    is_loud = levels_db >= reference_db - LOUD_RANGE_DB
    is_soft = levels_db < reference_db - MEDIUM_RANGE_DB
    return Region(
        low_midi=start,
        high_midi=end - 1,
        soft_s=float(part[:, is_soft].sum()),
        medium_s=float(part[:, ~is_soft & ~is_loud].sum()),
        loud_s=float(part[:, is_loud].sum()),
        softest_db=level_percentile(part, 100 - _LOUD_PERCENT),
        loudest_db=loudest_db,
        loud_above_db=reference_db - LOUD_RANGE_DB,
        soft_below_db=reference_db - MEDIUM_RANGE_DB,
    )
