"""A practice session read back from its folder, however it ended.

Everything here may be missing: a practice can be refused, stopped or killed at any moment.
"""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from google.protobuf import json_format
from google.protobuf.message import Message

from amadeus.journal import JOURNAL_NAME, read_journal
from amadeus.tuning.request import is_of_player, read_tuning
from amadeus.v1 import personality_pb2, practice_pb2

REQUEST_NAME = "request.json"
RESULT_NAME = "result.json"
LOG_NAME = "log.txt"

MessageT = TypeVar("MessageT", bound=Message)


class ComponentCost(NamedTuple):
    """What a component cost."""

    name: str
    duration_s: float
    cached: bool


class Cost(NamedTuple):
    """A part of a practice and the seconds it took."""

    name: str
    duration_s: float
    remark: str


class TrainingPoint(NamedTuple):
    """Where training stood; `eval_loss` is NaN where it was not measured."""

    elapsed_s: float
    step: int
    train_loss: float
    eval_loss: float
    steps_per_s: float


@dataclass
class Session:
    """What is known of a practice session.

    Attributes:
      path: Its folder.
      request: What was asked for.
      tuning: The same, where a tuning was asked for; then `request` holds what both have in common.
      warnings: Sentences, in the order they were said.
      components: Components that ended well, in order.
      started_s: When each component began, in seconds from the start, by name.
      training: How training moved on.
      evaluated: The verdict.
      finished: The result; None without one.
      failed: Why there is no result.
      elapsed_s: Seconds from the start to the last event.
      result: Where the artifacts lie, as `result.json` says.
    """

    path: Path
    request: practice_pb2.ImitationRequest | None = None
    tuning: practice_pb2.TuningRequest | None = None
    warnings: list[str] = field(default_factory=list)
    components: list[ComponentCost] = field(default_factory=list)
    started_s: dict[str, float] = field(default_factory=dict)
    training: list[TrainingPoint] = field(default_factory=list)
    evaluated: practice_pb2.Evaluated | None = None
    finished: practice_pb2.PracticeFinished | None = None
    failed: practice_pb2.PracticeFailed | None = None
    elapsed_s: float = 0.0
    result: dict[str, Any] = field(default_factory=dict)

    @property
    def practice(self) -> str:
        """Name of the session."""
        return self.path.name

    @property
    def is_over(self) -> bool:
        """Whether the practice said its last word."""
        return self.finished is not None or self.failed is not None

    @property
    def is_of_player(self) -> bool:
        """Whether it turned knobs of the player only, so that nothing was trained or measured."""
        return self.tuning is not None and is_of_player(self.tuning.changes)

    @property
    def training_s(self) -> float:
        """Seconds spent on training steps and the validation between them."""
        if not self.training:
            return 0.0
        first, last = self.training[0], self.training[-1]
        since_start_s = first.elapsed_s - self.started_s.get("Trainer", 0.0)
        steps_s = first.step / first.steps_per_s if first.steps_per_s > 0 else 0.0
        return last.elapsed_s - first.elapsed_s + min(steps_s, max(since_start_s, 0.0))

    def costs(self, total_s: float) -> list[Cost]:
        """Splits the time of a practice: training, each component besides it, and the rest.

        Args:
          total_s: Time to split, in seconds.
        """
        costs = [Cost("training", self.training_s, "")] if self.training else []
        for name, duration_s, cached in self.components:
            if name == "Trainer" and self.training and not cached:
                besides_s = max(duration_s - self.training_s, 0.0)
                costs.append(Cost(name, besides_s, "besides training"))
            else:
                costs.append(Cost(name, duration_s, "from the cache" if cached else ""))
        rest_s = total_s - sum(cost.duration_s for cost in costs)
        return [*costs, Cost("imports, rest", max(rest_s, 0.0), "")]

    def add(self, event: practice_pb2.PracticeEvent) -> None:
        """Takes one more event of the journal in."""
        self.elapsed_s = max(self.elapsed_s, event.elapsed_s)
        kind = event.WhichOneof("event")
        if kind == "component_started":
            self.started_s[event.component_started.component] = event.elapsed_s
        elif kind == "component_finished":
            done = event.component_finished
            self.components.append(
                ComponentCost(done.component, done.duration_s, done.cached)
            )
        elif kind == "training_progress":
            self.training.append(_training_point(event))
        elif kind == "warning":
            self.warnings.append(event.warning.text)
        elif kind in ("evaluated", "finished", "failed"):
            setattr(self, kind, getattr(event, kind))


def read_session(path: Path) -> Session:
    """Reads what the folder of a practice tells of it."""
    session = Session(path)
    session.request = read_message(path / REQUEST_NAME, practice_pb2.ImitationRequest())
    session.tuning = read_tuning(path)
    session.result = read_json(path / RESULT_NAME)
    for event in read_journal(path / JOURNAL_NAME):
        session.add(event)
    return session


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON object; one that is missing or damaged is empty."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def read_message(path: Path, message: MessageT) -> MessageT | None:
    """Reads a message stored as JSON into `message`; None where there is none to read."""
    try:
        return json_format.Parse(path.read_text(), message, ignore_unknown_fields=True)
    except (OSError, ValueError, json_format.ParseError):
        return None


def read_statistics(uri: str) -> personality_pb2.Statistics | None:
    """Reads a statistics artifact; None where there is none."""
    if not uri:
        return None
    return read_message(Path(uri) / "statistics.json", personality_pb2.Statistics())


def _training_point(event: practice_pb2.PracticeEvent) -> TrainingPoint:
    progress = event.training_progress
    return TrainingPoint(
        elapsed_s=event.elapsed_s,
        step=progress.step,
        train_loss=progress.train_loss,
        eval_loss=progress.eval_loss if progress.eval_loss else math.nan,
        steps_per_s=progress.steps_per_s,
    )
