"""How much practising a studio allows."""

import math
import os
from dataclasses import dataclass, field
from pathlib import Path

from serving.studio.machines import LEASE_S

_MIB = 1 << 20
_QUOTA_PATH = Path("/sys/fs/cgroup/cpu.max")


def _default_threads() -> int:
    """All processors but one: whoever performs meanwhile keeps it."""
    return max(1, count_processors() - 1)


def count_processors(quota_path: Path = _QUOTA_PATH) -> int:
    """Counts the processors this process may use, at least one.

    A container sees all of its machine and is held back when it uses more than its share; threads beyond that share
    only wait for each other.

    Args:
      quota_path: `cpu.max` of a control group, version 2: microseconds of work, or `max`, in a period.
    """
    here = len(os.sched_getaffinity(0))
    try:
        quota_us, period_us = quota_path.read_text().split()
        share = math.ceil(int(quota_us) / int(period_us))
    except (OSError, ValueError, ZeroDivisionError):
        return here  # `max`, or no control group at all
    return max(1, min(here, share))


@dataclass(frozen=True, kw_only=True)
class PracticeLimits:
    """Limits of practices; those on sessions count for the whole home, however many studios share it.

    Attributes:
      running: Practices at once.
      running_here: Of those, how many this studio starts; None: all. With 0 it listens to no recordings either and
        leaves both to the studios that share its home.
      queued: Sessions that send recordings or wait for their turn.
      sessions: Sessions that are not over, in all.
      sessions_per_deu: Sessions that are not over, for one deu.
      recordings: Recordings of a session.
      recording_bytes: Size of one recording.
      session_bytes: Size of all recordings of a session.
      audio_minutes: Length of all recordings of a session.
      training_minutes: Training time that may be asked for.
      training_steps: Training steps that may be asked for.
      streams: Clients attached to sessions of this studio at once.
      threads: Processors that one practice may use.
      starts: How often a worker that dies without a word is started before the session is given up.
      listening_s: Time for the coach to come to a judgement.
      practice_s: Time for a practice, all of it.
      upload_idle_s: An upload without a new byte for so long is given up.
      keep_s: A session that is over, and a recording that no session needs, are forgotten after this time.
      patience_s: Time for a worker to stop in good order before it is killed.
      close_s: The same, when the studio itself stops.
      lease_s: Without a sign of life for so long, a worker or a studio on another machine is gone.
    """

    running: int = 1
    running_here: int | None = None
    queued: int = 32
    sessions: int = 64
    sessions_per_deu: int = 8
    recordings: int = 1000
    recording_bytes: int = 1024 * _MIB
    session_bytes: int = 4096 * _MIB
    audio_minutes: float = 600.0
    training_minutes: float = 24 * 60.0
    training_steps: int = 1_000_000
    streams: int = 64
    threads: int = field(default_factory=_default_threads)
    starts: int = 3
    listening_s: float = 600.0
    practice_s: float = 48 * 3600.0
    upload_idle_s: float = 24 * 3600.0
    keep_s: float = 30 * 24 * 3600.0
    patience_s: float = 60.0
    close_s: float = 20.0
    lease_s: float = LEASE_S
