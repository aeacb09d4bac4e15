"""Artifacts of DdspTransform."""

import os
from typing import Any

from tfx import types
from tfx.types import artifact_utils

from components import settings
from components.audio_example_gen.driver import FINGERPRINT_KEY
from components.beam_executor import BeamExecutor
from components.ddsp_transform import transform
from components.splits import make_splits, split_files

EXAMPLES_KEY = "examples"
TRANSFORMED_EXAMPLES_KEY = "transformed_examples"
STATISTICS_KEY = "statistics"


class Executor(BeamExecutor):
    """Adds pitch and loudness to records."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Extracts features from every passage and measures the training takes.

        Args:
          input_dict: `examples`: one Examples artifact of AudioExampleGen.
          output_dict: `transformed_examples`: one Examples artifact, same splits, with features.
            `statistics`: one Statistics artifact over the split `train`.
          exec_properties: `learner_profile`: LearnerProfile proto: clock, pitch tracker and range,
            measure of loudness.
        """
        source = artifact_utils.get_single_instance(input_dict[EXAMPLES_KEY])
        target = artifact_utils.get_single_instance(
            output_dict[TRANSFORMED_EXAMPLES_KEY]
        )
        statistics = artifact_utils.get_single_instance(output_dict[STATISTICS_KEY])
        with self._make_beam_pipeline() as pipeline:
            transform.run(
                _pair_files(source, target),
                statistics.uri,
                profile=settings.learner_profile(exec_properties),
                pipeline=pipeline,
            )
        target.set_string_custom_property(
            FINGERPRINT_KEY, source.get_string_custom_property(FINGERPRINT_KEY)
        )


def _pair_files(
    source: types.Artifact, target: types.Artifact
) -> list[transform.RecordFile]:
    uris = make_splits(target)
    return [
        transform.RecordFile(
            path, os.path.join(uris[split], os.path.basename(path)), split
        )
        for split, paths in split_files(source).items()
        for path in paths
    ]
