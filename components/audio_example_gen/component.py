"""AudioExampleGen: the ExampleGen of recordings."""

from typing import ClassVar

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ExecutionParameter

from amadeus.v1 import practice_pb2, profiles_pb2
from components.audio_example_gen import driver, executor
from components.audio_example_gen.driver import EXAMPLES_KEY, RECORDINGS_KEY
from components.code_digest import CODE_DIGEST_KEY, running_code_digest
from components.settings import LEARNER_PROFILE_KEY, narrow

PROFILE_FIELDS = ("sample_rate", "eval_fraction", "max_skipped_fraction")
SOURCES = (
    "components.audio_example_gen",
    "components.records",
    "components.example_proto",
    "amadeus.audio",
    "amadeus.datasets",
)


class AudioExampleGenSpec(types.ComponentSpec):
    """Names of AudioExampleGen's parameters and outputs."""

    PARAMETERS: ClassVar = {
        RECORDINGS_KEY: ExecutionParameter(
            type=practice_pb2.Recordings, use_proto=True
        ),
        LEARNER_PROFILE_KEY: ExecutionParameter(
            type=profiles_pb2.LearnerProfile, use_proto=True
        ),
        CODE_DIGEST_KEY: ExecutionParameter(type=str),
    }
    INPUTS: ClassVar = {}
    OUTPUTS: ClassVar = {
        EXAMPLES_KEY: ChannelParameter(type=standard_artifacts.Examples)
    }


class AudioExampleGen(base_beam_component.BaseBeamComponent):
    """Turns recordings into records: decoded, mono, at one rate, silence dropped, split by take.

    The content of the recordings decides what is cached. Every take is in one split, chosen by a
    stable hash of its content; a lone take gives its end to `eval`.

    Example:
        example_gen = AudioExampleGen(
            recordings=Recordings(uri=["/music/bourree.flac", "/music/sarabande.flac"]),
            learner_profile=LearnerProfile(sample_rate=16_000),
        )

    Outputs:
      examples: Examples with the splits `train` and `eval`; a record is a passage with `take`,
        `name`, `offset_samples`, `sample_rate` and `audio`. Its custom properties say what it
        was made of and what was skipped; see `describing`.
    """

    SPEC_CLASS = AudioExampleGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)
    DRIVER_CLASS = driver.Driver

    def __init__(
        self,
        recordings: practice_pb2.Recordings,
        learner_profile: profiles_pb2.LearnerProfile | None = None,
    ) -> None:
        """Fills the spec.

        Args:
          recordings: Files to learn from.
          learner_profile: How to learn; open fields take their defaults.
        """
        spec = AudioExampleGenSpec(
            recordings=recordings,
            learner_profile=narrow(learner_profile, PROFILE_FIELDS),
            code_digest=running_code_digest(*SOURCES),
            examples=types.Channel(type=standard_artifacts.Examples),
        )
        super().__init__(spec=spec)
