"""Times things in turns, so that whatever else the machine does falls on all alike."""

import os
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

_PERCENTILES = (10, 50, 90)


class Timing(NamedTuple):
    """What runs took.

    Attributes:
      low_s: Time on the clock that a tenth of the runs stayed below.
      median_s: That half of them stayed below.
      high_s: That nine tenths stayed below.
      cpu_s: Median time of all processors; what others take from the clock is not in it.
      best_s: The shortest; what a machine would do that had nothing else to do.
    """

    low_s: float
    median_s: float
    high_s: float
    cpu_s: float
    best_s: float


def take_turns(
    runs: Sequence[Callable[[], object]],
    *,
    n_rounds: int,
    n_in_turn: int = 1,
    n_warm_up: int = 1,
) -> list[Timing]:
    """Times each of `runs` in turn, round after round.

    Args:
      runs: What to time.
      n_rounds: How often each has its turn.
      n_in_turn: Runs in a turn; many for short ones, which would find the caches full of the others' numbers.
      n_warm_up: Rounds before, in which graphs are traced and memory is allocated.
    """
    times = np.array(
        [
            [[_time(run) for _ in range(n_in_turn)] for run in runs]
            for _ in range(n_warm_up + n_rounds)
        ]
    )[n_warm_up:]
    wall_s, cpu_s = np.moveaxis(times, -1, 0)  # [n_rounds, n_runs, n_in_turn]
    spreads = np.percentile(wall_s, _PERCENTILES, axis=(0, 2)).T
    medians, best = np.median(cpu_s, axis=(0, 2)), wall_s.min(axis=(0, 2))
    return [Timing(*parts) for parts in np.column_stack([spreads, medians, best])]


def describe_machine() -> str:
    """Names what a timing depends on: cores and how busy they are with other work, this included."""
    loads = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    return (
        f"{os.cpu_count()} cores; load of the machine over 1, 5 and 15 minutes: {loads}"
    )


def _time(run: Callable[[], object]) -> tuple[float, float]:
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - wall_s, time.process_time() - cpu_s
