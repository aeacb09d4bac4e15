"""Evaluator: may the new voice take over?"""

from typing import ClassVar

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ExecutionParameter

from amadeus.v1 import profiles_pb2
from components import artifacts
from components.code_digest import CODE_DIGEST_KEY, running_code_digest
from components.ddsp_transform.component import PROFILE_FIELDS as CLOCK_AND_FEATURES
from components.evaluator import executor
from components.evaluator.executor import (
    BASE_PERSONALITY_KEY,
    BLESSING_KEY,
    EVALUATION_KEY,
    EXAMPLES_KEY,
    MODEL_KEY,
)
from components.settings import LEARNER_PROFILE_KEY, narrow

PROFILE_FIELDS = (*CLOCK_AND_FEATURES, "blessing_tolerance")
SOURCES = (
    "components.evaluator",
    "components.records",
    "components.example_proto",
    "amadeus.dsp",
    "amadeus.native",
    "amadeus.features",
    "amadeus.voice",
)


class EvaluatorSpec(types.ComponentSpec):
    """Names of Evaluator's parameters, inputs and outputs."""

    PARAMETERS: ClassVar = {
        LEARNER_PROFILE_KEY: ExecutionParameter(
            type=profiles_pb2.LearnerProfile, use_proto=True
        ),
        CODE_DIGEST_KEY: ExecutionParameter(type=str),
    }
    INPUTS: ClassVar = {
        EXAMPLES_KEY: ChannelParameter(type=standard_artifacts.Examples),
        MODEL_KEY: ChannelParameter(type=standard_artifacts.Model),
        BASE_PERSONALITY_KEY: ChannelParameter(
            type=artifacts.Personality, optional=True
        ),
    }
    OUTPUTS: ClassVar = {
        BLESSING_KEY: ChannelParameter(type=standard_artifacts.ModelBlessing),
        EVALUATION_KEY: ChannelParameter(type=artifacts.Evaluation),
    }


class Evaluator(base_beam_component.BaseBeamComponent):
    """Measures a voice on held-out takes with the field's metrics, against its parent.

    A voice is blessed when its metrics are numbers, it is not silent, and its spectral loss is at
    most its parent's times (1 + `blessing_tolerance`).

    Example:
        evaluator = Evaluator(
            examples=transform.outputs["transformed_examples"],
            model=trainer.outputs["model"],
            learner_profile=LearnerProfile(blessing_tolerance=0.02),
        )

    Outputs:
      blessing: ModelBlessing as TFX's Evaluator marks it, besides the custom property `reason`.
      evaluation: Evaluation: `metrics.json` and `examples/<n>.npz`.
    """

    SPEC_CLASS = EvaluatorSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        model: types.BaseChannel,
        learner_profile: profiles_pb2.LearnerProfile | None = None,
        *,
        base_personality: types.BaseChannel | None = None,
    ) -> None:
        """Fills the spec.

        Args:
          examples: Passages with features.
          model: Voice to judge.
          learner_profile: How it learned; open fields take their defaults.
          base_personality: Parent to compare with.
        """
        spec = EvaluatorSpec(
            examples=examples,
            model=model,
            base_personality=base_personality,
            learner_profile=narrow(learner_profile, PROFILE_FIELDS),
            code_digest=running_code_digest(*SOURCES),
            blessing=types.Channel(type=standard_artifacts.ModelBlessing),
            evaluation=types.Channel(type=artifacts.Evaluation),
        )
        super().__init__(spec=spec)
