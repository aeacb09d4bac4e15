"""May the new voice take over?"""

import math
from collections.abc import Mapping
from typing import NamedTuple

SPECTRAL_LOSS = "spectral_loss"
SILENT_PEAK = 1e-4  # -80 dB, the bottom of the loudness scale


class Against(NamedTuple):
    """Losses to judge by where voice and parent have no metrics in common.

    Attributes:
      loss: Spectral loss of the new voice.
      parent_loss: Of its parent.
      how: How they were compared, to be said after both.
    """

    loss: float
    parent_loss: float
    how: str


class Verdict(NamedTuple):
    """Whether a voice may take over, and why, in one sentence."""

    blessed: bool
    reason: str


def judge(
    metrics: Mapping[str, float],
    parent_metrics: Mapping[str, float],
    *,
    peak: float,
    tolerance: float,
    against: Against | None = None,
) -> Verdict:
    """Judges a new voice by its metrics on held-out takes.

    Args:
      metrics: Of the new voice, `spectral_loss` among them.
      parent_metrics: Of its parent on the same takes; empty without a parent.
      peak: Highest absolute sample of what the new voice played.
      tolerance: How much worse than its parent it may be, as a share.
      against: What to compare instead of the spectral losses among the metrics.
    """
    if SPECTRAL_LOSS not in metrics:
        return Verdict(
            False, "the held-out takes are too short to measure anything on them."
        )
    broken = sorted(
        name for name, metric in metrics.items() if not math.isfinite(metric)
    )
    if broken:
        return Verdict(
            False, f"{' and '.join(broken)} could not be measured on held-out takes."
        )
    if not math.isfinite(peak) or peak < SILENT_PEAK:
        return Verdict(
            False, f"the new voice is silent: its highest sample is {peak:.1e}."
        )
    parent_loss = parent_metrics.get(SPECTRAL_LOSS, math.nan)
    return _compare(
        against or Against(metrics[SPECTRAL_LOSS], parent_loss, ""), tolerance
    )


def _compare(losses: Against, tolerance: float) -> Verdict:
    loss, parent_loss, how = losses
    if not math.isfinite(parent_loss):
        return Verdict(
            True, f"spectral loss {loss:.3f}; there is no parent to compare with."
        )
    limit = parent_loss * (1.0 + tolerance)
    against = f"spectral loss {loss:.3f} against the parent's {parent_loss:.3f}{how}"
    if loss > limit:
        return Verdict(
            False,
            f"{against}, above the limit of {limit:.3f} (tolerance {tolerance:.0%}).",
        )
    return Verdict(
        True, f"{against}, within the limit of {limit:.3f} (tolerance {tolerance:.0%})."
    )
