"""DdspTransform: the features that a DDSP voice is driven by."""

from typing import ClassVar

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ExecutionParameter

from amadeus.v1 import profiles_pb2
from components import artifacts
from components.code_digest import CODE_DIGEST_KEY, running_code_digest
from components.ddsp_transform import executor
from components.ddsp_transform.executor import (
    EXAMPLES_KEY,
    STATISTICS_KEY,
    TRANSFORMED_EXAMPLES_KEY,
)
from components.settings import LEARNER_PROFILE_KEY, narrow

PROFILE_FIELDS = (
    "sample_rate",
    "frame_rate",
    "f0_tracker",
    "f0_viterbi",
    "f0_min_hz",
    "f0_max_hz",
    "f0_confidence_threshold",
    "loudness_weighting",
)
SOURCES = (
    "components.ddsp_transform",
    "components.records",
    "components.example_proto",
    "amadeus.audio.spec",
    "amadeus.features",
)


class DdspTransformSpec(types.ComponentSpec):
    """Names of DdspTransform's parameters, inputs and outputs."""

    PARAMETERS: ClassVar = {
        LEARNER_PROFILE_KEY: ExecutionParameter(
            type=profiles_pb2.LearnerProfile, use_proto=True
        ),
        CODE_DIGEST_KEY: ExecutionParameter(type=str),
    }
    INPUTS: ClassVar = {
        EXAMPLES_KEY: ChannelParameter(type=standard_artifacts.Examples)
    }
    OUTPUTS: ClassVar = {
        TRANSFORMED_EXAMPLES_KEY: ChannelParameter(type=standard_artifacts.Examples),
        STATISTICS_KEY: ChannelParameter(type=artifacts.Statistics),
    }


class DdspTransform(base_beam_component.BaseBeamComponent):
    """Adds `f0_hz`, `f0_confidence` and `loudness_db` to every passage.

    The same code extracts features for timbre transfer, so a voice is played with what it was
    trained on.

    Example:
        transform = DdspTransform(
            examples=example_gen.outputs["examples"],
            learner_profile=LearnerProfile(frame_rate=250),
        )

    Outputs:
      transformed_examples: Examples, same splits, records with `frame_rate`, `f0_hz`,
        `f0_confidence` and `loudness_db` added.
      statistics: `statistics.json`, a Statistics proto over the split `train`.
    """

    SPEC_CLASS = DdspTransformSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        learner_profile: profiles_pb2.LearnerProfile | None = None,
    ) -> None:
        """Fills the spec.

        Args:
          examples: Examples of AudioExampleGen.
          learner_profile: How to learn; open fields take their defaults.
        """
        spec = DdspTransformSpec(
            examples=examples,
            learner_profile=narrow(learner_profile, PROFILE_FIELDS),
            code_digest=running_code_digest(*SOURCES),
            transformed_examples=types.Channel(type=standard_artifacts.Examples),
            statistics=types.Channel(type=artifacts.Statistics),
        )
        super().__init__(spec=spec)
