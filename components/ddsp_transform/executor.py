"""Artifacts of DdspTransform."""

import os
from typing import Any

from tfx import types
from tfx.types import artifact_utils

from components import records, settings
from components.audio_example_gen.driver import FINGERPRINT_KEY
from components.beam_executor import BeamExecutor
from components.ddsp_transform import transform
from components.split_names import SPLITS, Split
from components.splits import split_uri

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
        profile = settings.learner_profile(exec_properties)
        with self.new_splits(target) as made:
            is_remote = made.uri != target.uri
            statistics_uri = made.uri if is_remote else statistics.uri
            with self._make_beam_pipeline() as pipeline:
                transform.run(
                    _pair_files(source, made.uris),
                    statistics_uri,
                    profile=profile,
                    pipeline=pipeline,
                )
            if is_remote:
                records.copy(statistics_uri, statistics.uri, transform.STATISTICS_NAME)
        target.set_string_custom_property(
            FINGERPRINT_KEY, source.get_string_custom_property(FINGERPRINT_KEY)
        )


def _pair_files(
    source: types.Artifact, uris: dict[Split, str]
) -> list[transform.RecordFile]:
    """Pairs files with where their results go, the largest first: what is left to the end takes least."""
    sizes = {
        transform.RecordFile(
            file.path, records.place(uris[split], os.path.basename(file.path)), split
        ): file.size
        for split in SPLITS
        for file in records.list_sizes(split_uri(source, split))
    }
    return sorted(sizes, key=lambda pair: (-sizes[pair], pair))
