"""Artifacts of Trainer."""

from pathlib import Path
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import path_utils

from components import settings
from components.audio_example_gen.driver import FINGERPRINT_KEY
from components.code_digest import CODE_DIGEST_KEY
from components.split_names import Split
from components.splits import near_files
from components.trainer import teach

EXAMPLES_KEY = "examples"
STATISTICS_KEY = "statistics"
BASE_PERSONALITY_KEY = "base_personality"
MODEL_KEY = "model"
MODEL_RUN_KEY = "model_run"
CHECKPOINTS_PATH_KEY = "checkpoints_path"


class Executor(base_executor.BaseExecutor):
    """Teaches a voice."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Trains a voice, takes up an earlier attempt's checkpoint, and exports the best.

        Args:
          input_dict: `examples`: one Examples artifact of DdspTransform. `statistics`: one
            Statistics artifact. `base_personality`: at most one Personality, to start from.
          output_dict: `model`: one Model artifact, the voice in `Format-Serving`. `model_run`: one
            ModelRun artifact, TensorBoard logs.
          exec_properties: `learner_profile`: LearnerProfile proto. `player_profile`: PlayerProfile proto, if the voice
            shall play otherwise than its parent. `taste`: Taste proto, if some of the examples shall be heard more
            often. `checkpoints_path`: folder for
            the checkpoints of unfinished lessons. `code_digest`: digest of the code.

        Raises:
          PracticeError: There is nothing to learn from, or learning explodes.
        """
        examples = artifact_utils.get_single_instance(input_dict[EXAMPLES_KEY])
        model = artifact_utils.get_single_instance(output_dict[MODEL_KEY])
        model_run = artifact_utils.get_single_instance(output_dict[MODEL_RUN_KEY])
        with near_files(examples) as files:
            lesson = _lesson(files, input_dict, exec_properties)
            key = teach.lesson_key(
                lesson.profile,
                examples_fingerprint=_fingerprint(examples),
                parent_digest=_parent_digest(input_dict),
                taste=lesson.taste,
                code_digest=exec_properties[CODE_DIGEST_KEY],
            )
            personality = teach.teach(
                lesson,
                model_path=Path(path_utils.serving_model_dir(model.uri)),
                log_path=Path(model_run.uri),
                checkpoint_path=Path(exec_properties[CHECKPOINTS_PATH_KEY]) / key,
            )
        model.set_string_custom_property("digest", personality.digest)
        model.set_int_custom_property(
            "trained_step_count", personality.trained_step_count
        )


def _lesson(
    files: dict[Split, list[str]],
    input_dict: dict[str, list[types.Artifact]],
    exec_properties: dict[str, Any],
) -> teach.Lesson:
    statistics = artifact_utils.get_single_instance(input_dict[STATISTICS_KEY])
    parents = input_dict.get(BASE_PERSONALITY_KEY)
    return teach.Lesson(
        train_files=files["train"],
        eval_files=files["eval"],
        statistics_path=Path(statistics.uri) / teach.STATISTICS_NAME,
        profile=settings.learner_profile(exec_properties),
        parent_path=Path(parents[0].uri) if parents else None,
        player_profile=settings.player_profile(exec_properties),
        taste=settings.taste(exec_properties),
    )


def _fingerprint(examples: types.Artifact) -> str:
    """What the examples were made of; their place, where no ExampleGen of ours made them."""
    return examples.get_string_custom_property(FINGERPRINT_KEY) or examples.uri


def _parent_digest(input_dict: dict[str, list[types.Artifact]]) -> str:
    parents = input_dict.get(BASE_PERSONALITY_KEY)
    return parents[0].get_string_custom_property("digest") if parents else ""
