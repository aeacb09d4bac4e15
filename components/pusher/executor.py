"""Artifacts of Pusher."""

import json
from pathlib import Path
from typing import Any

from tfx import types
from tfx.components.pusher import executor as tfx_pusher
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils
from tfx.utils import proto_utils

from amadeus.personality import content
from amadeus.v1 import personality_pb2
from components.evaluation_file import METRICS_NAME
from components.pusher import push

MODEL_KEY = "model"
MODEL_BLESSING_KEY = "model_blessing"
EVALUATION_KEY = "evaluation"
PUSHED_MODEL_KEY = "pushed_model"
PUSH_DESTINATION_KEY = "push_destination"
DEU_KEY = "deu"

UUID_PROPERTY = "mlmd_uuid"


class Executor(tfx_pusher.Executor):
    """Pushes by one rename, as the next generation.

    TFX's own executor copies into the folder a server is reading, and names versions by the
    second.
    """

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Pushes the voice if it is blessed, and marks what happened as TFX's Pusher does.

        Args:
          input_dict: `model`: one Model artifact. `model_blessing`: one ModelBlessing artifact.
            `evaluation`: one Evaluation artifact, for the metrics of the personality.
          output_dict: `pushed_model`: one PushedModel artifact with the custom properties `pushed`,
            and if so `pushed_destination` and `pushed_version`; its uri is then the voice.
          exec_properties: `push_destination`: PushDestination proto as JSON, a file system folder.
            `deu`: name of the deu.

        Raises:
          HomeError: The folder of voices cannot be written.
        """
        pushed_model = artifact_utils.get_single_instance(output_dict[PUSHED_MODEL_KEY])
        if not self.CheckBlessing(input_dict):
            self._MarkNotPushed(pushed_model)
            return
        model_path = Path(self.GetModelPath(input_dict))
        evaluation = artifact_utils.get_single_instance(input_dict[EVALUATION_KEY])
        personality = _personality(
            model_path,
            deu=exec_properties[DEU_KEY],
            practice=practice_of(self._context.pipeline_run_id or ""),
            metrics=json.loads(Path(evaluation.uri, METRICS_NAME).read_text())[
                "metrics"
            ],
        )
        pushed = push.push(model_path, _voices_path(exec_properties), personality)
        self._MarkPushed(
            pushed_model,
            pushed_destination=str(pushed.path),
            pushed_version=str(pushed.personality.generation),
        )
        pushed_model.set_string_custom_property(UUID_PROPERTY, pushed.mlmd_uuid)
        pushed_model.uri = str(pushed.path)  # gone from there means gone from the cache


def practice_of(run_id: str) -> str:
    """Reads the name of the practice out of a run's name, `deu/practice/time`.

    The practice is no parameter, for it changes nothing: as one it would undo the cache.
    """
    parts = run_id.split("/")
    return parts[1] if len(parts) == 3 else run_id


def _personality(
    model_path: Path, *, deu: str, practice: str, metrics: dict[str, float]
) -> personality_pb2.Personality:
    personality = content.read_personality(model_path)
    personality.deu = deu
    personality.practice = practice
    personality.metrics.clear()
    personality.metrics.update(metrics)
    return personality


def _voices_path(exec_properties: dict[str, Any]) -> Path:
    destination = pusher_pb2.PushDestination()
    proto_utils.json_to_proto(exec_properties[PUSH_DESTINATION_KEY], destination)
    return Path(destination.filesystem.base_directory)
