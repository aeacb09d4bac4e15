"""The new voice and its parent on the same held-out takes."""

import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from amadeus.errors import AmadeusError, VoiceError
from amadeus.personality import profiles
from amadeus.v1 import profiles_pb2
from amadeus.voice import comparison, evaluation
from amadeus.voice.player import Voice
from amadeus.voice.sampler import Passage, read_passages
from components.evaluation_file import EXAMPLES_FOLDER, METRICS_NAME
from components.evaluator import bless

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
) -> Judged:
    """Measures a voice, compares it with its parent, and writes both down.

    Args:
      eval_files: Record files of held-out takes.
      voice_path: Voice to judge.
      parent_path: Voice to compare with; None where there is none.
      profile: Completed learner profile the records were made with.
      evaluation_path: Folder for `metrics.json` and `examples/<n>.npz`.
    """
    passages = read_passages(eval_files)
    judged = _judge(passages, voice_path, parent_path, profile, evaluation_path)
    _write_metrics(evaluation_path / METRICS_NAME, judged)
    return judged


class _Meter:
    """A voice whose loudest sample is watched."""

    def __init__(self, voice: Voice) -> None:
        self._voice = voice
        self.peak = 0.0

    def render(
        self, f0_hz: np.ndarray, loudness_db: np.ndarray, reverb_mix: float = 1.0
    ) -> np.ndarray:
        audio = self._voice.render(f0_hz, loudness_db, reverb_mix)
        self.peak = max(self.peak, float(np.abs(audio).max(initial=0.0)))
        return audio


def _judge(
    passages: list[Passage],
    voice_path: Path,
    parent_path: Path | None,
    profile: profiles_pb2.LearnerProfile,
    evaluation_path: Path,
) -> Judged:
    meter = _Meter(Voice.load(voice_path))
    try:
        measured = evaluation.evaluate(meter, _held_out(passages), profile=profile)
    except VoiceError as error:
        return Judged({}, {}, bless.Verdict(False, str(error)))
    _write_examples(evaluation_path / EXAMPLES_FOLDER, measured.examples)
    rival = _measure_parent(parent_path, meter, passages, profile)
    verdict = bless.judge(
        measured.metrics,
        rival.metrics,
        peak=meter.peak,
        tolerance=profile.blessing_tolerance,
        against=rival.against,
    )
    return Judged(measured.metrics, rival.metrics, verdict)


class _Rival(NamedTuple):
    """The parent: its metrics, or where it has none in common with the new voice, the losses to compare."""

    metrics: dict[str, float]
    against: bless.Against | None = None


def _measure_parent(
    parent_path: Path | None,
    new: evaluation.Player,
    passages: list[Passage],
    profile: profiles_pb2.LearnerProfile,
) -> _Rival:
    """Measures the parent; nothing where it cannot be played."""
    if parent_path is None:
        return _Rival({})
    try:
        parent = Voice.load(parent_path)
        theirs = profiles.complete_learner_profile(parent.personality.learner_profile)
        if not comparison.shares_clock(theirs, profile):
            one, other = (
                comparison.Contestant(new, profile),
                comparison.Contestant(parent, theirs),
            )
            return _Rival({}, _compare_apart(one, other, passages))
        return _Rival(
            evaluation.evaluate(
                parent, _held_out(passages), profile=profile, max_examples=0
            ).metrics
        )
    except AmadeusError as error:
        _log.warning("the parent is not compared: %s", error)
        return _Rival({})


def _compare_apart(
    new: comparison.Contestant,
    parent: comparison.Contestant,
    passages: list[Passage],
) -> bless.Against | None:
    found = comparison.compare(
        new,
        parent,
        [passage.audio for passage in passages],
        sample_rate=new.profile.sample_rate,
    )
    if found is None:
        return None
    how = f", each on its own clock and compared at {found.sample_rate} Hz"
    return bless.Against(found.loss, found.parent_loss, how)


def _held_out(passages: list[Passage]) -> Iterator[evaluation.HeldOut]:
    return (evaluation.HeldOut(p.name, p.audio, p.features) for p in passages)


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
