"""PersonalityWriter: the artifact that lineage is made of."""

from typing import ClassVar

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ExecutionParameter

from components import artifacts
from components.code_digest import CODE_DIGEST_KEY, running_code_digest
from components.personality_writer import executor
from components.personality_writer.executor import (
    KIND_KEY,
    MODEL_BLESSING_KEY,
    MODEL_KEY,
    PARENT_KEY,
    PERSONALITY_KEY,
    PUSHED_MODEL_KEY,
    STATISTICS_KEY,
)

SOURCES = (
    "components.personality_writer",
    "amadeus.personality.content",
    "amadeus.personality.generations",
)


class PersonalityWriterSpec(types.ComponentSpec):
    """Names of PersonalityWriter's parameters, inputs and outputs."""

    PARAMETERS: ClassVar = {
        KIND_KEY: ExecutionParameter(type=str, optional=True),
        CODE_DIGEST_KEY: ExecutionParameter(type=str),
    }
    INPUTS: ClassVar = {
        MODEL_KEY: ChannelParameter(type=standard_artifacts.Model),
        MODEL_BLESSING_KEY: ChannelParameter(type=standard_artifacts.ModelBlessing),
        PUSHED_MODEL_KEY: ChannelParameter(type=standard_artifacts.PushedModel),
        STATISTICS_KEY: ChannelParameter(type=artifacts.Statistics),
        PARENT_KEY: ChannelParameter(type=artifacts.Personality, optional=True),
    }
    OUTPUTS: ClassVar = {PERSONALITY_KEY: ChannelParameter(type=artifacts.Personality)}


class PersonalityWriter(base_component.BaseComponent):
    """Records a pushed voice as a Personality with its parent as an input event.

    Run it only after a push, or the lineage would speak of a voice that never played.

    Example:
        with Cond(pusher.outputs["pushed_model"].future()[0].custom_property("pushed") == 1):
            writer = PersonalityWriter(
                model=trainer.outputs["model"],
                model_blessing=evaluator.outputs["blessing"],
                pushed_model=pusher.outputs["pushed_model"],
                statistics=transform.outputs["statistics"],
            )

    Outputs:
      personality: Personality whose uri is the pushed voice; custom properties `deu`,
        `generation`, `digest`, `parent_digest`, `practice`, `mlmd_uuid` and `metric_*`, and `kind` where it is no
        imitation.
    """

    SPEC_CLASS = PersonalityWriterSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        model: types.BaseChannel,
        model_blessing: types.BaseChannel,
        pushed_model: types.BaseChannel,
        statistics: types.BaseChannel,
        parent: types.BaseChannel | None = None,
        *,
        kind: str | None = None,
    ) -> None:
        """Fills the spec.

        Args:
          model: What was trained.
          model_blessing: Why it may play.
          pushed_model: Where it plays.
          statistics: What it learned from.
          parent: Personality it grew from; none for the first.
          kind: What made it, as lineage calls it, such as `feedback`; None: an imitation.
        """
        spec = PersonalityWriterSpec(
            model=model,
            model_blessing=model_blessing,
            pushed_model=pushed_model,
            statistics=statistics,
            parent=parent,
            kind=kind,
            code_digest=running_code_digest(*SOURCES),
            personality=types.Channel(type=artifacts.Personality),
        )
        super().__init__(spec=spec)
