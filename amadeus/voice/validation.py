"""What a run is judged by while it goes: held-out windows, their losses, and when they tell it to stop."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from amadeus.v1 import profiles_pb2
from amadeus.voice.sampler import Crops, Passage, spread_windows

VALIDATION_S = 32.0  # sound listened to in each
WINDOW_CROPS = 2  # length of a validation window, in crops
WINDOW_GROUP = 4  # windows judged at once
PATIENCE = 8  # validations without improvement before an early stop
MIN_IMPROVEMENT = 0.001  # relative; less counts as none


class Validation(NamedTuple):
    """The held-out loss at a point of a run."""

    step: int
    elapsed_s: float
    train_loss: float  # mean since the validation before
    eval_loss: float


def is_plateau(history: Sequence[Validation]) -> bool:
    """Whether the last `PATIENCE` validations brought nothing over those before."""
    if len(history) <= PATIENCE:
        return False
    losses = [validation.eval_loss for validation in history]
    old, new = min(losses[:-PATIENCE]), min(losses[-PATIENCE:])
    return new > old * (1.0 - MIN_IMPROVEMENT)


def cut_groups(
    passages: Sequence[Passage], n_frames: int, profile: profiles_pb2.LearnerProfile
) -> list[Crops]:
    """Cuts the windows to validate on, in groups of one size, so that one graph judges them all.

    Args:
      passages: At least one.
      n_frames: Frames of a crop to learn from.
      profile: Complete.
    """
    n_window = WINDOW_CROPS * n_frames
    affordable = max(1, int(VALIDATION_S * profile.frame_rate / n_window))
    windows = spread_windows(
        passages,
        n_frames=n_window,
        max_windows=affordable,
        f0_confidence_threshold=profile.f0_confidence_threshold,
    )
    group = min(WINDOW_GROUP, len(windows.audio))
    n_groups = len(windows.audio) // group
    picks = np.array_split(np.arange(n_groups * group), n_groups)
    return [Crops(*(tf.constant(field[pick]) for field in windows)) for pick in picks]
