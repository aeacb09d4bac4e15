"""Teaching a voice: from records to a SavedModel that says who it is."""

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from google.protobuf import json_format

import amadeus
from amadeus.errors import VoiceError
from amadeus.feedback.likeness import frame_weights
from amadeus.personality import content, profiles
from amadeus.v1 import personality_pb2, profiles_pb2
from amadeus.voice import training
from amadeus.voice.architecture import ARCHITECTURE
from amadeus.voice.export import export
from amadeus.voice.sampler import Passage

MAX_DISTANCE = 0.5  # of the parent's own distance from the recordings: what feedback may change of a voice
STATISTICS_NAME = "statistics.json"


class Lesson(NamedTuple):
    """What a voice is taught with.

    Attributes:
      train_files: Record files to learn from.
      eval_files: Record files held out.
      statistics_path: `statistics.json` of the training takes.
      profile: Completed learner profile.
      parent_path: Voice to start from; None starts from nothing.
      player_profile: How the voice will play; None plays as the parent that it grew from, or else by the defaults.
      taste: What to hear more often, from -1 to 1 by trait; the voice then keeps near its parent.
    """

    train_files: Sequence[str]
    eval_files: Sequence[str]
    statistics_path: Path
    profile: profiles_pb2.LearnerProfile
    parent_path: Path | None
    player_profile: profiles_pb2.PlayerProfile | None = None
    taste: Mapping[str, float] = {}


def teach(
    lesson: Lesson, *, model_path: Path, log_path: Path, checkpoint_path: Path
) -> personality_pb2.Personality:
    """Trains a voice and exports it.

    The checkpoint is there for as long as the voice is not: a lesson that was cut short goes on
    from it.

    Args:
      lesson: What to teach with.
      model_path: Folder for the SavedModel.
      log_path: Folder for TensorBoard logs.
      checkpoint_path: Folder of this lesson's checkpoint; removed at the end.

    Returns:
      Who the voice is; it has no generation yet.
    """
    result = training.train(
        lesson.train_files,
        lesson.eval_files,
        profile=lesson.profile,
        checkpoint_path=checkpoint_path,
        log_path=log_path,
        base_voice_path=lesson.parent_path,
        weigh=_weigher(lesson) if lesson.taste else None,
        max_distance=MAX_DISTANCE if lesson.taste else None,
    )
    personality = _describe(lesson, result)
    export(result.model, model_path, personality)
    shutil.rmtree(checkpoint_path, ignore_errors=True)
    return personality


def lesson_key(
    profile: profiles_pb2.LearnerProfile,
    *,
    examples_fingerprint: str,
    parent_digest: str,
    code_digest: str,
    taste: Mapping[str, float] | None = None,
) -> str:
    """Names a lesson by all that it depends on, so that only the same one takes up its checkpoint."""
    parts = (
        content.canonical_json(profile),
        examples_fingerprint,
        parent_digest,
        code_digest,
        *(f"{trait}={value!r}" for trait, value in sorted((taste or {}).items())),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _weigher(lesson: Lesson) -> training.Weigh:
    def weigh(passages: Sequence[Passage]) -> list[np.ndarray]:
        return frame_weights(
            [(passage.audio, passage.features) for passage in passages],
            lesson.taste,
            spec=profiles.spec(lesson.profile),
            threshold=lesson.profile.f0_confidence_threshold,
        )

    return weigh


def _describe(
    lesson: Lesson, result: training.TrainResult
) -> personality_pb2.Personality:
    statistics = json_format.Parse(
        lesson.statistics_path.read_text(), personality_pb2.Statistics()
    )
    parent = _parent(lesson)
    player_profile = lesson.player_profile or profiles.complete_player_profile(
        parent.player_profile if parent else None
    )
    return personality_pb2.Personality(
        digest=content.digest(
            result.model.weights(), lesson.profile, player_profile, statistics
        ),
        parent_digest=parent.digest if parent else "",
        learner_profile=lesson.profile,
        player_profile=player_profile,
        statistics=statistics,
        amadeus_version=amadeus.__version__,
        trained_step_count=result.step_count,
    )


def _parent(lesson: Lesson) -> personality_pb2.Personality | None:
    """Reads the parent, where the voice really grew from it: networks of another make do not mix."""
    if lesson.parent_path is None:
        return None
    try:
        parent = content.read_personality(lesson.parent_path)
    except VoiceError:
        return None  # training has warned and started from nothing
    theirs = profiles.complete_learner_profile(parent.learner_profile)
    fits = all(
        getattr(theirs, name) == getattr(lesson.profile, name) for name in ARCHITECTURE
    )
    return parent if fits else None
