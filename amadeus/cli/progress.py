"""How the progress of a practice is put into words, in whichever display."""

import math

from amadeus.report.session import Session
from amadeus.report.wording import duration
from amadeus.v1.practice_pb2 import TrainingProgress

STOPPING = "stopping in good order; press Ctrl-C again to end it at once"
ENDING = "ended at once"


def describe_progress(progress: TrainingProgress, session: Session) -> str:
    """Says where training stands: step, losses, speed."""
    limit = f" of {progress.step_limit}" if progress.step_limit else ""
    held_out = [p.eval_loss for p in session.training if math.isfinite(p.eval_loss)]
    parts = [f"step {progress.step}{limit}", f"loss {progress.train_loss:.3f}"]
    if held_out:
        parts.append(f"held-out loss {held_out[-1]:.3f} (best {min(held_out):.3f})")
    parts.append(f"{progress.steps_per_s:.2f} steps/s")
    return ", ".join(parts)


def say_time_left(progress: TrainingProgress) -> str:
    """Says when training should end."""
    return f"{duration(max(progress.remaining_s, 0.0))} left"
