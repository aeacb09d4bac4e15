"""Pusher: puts a blessed voice where it is played."""

from pathlib import Path
from typing import ClassVar

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.proto import pusher_pb2
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ExecutionParameter

from components import artifacts
from components.code_digest import CODE_DIGEST_KEY, running_code_digest
from components.pusher import executor
from components.pusher.executor import (
    DEU_KEY,
    EVALUATION_KEY,
    MODEL_BLESSING_KEY,
    MODEL_KEY,
    PUSH_DESTINATION_KEY,
    PUSHED_MODEL_KEY,
)

SOURCES = (
    "components.pusher",
    "amadeus.personality.content",
    "amadeus.personality.generations",
)


class PusherSpec(types.ComponentSpec):
    """Names of Pusher's parameters, inputs and outputs; those of TFX's own where it has them."""

    PARAMETERS: ClassVar = {
        PUSH_DESTINATION_KEY: ExecutionParameter(type=pusher_pb2.PushDestination),
        DEU_KEY: ExecutionParameter(type=str),
        CODE_DIGEST_KEY: ExecutionParameter(type=str),
    }
    INPUTS: ClassVar = {
        MODEL_KEY: ChannelParameter(type=standard_artifacts.Model),
        MODEL_BLESSING_KEY: ChannelParameter(type=standard_artifacts.ModelBlessing),
        EVALUATION_KEY: ChannelParameter(type=artifacts.Evaluation),
    }
    OUTPUTS: ClassVar = {
        PUSHED_MODEL_KEY: ChannelParameter(type=standard_artifacts.PushedModel)
    }


class Pusher(base_component.BaseComponent):
    """Makes a blessed voice the next generation of its deu, by one rename.

    What is not blessed is not pushed, and the old voice keeps playing.

    Example:
        pusher = Pusher(
            model=trainer.outputs["model"],
            model_blessing=evaluator.outputs["blessing"],
            evaluation=evaluator.outputs["evaluation"],
            deu="cello",
            voices_path=Path("/home/amadeus/deus/cello/voices"),
        )

    Outputs:
      pushed_model: PushedModel as TFX's Pusher marks it: custom properties `pushed` (1 or 0),
        `pushed_destination`, `pushed_version` (the generation); besides `mlmd_uuid`.
    """

    SPEC_CLASS = PusherSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        model: types.BaseChannel,
        model_blessing: types.BaseChannel,
        evaluation: types.BaseChannel,
        *,
        deu: str,
        voices_path: Path,
    ) -> None:
        """Fills the spec.

        Args:
          model: Voice to push.
          model_blessing: Whether it may be.
          evaluation: Metrics to write into its personality.
          deu: Name of the deu.
          voices_path: Folder of its generations.
        """
        filesystem = pusher_pb2.PushDestination.Filesystem(
            base_directory=str(voices_path)
        )
        spec = PusherSpec(
            model=model,
            model_blessing=model_blessing,
            evaluation=evaluation,
            push_destination=pusher_pb2.PushDestination(filesystem=filesystem),
            deu=deu,
            code_digest=running_code_digest(*SOURCES),
            pushed_model=types.Channel(type=standard_artifacts.PushedModel),
        )
        super().__init__(spec=spec)
