"""How much of a training run is done and how fast it goes, by steps or by the clock."""

import math
import time

import numpy as np

from amadeus.v1 import profiles_pb2

N_VALIDATIONS = 20  # in a run that goes its whole length
MAX_VALIDATION_SHARE = 0.05  # of the time
PROGRESS_INTERVAL_S = 1.0


class Budget:
    """How much of a run is done: by steps, or by the clock."""

    def __init__(self, profile: profiles_pb2.LearnerProfile) -> None:
        self.step_limit = profile.step_count
        self.limit_s = profile.training_minutes * 60.0
        self._started_at = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        """Wall time, that of resumed parts included."""
        return time.monotonic() - self._started_at

    def resume(self, elapsed_s: float) -> None:
        """Counts the time of an earlier part."""
        self._started_at -= elapsed_s

    def progress(self, step: int) -> float:
        """The share done, in [0, 1]."""
        if self.step_limit:
            return min(1.0, step / self.step_limit)
        return min(1.0, self.elapsed_s / self.limit_s)

    def is_spent(self, step: int, *, reserve_s: float) -> bool:
        """Whether nothing is left but `reserve_s`; one step is always affordable."""
        if self.step_limit:
            return step >= self.step_limit
        return step > 0 and self.elapsed_s + reserve_s >= self.limit_s

    def remaining_s(self, step: int, steps_per_s: float) -> float:
        """Expected time to the end."""
        if self.step_limit:
            return (self.step_limit - step) / max(steps_per_s, 1e-6)
        return max(0.0, self.limit_s - self.elapsed_s)

    def asks_for_validation(
        self, step: int, *, last_step: int, last_s: float, cost_s: float
    ) -> bool:
        """Whether it is time; a run limited by steps may not let the machine's speed decide.

        Args:
          step: Steps done.
          last_step: Steps done at the last validation.
          last_s: When that was, or when learning began.
          cost_s: How long it took.
        """
        if self.step_limit:
            gap = math.ceil(self.step_limit / N_VALIDATIONS)
            return step // gap > last_step // gap
        gap_s = max(self.limit_s / N_VALIDATIONS, cost_s / MAX_VALIDATION_SHARE)
        return self.elapsed_s - last_s >= gap_s


class Speedometer:
    """Gathers losses and speed between two reports."""

    def __init__(self, step: int) -> None:
        self._losses: list[float] = []
        self._speed = 0.0
        self._step, self._since = step, time.monotonic()

    def add(self, loss: float) -> None:
        """Takes the loss of a step."""
        self._losses.append(loss)

    def is_due(self) -> bool:
        """Whether it is time to report."""
        return time.monotonic() - self._since >= PROGRESS_INTERVAL_S

    def mean_loss(self) -> float:
        """The mean since the last report."""
        return float(np.mean(self._losses))

    def take(self, step: int) -> float:
        """Closes the report; returns its steps a second."""
        now = time.monotonic()
        if step > self._step:
            self._speed = (step - self._step) / max(now - self._since, 1e-6)
        self._losses, self._step, self._since = [], step, now
        return self._speed
