"""Artifacts of Evaluator."""

import functools
import math
import os
from pathlib import Path
from typing import Any

from tfx import types
from tfx.types import artifact_utils
from tfx.utils import path_utils

from amadeus.journal import emit
from amadeus.v1 import practice_pb2
from components import settings
from components.beam_executor import BeamExecutor
from components.evaluator import evaluate
from components.splits import near_files

EXAMPLES_KEY = "examples"
MODEL_KEY = "model"
BASE_PERSONALITY_KEY = "base_personality"
BLESSING_KEY = "blessing"
EVALUATION_KEY = "evaluation"

# Records of ten minutes at 16 kHz. A process that measures loads TensorFlow and the voice first, which takes about as
# long as two processes save on so much sound.
PROCESSES_FROM_BYTES = 40_000_000

_BLESSED_FILE = (
    "BLESSED"  # TFX's markers and properties, which its Pusher and resolvers read
)
_NOT_BLESSED_FILE = "NOT_BLESSED"


class Executor(BeamExecutor):
    """Judges a voice."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Measures the new voice and its parent on held-out takes, and blesses the new one or not.

        Args:
          input_dict: `examples`: one Examples artifact of DdspTransform, of which `eval` is read.
            `model`: one Model artifact. `base_personality`: at most one Personality, the parent.
          output_dict: `blessing`: one ModelBlessing artifact with the custom properties `blessed`,
            `current_model`, `current_model_id`, `baseline_model`, `baseline_model_id` and
            `reason`. `evaluation`: one Evaluation artifact with `metrics.json` and excerpts.
          exec_properties: `learner_profile`: LearnerProfile proto: clock, pitch tracker and
            `blessing_tolerance`.
        """
        examples = artifact_utils.get_single_instance(input_dict[EXAMPLES_KEY])
        model = artifact_utils.get_single_instance(input_dict[MODEL_KEY])
        parents = input_dict.get(BASE_PERSONALITY_KEY) or []
        evaluation = artifact_utils.get_single_instance(output_dict[EVALUATION_KEY])
        with near_files(examples) as files:
            judged = evaluate.evaluate(
                files["eval"],
                Path(path_utils.serving_model_path(model.uri)),
                parent_path=Path(parents[0].uri) if parents else None,
                profile=settings.learner_profile(exec_properties),
                evaluation_path=Path(evaluation.uri),
                make_pipeline=functools.partial(
                    self.make_local_pipeline, in_threads=_is_little(files["eval"])
                ),
            )
        for name, metric in judged.metrics.items():
            if math.isfinite(metric):
                evaluation.set_float_custom_property(name, metric)
        blessing = artifact_utils.get_single_instance(output_dict[BLESSING_KEY])
        _mark(blessing, judged, model=model, parents=parents)
        _tell(judged)


def _is_little(files: list[str]) -> bool:
    """Whether the held-out takes are measured before other processes have begun."""
    return sum(map(os.path.getsize, files)) < PROCESSES_FROM_BYTES


def _mark(
    blessing: types.Artifact,
    judged: evaluate.Judged,
    *,
    model: types.Artifact,
    parents: list[types.Artifact],
) -> None:
    blessed, reason = judged.verdict
    marker = _BLESSED_FILE if blessed else _NOT_BLESSED_FILE
    (Path(blessing.uri) / marker).write_text("")
    blessing.set_int_custom_property("blessed", int(blessed))
    blessing.set_string_custom_property("reason", reason)
    blessing.set_string_custom_property("current_model", model.uri)
    blessing.set_int_custom_property("current_model_id", model.id)
    for parent in parents:
        blessing.set_string_custom_property("baseline_model", parent.uri)
        blessing.set_int_custom_property("baseline_model_id", parent.id)


def _tell(judged: evaluate.Judged) -> None:
    emit(
        evaluated=practice_pb2.Evaluated(
            blessed=judged.verdict.blessed,
            reason=judged.verdict.reason,
            metrics=judged.metrics,
            parent_metrics=judged.parent_metrics,
        )
    )
