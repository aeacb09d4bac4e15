"""Teaches a voice to imitate recordings, and ends well.

A run is limited by steps or by wall time, validates on held-out passages while it goes, keeps the best
voice, stops when nothing improves, goes back and slows down when the loss explodes, and saves itself so
that it can be killed at any moment. Limited by steps, its result is a function of passages, profile and
base voice, however often it was interrupted.
"""

import hashlib
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import tensorflow as tf

from amadeus import interruption, journal
from amadeus.errors import PracticeError
from amadeus.personality.content import canonical_json
from amadeus.v1 import practice_pb2, profiles_pb2
from amadeus.voice import checkpoint
from amadeus.voice.budget import Budget, Speedometer
from amadeus.voice.learner import Learner
from amadeus.voice.memory import fit_batch
from amadeus.voice.model import VoiceModel
from amadeus.voice.parentage import draw_back, take_over
from amadeus.voice.reach import find_reach
from amadeus.voice.sampler import CropSampler, Passage, read_passages
from amadeus.voice.validation import Validation, cut_groups, is_plateau

WARM_UP_STEPS = 30
LAST_RATE_SHARE = 0.02  # of the peak learning rate, at the end of the cosine
MAX_SETBACKS = 3
SETBACK_RATE_SHARE = 0.3  # of the learning rate, after each setback
CHECKPOINT_INTERVAL_S = 15.0

Weigh = Callable[[Sequence[Passage]], list[np.ndarray]]
Ending = Literal["done", "plateau"]


class TrainResult(NamedTuple):
    """A taught voice.

    Attributes:
      model: The best voice of the run.
      step_count: Steps done.
      eval_loss: Held-out loss of `model`, on the windows listened to while training.
      duration_s: Wall time of the run, earlier parts included.
      history: All validations in order.
      ending: Whether the run went its whole length.
      distance: From the base voice, where it was held to one; else NaN.
    """

    model: VoiceModel
    step_count: int
    eval_loss: float
    duration_s: float
    history: list[Validation]
    ending: Ending
    distance: float = math.nan


def train(
    train_examples: str | Sequence[str],
    eval_examples: str | Sequence[str],
    *,
    profile: profiles_pb2.LearnerProfile,
    checkpoint_path: str | Path,
    log_path: str | Path | None = None,
    base_voice_path: str | Path | None = None,
    emit: Callable[..., None] = journal.emit,
    check: Callable[[], None] = interruption.check,
    weigh: Weigh | None = None,
    max_distance: float | None = None,
) -> TrainResult:
    """Teaches a voice from the records of DdspTransform; see `train_on_passages`.

    Args:
      train_examples: Glob or globs of gzipped TFRecords to learn from.
      eval_examples: Glob or globs of those held out.
      profile: See `train_on_passages`, as are all other arguments.
      checkpoint_path: Folder.
      log_path: Folder.
      base_voice_path: Folder.
      emit: Callback.
      check: Callback.
      weigh: Callback.
      max_distance: Share.
    """
    return train_on_passages(
        read_passages(train_examples),
        read_passages(eval_examples),
        profile=profile,
        checkpoint_path=checkpoint_path,
        log_path=log_path,
        base_voice_path=base_voice_path,
        emit=emit,
        check=check,
        weigh=weigh,
        max_distance=max_distance,
    )


def train_on_passages(
    train_passages: Sequence[Passage],
    eval_passages: Sequence[Passage],
    *,
    profile: profiles_pb2.LearnerProfile,
    checkpoint_path: str | Path,
    log_path: str | Path | None = None,
    base_voice_path: str | Path | None = None,
    emit: Callable[..., None] = journal.emit,
    check: Callable[[], None] = interruption.check,
    weigh: Weigh | None = None,
    max_distance: float | None = None,
) -> TrainResult:
    """Teaches a voice.

    Args:
      train_passages: To learn from.
      eval_passages: Held out. Without any, the run is validated on what it learns from, with a warning.
      profile: Complete. `step_count`, or else `training_minutes` of wall time, limits the run.
      checkpoint_path: Folder of the run's checkpoint. A run of the same passages, profile and base voice
        that finds one goes on from there.
      log_path: Folder of the TensorBoard logs.
      base_voice_path: A voice to start from, where its network is of the same make.
      emit: Told of progress and warnings, as `journal.emit`.
      check: Called before each step; may raise a KeyboardInterrupt. Signals wait for it.
      weigh: Tells how often the frames of passages shall be heard (`CropSampler`); None: all alike.
      max_distance: How far the voice may go from the base voice, as `parentage.distance` measures it: what goes
        farther is drawn back toward it. None: as far as it likes.

    Raises:
      PracticeError: There is nothing to learn from, or learning explodes again and again.
      KeyboardInterrupt: After a checkpoint.
    """
    run = _Run(
        train_passages,
        eval_passages,
        profile=profile,
        checkpoint_path=Path(checkpoint_path),
        log_path=log_path,
        base_voice_path=base_voice_path,
        emit=emit,
        weigh=weigh,
    )
    try:
        with interruption.held_back():
            result = run.finish(check)
        return run.hold(result, max_distance) if max_distance is not None else result
    except KeyboardInterrupt:
        run.save()
        raise


class _Run:
    """A run in progress."""

    def __init__(
        self,
        train_passages: Sequence[Passage],
        eval_passages: Sequence[Passage],
        *,
        profile: profiles_pb2.LearnerProfile,
        checkpoint_path: Path,
        log_path: str | Path | None,
        base_voice_path: str | Path | None,
        emit: Callable[..., None],
        weigh: Weigh | None,
    ) -> None:
        self._budget = Budget(profile)
        self._emit = emit
        self._profile = profile = fit_batch(profile, warn=self._warn)
        self._n_frames = max(1, round(profile.crop_duration_s * profile.frame_rate))
        self._sampler = CropSampler(
            train_passages,
            n_frames=self._n_frames,
            batch_size=profile.batch_size,
            f0_confidence_threshold=profile.f0_confidence_threshold,
            seed=profile.seed,
            frame_weights=weigh(train_passages) if weigh else None,
        )
        if not eval_passages:
            self._warn(
                "no take is held out, so the voice is judged by what it learned from: give two recordings or more."
            )
        self._groups = cut_groups(
            eval_passages or train_passages, self._n_frames, profile
        )
        self._learner = Learner(profile)
        self._base = take_over(
            base_voice_path, self._learner, profile=profile, warn=self._warn
        )
        self._learner.limit_reach(
            find_reach(
                train_passages, f0_confidence_threshold=profile.f0_confidence_threshold
            )
        )
        self._checkpoint_path = checkpoint_path
        self._fingerprint = _fingerprint(
            train_passages, eval_passages, profile, self._base.name
        )
        self._history: list[Validation] = []
        self._best: dict[str, np.ndarray] = {}
        self._good: dict[str, np.ndarray] = self._learner.arrays()
        self._n_setbacks = 0
        self._validation_cost_s = 0.0
        self._since_s: float | None = None  # when validated last, or learning began
        self._writer = (
            tf.summary.create_file_writer(str(log_path)) if log_path else None
        )
        self._resume()
        self._losses: list[float] = []  # since the last validation
        self._meter = Speedometer(self._learner.step_count)
        self._saved_at = time.monotonic()

    def finish(self, check: Callable[[], None]) -> TrainResult:
        """Goes on to the end."""
        ending: Ending = "done"
        while not self._is_over():
            self._learn_until_validation(check)
            if self._is_plateau() and not self._is_over():
                ending = "plateau"
                break
        if not self._is_judged():  # killed between the last step and its validation
            self._validate()
        self.save()
        if self._writer is not None:
            self._writer.close()
        best = VoiceModel(self._profile)
        best.assign(self._best)
        return TrainResult(
            model=best,
            step_count=self._learner.step_count,
            eval_loss=min(validation.eval_loss for validation in self._history),
            duration_s=self._budget.elapsed_s,
            history=list(self._history),
            ending=ending,
        )

    def hold(self, result: TrainResult, max_distance: float) -> TrainResult:
        """Draws a voice back toward its base until it is near enough."""
        if not self._base.weights:
            return result
        base = VoiceModel(self._profile)
        base.assign(self._base.weights)
        away = draw_back(
            result.model, base, self._groups, max_distance=max_distance, warn=self._warn
        )
        return result._replace(distance=away)

    def save(self) -> None:
        """Writes the checkpoint."""
        arrays = {f"best/{name}": value for name, value in self._best.items()}
        notes = {
            "elapsed_s": self._budget.elapsed_s,
            "history": [list(validation) for validation in self._history],
            "n_setbacks": self._n_setbacks,
            "losses": self._losses,
        }
        checkpoint.save(
            self._checkpoint_path,
            {**self._learner.arrays(), **arrays},
            notes,
            fingerprint=self._fingerprint,
        )
        self._saved_at = time.monotonic()

    def _learn_until_validation(self, check: Callable[[], None]) -> None:
        learner, step = self._learner, self._learner.step_count
        for crops in self._sampler.dataset(step):
            check()
            loss = float(learner.learn(*crops, rate=self._rate(step)))
            step += 1
            if not math.isfinite(loss):
                return self._set_back(step)
            if self._since_s is None:  # the first step includes tracing
                self._since_s = self._budget.elapsed_s
            self._losses.append(loss)
            self._report(loss)
            if time.monotonic() - self._saved_at > CHECKPOINT_INTERVAL_S:
                self.save()
            if self._is_over() or self._is_due(step):
                return self._validate()
        return None

    def _is_due(self, step: int) -> bool:
        return self._budget.asks_for_validation(
            step,
            last_step=self._history[-1].step if self._history else 0,
            last_s=self._since_s or 0.0,
            cost_s=self._validation_cost_s,
        )

    def _rate(self, step: int) -> tf.Tensor:
        progress = self._budget.progress(step)
        cosine = 0.5 * (1.0 + math.cos(math.pi * progress))
        share = LAST_RATE_SHARE + (1.0 - LAST_RATE_SHARE) * cosine
        warm_up = min(1.0, (step + 1) / WARM_UP_STEPS)
        slowed = SETBACK_RATE_SHARE**self._n_setbacks
        return tf.constant(self._profile.learning_rate * share * warm_up * slowed)

    def _is_over(self) -> bool:
        step = self._learner.step_count
        reserve_s = 0.0 if self._is_judged() else self._validation_cost_s
        return self._budget.is_spent(step, reserve_s=reserve_s)

    def _is_judged(self) -> bool:
        """Whether the voice as it stands was validated."""
        return (
            bool(self._history) and self._history[-1].step == self._learner.step_count
        )

    def _validate(self) -> None:
        started_at = time.monotonic()
        losses = [float(self._learner.judge(*group)) for group in self._groups]
        if not np.isfinite(
            losses
        ).all():  # the last step broke what no loss has shown yet
            return self._set_back(self._learner.step_count)
        is_first = not self._history
        validation = Validation(
            self._learner.step_count,
            self._budget.elapsed_s,
            float(np.mean(self._losses)) if self._losses else math.nan,
            float(np.mean(losses)),
        )
        if is_first or validation.eval_loss < min(v.eval_loss for v in self._history):
            self._best = self._learner.average.weights()
        self._history.append(validation)
        self._good = self._learner.arrays()
        self._losses = []
        self._since_s = self._budget.elapsed_s
        if not is_first:  # the first includes tracing
            self._validation_cost_s = time.monotonic() - started_at
        return self._tell(validation.train_loss, validation.eval_loss)

    def _is_plateau(self) -> bool:
        return self._profile.early_stop and is_plateau(self._history)

    def _set_back(self, step: int) -> None:
        """Returns to the last voice that was judged, to go on more slowly."""
        self._n_setbacks += 1
        if self._n_setbacks > MAX_SETBACKS:
            raise PracticeError(
                f"learning exploded {self._n_setbacks} times, the last time at step {step}: lower learning_rate="
                f"{self._profile.learning_rate:g} or see what `amadeus listen` says of the recordings."
            )
        self._warn(
            f"the loss was no number at step {step}: going back to the last good voice with a lower learning rate."
        )
        self._learner.restore(self._good)
        self._losses = []
        self._meter = Speedometer(self._learner.step_count)

    def _resume(self) -> None:
        saved = checkpoint.load(self._checkpoint_path, fingerprint=self._fingerprint)
        self._losses = []
        if saved is None:
            return
        self._learner.restore(saved.arrays)
        self._good = self._learner.arrays()
        self._best = {
            name.removeprefix("best/"): value
            for name, value in saved.arrays.items()
            if name.startswith("best/")
        }
        self._history = [Validation(*values) for values in saved.notes["history"]]
        self._n_setbacks = saved.notes["n_setbacks"]
        self._losses = saved.notes["losses"]
        self._budget.resume(saved.notes["elapsed_s"])

    def _report(self, loss: float) -> None:
        self._meter.add(loss)
        if self._meter.is_due():
            self._tell(self._meter.mean_loss(), math.nan)

    def _tell(self, train_loss: float, eval_loss: float) -> None:
        step = self._learner.step_count
        steps_per_s = self._meter.take(step)
        progress = practice_pb2.TrainingProgress(
            step=step,
            step_limit=self._budget.step_limit,
            train_loss=train_loss,
            eval_loss=eval_loss,
            steps_per_s=steps_per_s,
            remaining_s=self._budget.remaining_s(step, steps_per_s),
        )
        self._emit(training_progress=progress)
        if self._writer is None:
            return
        scalars = {
            "loss/train": train_loss,
            "loss/eval": eval_loss,
            "learning_rate": float(self._rate(step)),
            "steps_per_s": steps_per_s,
        }
        with self._writer.as_default(step=step):
            for name, value in scalars.items():
                if math.isfinite(value):
                    tf.summary.scalar(name, value)
        self._writer.flush()

    def _warn(self, text: str) -> None:
        self._emit(warning=practice_pb2.Warning(text=text))


def _fingerprint(
    train_passages: Sequence[Passage],
    eval_passages: Sequence[Passage],
    profile: profiles_pb2.LearnerProfile,
    base: str,
) -> str:
    content: list[Any] = [canonical_json(profile), base]
    for passages in (train_passages, eval_passages):
        content.append([(p.take, p.offset_samples, len(p.audio)) for p in passages])
    return hashlib.sha256(repr(content).encode()).hexdigest()
