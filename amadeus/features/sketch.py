"""Quantiles of any number of values in bounded memory, that merge exactly.

A sketch is a histogram of fixed bins. Merging adds counts, so neither order nor grouping
matters; a quantile is right to within one bin.
"""

import numpy as np
from numpy.typing import ArrayLike


class Sketch:
    """A histogram that answers for quantiles."""

    def __init__(self, low: float, high: float, *, step: float) -> None:
        """Makes an empty sketch.

        Args:
          low: Lower end; values below count as this.
          high: Upper end; values above count as this.
          step: Width of a bin: the resolution of every answer.
        """
        self._low = low
        self._step = step
        self._counts = np.zeros(round((high - low) / step) + 1, np.int64)

    def add(self, values: ArrayLike, *, times: ArrayLike = 1) -> None:
        """Counts values; those that are not finite are left out.

        Args:
          values: Numbers. Shape [n_values].
          times: How often each one counts. Int, one or shape [n_values].
        """
        numbers = np.asarray(values, np.float64)
        repeats = np.broadcast_to(np.asarray(times, np.int64), numbers.shape)
        finite = np.isfinite(numbers)
        bins = np.rint((numbers[finite] - self._low) / self._step)
        bins = np.clip(bins, 0, len(self._counts) - 1).astype(np.int64)
        np.add.at(self._counts, bins, repeats[finite])

    def merge(self, other: "Sketch") -> None:
        """Adds the counts of a sketch of the same bins."""
        self._counts += other._counts

    def __len__(self) -> int:
        """Counts the values."""
        return int(self._counts.sum())

    def quantiles(self, n_quantiles: int) -> np.ndarray:
        """Computes evenly spaced quantiles from the least to the greatest value.

        Returns:
          Shape [n_quantiles]; empty when nothing was counted.
        """
        if not len(self):
            return np.zeros(0)
        return self._at(np.linspace(0.0, 1.0, n_quantiles))

    def quantile(self, share: float, *, otherwise: float = 0.0) -> float:
        """Computes the value below which a share of all values lies."""
        return float(self._at(np.array([share]))[0]) if len(self) else otherwise

    def median(self, *, otherwise: float = 0.0) -> float:
        """Computes the median."""
        return self.quantile(0.5, otherwise=otherwise)

    def _at(self, shares: np.ndarray) -> np.ndarray:
        """As numpy's linear quantile: between the two values whose ranks surround the share."""
        ranks = shares * (len(self) - 1)
        cumulative = np.cumsum(self._counts)
        below, above = (
            self._low + self._step * np.searchsorted(cumulative, whole, side="right")
            for whole in (np.floor(ranks), np.ceil(ranks))
        )
        values: np.ndarray = below + (above - below) * (ranks - np.floor(ranks))
        return values
