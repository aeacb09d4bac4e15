"""What levels and samples tell of a take: reverberation, clipping.

Levels are mean powers over 10 ms, in dB re full scale.
"""

import numpy as np

_FRAME_RATE = 100
_DROP_DB = 20.0
_LONGEST_DROP_FRAMES = 300
_STAYS_FRAMES = 15
_ENOUGH_ENDINGS = (
    3  # frames that fall as quickly as the quickest: a click alone does not
)
_FLAT = 4e-5  # just over a step of 16 bit: neighbours this close stand still
_CEILING = 0.98  # of the take's peak
_LOUD_ENOUGH = 0.25  # full scale 1: softer takes are not clipped by anything known


def level_db(audio: np.ndarray, *, sample_rate: int) -> np.ndarray:
    """Computes levels every 10 ms. Shape [n_samples // (sample_rate // 100)]."""
    hop = sample_rate // _FRAME_RATE
    frames = audio[: len(audio) // hop * hop].reshape(-1, hop)
    return 10 * np.log10(np.mean(np.square(frames), axis=1) + 1e-12)


def quick_drop_s(level: np.ndarray, *, loud_db: float) -> float:
    """Finds how quickly sound falls by 20 dB at its quickest endings.

    A room's echo lets nothing end quicker, whatever the instrument does; a player who never
    ends a note tells nothing.

    Args:
      level: In dB, every 10 ms. Shape [n_frames].
      loud_db: Level of loud sound in this take; endings start within 15 dB of it.

    Returns:
      Seconds; NaN where nothing ends.
    """
    if len(level) <= _STAYS_FRAMES:
        return np.nan
    # The highest level of the next 150 ms: partials that beat also fall, but come back.
    ahead = np.lib.stride_tricks.sliding_window_view(level, _STAYS_FRAMES).max(axis=1)
    is_start = level[: len(ahead)] > loud_db - 15
    for n_frames in range(1, min(_LONGEST_DROP_FRAMES, len(ahead))):
        drops = level[: len(ahead) - n_frames] - ahead[n_frames:] >= _DROP_DB
        if np.count_nonzero(drops & is_start[:-n_frames]) >= _ENOUGH_ENDINGS:
            return n_frames / _FRAME_RATE
    return np.nan


class ClippingMeter:
    """Counts samples that stand still at the ceiling of a take, as clipped ones do."""

    def __init__(self) -> None:
        self.peak = 0.0
        self._n_samples = 0
        self._n_flat_by_magnitude = np.zeros(4_001, np.int64)  # bins of 0.001

    def add(self, block: np.ndarray) -> None:
        """Hears a block as it was decoded. Shape [n_samples, n_channels]."""
        self.peak = max(self.peak, float(np.max(np.abs(block), initial=0.0)))
        self._n_samples += block.size
        still = np.abs(np.diff(block, axis=0)) < _FLAT
        flat = still[:-2] & still[1:-1] & still[2:]  # 4 samples in a row
        magnitudes = np.abs(block[1:-2][flat]) * 1_000 if len(block) > 3 else []
        bins = np.minimum(np.asarray(magnitudes, int), 4_000)
        self._n_flat_by_magnitude += np.bincount(bins, minlength=4_001)

    def share(self) -> float:
        """Returns the share of samples that are clipped."""
        if self.peak < _LOUD_ENOUGH:
            return 0.0
        ceiling = int(_CEILING * min(self.peak, 4.0) * 1_000)
        return float(self._n_flat_by_magnitude[ceiling:].sum() / self._n_samples)
