"""Trainer: teaches a DDSP voice."""

from pathlib import Path
from typing import ClassVar

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ExecutionParameter

from amadeus.personality import profiles
from amadeus.v1 import practice_pb2, profiles_pb2
from components import artifacts
from components.code_digest import CODE_DIGEST_KEY, running_code_digest
from components.settings import LEARNER_PROFILE_KEY, PLAYER_PROFILE_KEY, TASTE_KEY
from components.trainer import executor
from components.trainer.executor import (
    BASE_PERSONALITY_KEY,
    CHECKPOINTS_PATH_KEY,
    EXAMPLES_KEY,
    MODEL_KEY,
    MODEL_RUN_KEY,
    STATISTICS_KEY,
)

SOURCES = (
    "components.trainer",
    "amadeus.dsp",
    "amadeus.native",
    "amadeus.features.voicing",
    "amadeus.feedback.descriptors",
    "amadeus.feedback.likeness",
    "amadeus.personality",
    "amadeus.voice",
)


class TrainerSpec(types.ComponentSpec):
    """Names of Trainer's parameters, inputs and outputs."""

    PARAMETERS: ClassVar = {
        LEARNER_PROFILE_KEY: ExecutionParameter(
            type=profiles_pb2.LearnerProfile, use_proto=True
        ),
        PLAYER_PROFILE_KEY: ExecutionParameter(
            type=profiles_pb2.PlayerProfile, use_proto=True, optional=True
        ),
        TASTE_KEY: ExecutionParameter(
            type=practice_pb2.Taste, use_proto=True, optional=True
        ),
        CHECKPOINTS_PATH_KEY: ExecutionParameter(type=str),
        CODE_DIGEST_KEY: ExecutionParameter(type=str),
    }
    INPUTS: ClassVar = {
        EXAMPLES_KEY: ChannelParameter(type=standard_artifacts.Examples),
        STATISTICS_KEY: ChannelParameter(type=artifacts.Statistics),
        BASE_PERSONALITY_KEY: ChannelParameter(
            type=artifacts.Personality, optional=True
        ),
    }
    OUTPUTS: ClassVar = {
        MODEL_KEY: ChannelParameter(type=standard_artifacts.Model),
        MODEL_RUN_KEY: ChannelParameter(type=standard_artifacts.ModelRun),
    }


class Trainer(base_component.BaseComponent):
    """Teaches a voice to imitate passages, from its parent or from nothing.

    A lesson that was killed goes on from its last checkpoint when it is run again with the same
    recordings, settings, parent and code.

    Example:
        trainer = Trainer(
            examples=transform.outputs["transformed_examples"],
            statistics=transform.outputs["statistics"],
            learner_profile=LearnerProfile(training_minutes=4),
            checkpoints_path=Path("/tmp/checkpoints"),
        )

    Outputs:
      model: Model; the voice lies in `Format-Serving`, with `assets.extra/personality.json`.
      model_run: ModelRun; TensorBoard logs.
    """

    SPEC_CLASS = TrainerSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        statistics: types.BaseChannel,
        learner_profile: profiles_pb2.LearnerProfile | None = None,
        *,
        checkpoints_path: Path,
        base_personality: types.BaseChannel | None = None,
        player_profile: profiles_pb2.PlayerProfile | None = None,
        taste: practice_pb2.Taste | None = None,
    ) -> None:
        """Fills the spec.

        Args:
          examples: Passages with features.
          statistics: What was measured over them.
          learner_profile: How to learn; open fields take their defaults.
          checkpoints_path: Folder for the checkpoints of unfinished lessons.
          base_personality: Parent to start from.
          player_profile: How the voice will play. None plays as the parent that it grew from, or else by the defaults.
          taste: What to hear more often in the examples, keeping near the parent. None hears all alike.
        """
        spec = TrainerSpec(
            examples=examples,
            statistics=statistics,
            base_personality=base_personality,
            learner_profile=profiles.complete_learner_profile(learner_profile),
            player_profile=player_profile,
            taste=taste,
            checkpoints_path=str(checkpoints_path),
            code_digest=running_code_digest(*SOURCES),
            model=types.Channel(type=standard_artifacts.Model),
            model_run=types.Channel(type=standard_artifacts.ModelRun),
        )
        super().__init__(spec=spec)
