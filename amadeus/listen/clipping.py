"""What single samples tell of a take: its peak, and clipping."""

import math

import numpy as np

_FLAT = 1e-6  # cut samples are equal; averaging channels may leave this
_RUN_S = (
    1 / 8_000
)  # the crest of an uncut note falls by several steps of 16 bit in this time
_CEILING = 0.98  # of the take's peak
_AT_CEILING = (
    0.999  # of it: where crests of one or two samples end, too short for a run
)
_LOUD_ENOUGH = 0.25  # full scale 1: softer takes are not clipped by anything known


class ClippingMeter:
    """Counts samples that stand still at the ceiling of a take, as clipped ones do."""

    def __init__(self, *, sample_rate: int) -> None:
        self._n_run = max(3, round(_RUN_S * sample_rate))
        self.peak = 0.0
        self._n_samples = 0
        self.worst_s = math.nan  # where most samples stand still
        self._most_flat = 0
        self._n_flat_by_magnitude = np.zeros(4_001, np.int64)  # bins of 0.001
        self._n_by_magnitude = np.zeros(4_001, np.int64)

    def add(self, block: np.ndarray, *, at_s: float = math.nan) -> None:
        """Hears a block as it was decoded.

        Args:
          block: Shape [n_samples, n_channels].
          at_s: Where in the take it begins.
        """
        self.peak = max(self.peak, float(np.max(np.abs(block), initial=0.0)))
        self._n_samples += block.size
        if len(block) < self._n_run:
            return
        steps = np.abs(np.diff(block, axis=0)) < _FLAT
        windows = np.lib.stride_tricks.sliding_window_view(steps, self._n_run - 1, 0)
        starts = windows.all(axis=-1)  # of runs that stand still
        flat = np.zeros(block.shape, bool)
        for shift in range(self._n_run):
            flat[shift : shift + len(starts)] |= starts
        is_high = np.abs(block) > _CEILING * np.max(np.abs(block))
        n_high = int(np.count_nonzero(flat & is_high))
        if n_high > self._most_flat and self.peak >= _LOUD_ENOUGH:
            self._most_flat, self.worst_s = n_high, at_s
        self._n_flat_by_magnitude += _count_magnitudes(block[flat])
        self._n_by_magnitude += _count_magnitudes(block[np.abs(block) > 0.2])

    def share(self) -> float:
        """Returns the share of samples that are clipped."""
        if self.peak < _LOUD_ENOUGH:
            return 0.0
        peak = min(self.peak, 4.0)
        n_flat = self._n_flat_by_magnitude[int(_CEILING * peak * 1_000) :].sum()
        if not n_flat:
            return 0.0
        n_high = self._n_by_magnitude[int(_AT_CEILING * peak * 1_000) :].sum()
        return float(max(n_flat, n_high) / self._n_samples)


def _count_magnitudes(samples: np.ndarray) -> np.ndarray:
    bins = np.minimum((np.abs(samples) * 1_000).astype(int), 4_000)
    return np.bincount(bins, minlength=4_001)
