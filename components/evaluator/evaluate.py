"""The new voice and its parent on the same held-out takes."""

import json
import logging
import math
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import apache_beam as beam
import numpy as np

from amadeus.errors import AmadeusError, VoiceError
from amadeus.personality import content, profiles
from amadeus.v1 import profiles_pb2
from amadeus.voice import comparison, evaluation
from amadeus.voice.diversity import Showcase
from amadeus.voice.player import Voice
from components.evaluation_file import EXAMPLES_FOLDER, METRICS_NAME
from components.evaluator import bless, measuring

MAX_EXAMPLES = 4

MakePipeline = Callable[[], AbstractContextManager[beam.Pipeline]]

_log = logging.getLogger(__name__)


class Judged(NamedTuple):
    """The outcome of an evaluation."""

    metrics: dict[str, float]
    parent_metrics: dict[str, float]
    verdict: bless.Verdict


def evaluate(
    eval_files: Sequence[str],
    voice_path: Path,
    *,
    parent_path: Path | None,
    profile: profiles_pb2.LearnerProfile,
    evaluation_path: Path,
    make_pipeline: MakePipeline,
) -> Judged:
    """Measures a voice, compares it with its parent, and writes both down.

    Args:
      eval_files: Record files of held-out takes, on this machine.
      voice_path: Voice to judge.
      parent_path: Voice to compare with; None where there is none.
      profile: Completed learner profile the records were made with.
      evaluation_path: Folder for `metrics.json` and `examples/<n>.npz`.
      make_pipeline: Makes a Beam pipeline, which runs when it is left, on workers of this machine.
    """
    with tempfile.TemporaryDirectory(prefix="amadeus-evaluation-") as folder:
        ground = _Ground(sorted(eval_files), profile, Path(folder), make_pipeline)
        judged = _judge(ground, voice_path, parent_path, evaluation_path)
    _write_metrics(evaluation_path / METRICS_NAME, judged)
    return judged


class _Ground(NamedTuple):
    """What voices are measured on, and by whom."""

    files: list[str]
    profile: profiles_pb2.LearnerProfile
    folder: Path
    make_pipeline: MakePipeline

    def ask(
        self, asked: dict[measuring.Role, str], question: measuring.Question
    ) -> None:
        """Measures voices; what is found lies in the folder then."""
        with self.make_pipeline() as pipeline:
            measuring.run(
                self.files,
                asked,
                question,
                profile=self.profile,
                folder=self.folder,
                pipeline=pipeline,
            )

    def sum_up(self, role: measuring.Role) -> "_Measured":
        """Sums up what was found of a voice.

        Raises:
          VoiceError: It cannot be played.
        """
        tally = evaluation.Tally()
        showcase: Showcase[tuple[int, int]] = Showcase(MAX_EXAMPLES)
        for number, line in measuring.read(self.folder, self.files, role, "metrics"):
            measured = evaluation.Measured(*line.found)
            if not tally.add(measured):
                break
            evaluation.show(showcase, (number, line.index), measured)
        rate = self.profile.sample_rate
        return _Measured(tally.result([], sample_rate=rate), showcase.items)

    def losses(self, role: measuring.Role) -> list[tuple[float, int]]:
        """Reads the losses of a voice, with their weights."""
        found = measuring.read(self.folder, self.files, role, "losses")
        return [(loss, size) for _, line in found for loss, size in line.found]


class _Measured(NamedTuple):
    """An evaluation, and the passages worth listening to: number of the file, and index in it."""

    evaluation: evaluation.Evaluation
    shown: list[tuple[int, int]]


class _Parent(NamedTuple):
    """A parent that can be measured beside the new voice, on the same clock or on its own."""

    path: Path
    profile: profiles_pb2.LearnerProfile
    shares_clock: bool


def _judge(
    ground: _Ground,
    voice_path: Path,
    parent_path: Path | None,
    evaluation_path: Path,
) -> Judged:
    parent = _find_parent(parent_path, ground.profile)
    asked: dict[measuring.Role, str] = {"voice": str(voice_path)}
    if parent and parent.shares_clock:
        asked["parent"] = str(parent.path)
    try:
        ground.ask(asked, "metrics")
        found, shown = ground.sum_up("voice")
        is_heard = math.isfinite(found.peak)
        examples = _play_again(ground, voice_path, shown) if is_heard else []
    except VoiceError as error:
        return Judged({}, {}, bless.Verdict(False, str(error)))
    _write_examples(evaluation_path / EXAMPLES_FOLDER, examples)
    rival = _measure_parent(ground, voice_path, parent)
    verdict = bless.judge(
        found.metrics,
        rival.metrics,
        peak=found.peak,
        tolerance=ground.profile.blessing_tolerance,
        against=rival.against,
    )
    return Judged(found.metrics, rival.metrics, verdict)


def _play_again(
    ground: _Ground, voice_path: Path, shown: list[tuple[int, int]]
) -> list[evaluation.Example]:
    """Has the voice play once more what is worth listening to."""
    meter = evaluation.Meter(Voice.load(voice_path), ground.profile)
    examples = []
    for number, index in shown:
        for found, passage in measuring.part(
            ground.files[number], ground.profile, 0, 1
        ):
            if found == index:
                examples.append(meter.example(passage))
                break
    return [example for example in examples if example is not None]


class _Rival(NamedTuple):
    """The parent: its metrics, or where it has none in common with the new voice, the losses to compare."""

    metrics: dict[str, float]
    against: bless.Against | None = None


def _find_parent(
    path: Path | None, profile: profiles_pb2.LearnerProfile
) -> _Parent | None:
    """Looks at the parent; None where there is none, or it cannot be played."""
    if path is None:
        return None
    try:
        theirs = profiles.complete_learner_profile(
            content.read_personality(path).learner_profile
        )
        return _Parent(path, theirs, comparison.shares_clock(theirs, profile))
    except AmadeusError as error:
        _log.warning("the parent is not compared: %s", error)
        return None


def _measure_parent(
    ground: _Ground, voice_path: Path, parent: _Parent | None
) -> _Rival:
    """Measures the parent; nothing where it cannot be played."""
    if parent is None:
        return _Rival({})
    try:
        if parent.shares_clock:
            return _Rival(ground.sum_up("parent").evaluation.metrics)
        both = {"voice": str(voice_path), "parent": str(parent.path)}
        ground.ask(both, "losses")
        return _Rival({}, _compare_apart(ground, parent))
    except AmadeusError as error:
        _log.warning("the parent is not compared: %s", error)
        return _Rival({})


def _compare_apart(ground: _Ground, parent: _Parent) -> bless.Against | None:
    rate = min(ground.profile.sample_rate, parent.profile.sample_rate)
    found = comparison.sum_up(ground.losses("voice"), ground.losses("parent"), rate)
    if found is None:
        return None
    how = f", each on its own clock and compared at {found.sample_rate} Hz"
    return bless.Against(found.loss, found.parent_loss, how)


def _write_examples(folder: Path, examples: list[evaluation.Example]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, example in enumerate(examples):
        np.savez(folder / f"{number}.npz", **example._asdict())


def _write_metrics(path: Path, judged: Judged) -> None:
    content = {
        "metrics": judged.metrics,
        "parent_metrics": judged.parent_metrics,
        **judged.verdict._asdict(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2))
