"""Artifacts of PersonalityWriter."""

from pathlib import Path
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from components.personality_writer import write

MODEL_KEY = "model"
MODEL_BLESSING_KEY = "model_blessing"
PUSHED_MODEL_KEY = "pushed_model"
STATISTICS_KEY = "statistics"
PARENT_KEY = "parent"
PERSONALITY_KEY = "personality"
KIND_KEY = "kind"


class Executor(base_executor.BaseExecutor):
    """Records a pushed voice."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes the Personality artifact of a pushed voice.

        Args:
          input_dict: `pushed_model`: one PushedModel artifact that was pushed. `model`,
            `model_blessing`, `statistics` and, where there is one, `parent` are what the voice
            came from; they are read by the lineage, as input events, and not here.
          output_dict: `personality`: one Personality artifact; its uri is the pushed voice, its
            custom properties are `deu`, `generation`, `digest`, `parent_digest`, `practice`,
            `mlmd_uuid` and `metric_*`, and `kind` where it is told.
          exec_properties: `kind`: what made it, if it is no imitation.

        Raises:
          VoiceError: The pushed voice is gone or damaged.
        """
        pushed_model = artifact_utils.get_single_instance(input_dict[PUSHED_MODEL_KEY])
        destination = pushed_model.get_string_custom_property("pushed_destination")
        personality = artifact_utils.get_single_instance(output_dict[PERSONALITY_KEY])
        write.describe(personality, Path(destination), exec_properties.get(KIND_KEY))
