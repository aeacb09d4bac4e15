"""What single samples tell of a take: its peak, and clipping."""

import math

import numpy as np

_FLAT = 1e-6  # cut samples are equal; averaging channels may leave this
_RUN_S = (
    1 / 8_000
)  # the crest of an uncut note falls by several steps of 16 bit in this time
_CEILING = 0.98  # of the take's peak
_TOP = (
    1 - 2e-5
)  # of the peak: what was cut lies there, whole, even after a change of gain
_NEAR_TOP = (
    0.96  # from here on a sound that is not cut has many more samples than at its top
)
_MANY = 10
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
        self._n_top = 0

    def add(self, block: np.ndarray, *, at_s: float = math.nan) -> None:
        """Hears a block as it was decoded.

        Args:
          block: Shape [n_samples, n_channels].
          at_s: Where in the take it begins.
        """
        magnitude = np.abs(block)
        self._count_top(magnitude)
        self._n_by_magnitude += _count_magnitudes(magnitude[magnitude > 0.2])
        self._n_samples += block.size
        if len(block) < self._n_run:
            return
        steps = np.abs(np.diff(block, axis=0)) < _FLAT
        windows = np.lib.stride_tricks.sliding_window_view(steps, self._n_run - 1, 0)
        starts = windows.all(axis=-1)  # of runs that stand still
        flat = np.zeros(block.shape, bool)
        for shift in range(self._n_run):
            flat[shift : shift + len(starts)] |= starts
        is_high = magnitude > _CEILING * magnitude.max()
        n_high = int(np.count_nonzero(flat & is_high))
        if n_high > self._most_flat and self.peak >= _LOUD_ENOUGH:
            self._most_flat, self.worst_s = n_high, at_s
        self._n_flat_by_magnitude += _count_magnitudes(block[flat])

    def share(self) -> float:
        """Returns the share of samples that are clipped."""
        if self.peak < _LOUD_ENOUGH:
            return 0.0
        n_flat = self._n_flat_by_magnitude[self._bin(_CEILING) :].sum()
        n_near = self._n_by_magnitude[self._bin(_NEAR_TOP) :].sum() - self._n_top
        # Crests of one or two samples are no runs, but pile up at the top as nothing else does.
        is_piled = self._n_top >= max(_MANY, n_near)
        return float(max(n_flat, self._n_top if is_piled else 0) / self._n_samples)

    def _count_top(self, magnitude: np.ndarray) -> None:
        loudest = float(np.max(magnitude, initial=0.0))
        if loudest > self.peak:
            if self.peak < _TOP * loudest:
                self._n_top = 0
            self.peak = loudest
        self._n_top += int(np.count_nonzero(magnitude >= _TOP * self.peak))

    def _bin(self, share: float) -> int:
        return int(share * min(self.peak, 4.0) * 1_000)


def _count_magnitudes(samples: np.ndarray) -> np.ndarray:
    bins = np.minimum((np.abs(samples) * 1_000).astype(int), 4_000)
    return np.bincount(bins, minlength=4_001)
