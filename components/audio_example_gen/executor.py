"""Artifacts of AudioExampleGen."""

from typing import Any

from tfx import types
from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils

from amadeus.errors import RecordingError
from amadeus.v1 import practice_pb2
from components import records, settings
from components.audio_example_gen import ingest, takes
from components.audio_example_gen.driver import (
    EXAMPLES_KEY,
    FINGERPRINT_KEY,
    RECORDINGS_KEY,
)
from components.split_names import SPLITS, Split
from components.splits import make_splits

TAKES_KEY = "takes"


class Executor(base_beam_executor.BaseBeamExecutor):
    """Decodes recordings into records.

    TFX's own ExampleGen executor shuffles records and splits them one by one; a take must stay
    whole and is too long to shuffle, so this one writes a file for every take.
    """

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Decodes every take into passages and gives each take to one split.

        Args:
          input_dict: Nothing: recordings come from outside.
          output_dict: `examples`: one Examples artifact with the splits `train` and `eval`.
          exec_properties: `recordings`: Recordings proto. `learner_profile`: LearnerProfile
            proto, of which `sample_rate` and `eval_fraction` are read.

        Raises:
          RecordingError: A recording cannot be read, or nothing sounds in a split.
        """
        given = settings.message(
            exec_properties, RECORDINGS_KEY, practice_pb2.Recordings
        )
        profile = settings.learner_profile(exec_properties)
        found = takes.gather(given.uri, given.name).takes
        splits = takes.assign_splits(
            [take.digest for take in found], eval_fraction=profile.eval_fraction
        )
        examples = artifact_utils.get_single_instance(output_dict[EXAMPLES_KEY])
        _describe(examples, found, splits)
        uris = make_splits(examples)
        with self._make_beam_pipeline() as pipeline:
            ingest.run(
                [ingest.Assignment(t, frozenset(splits[t.digest])) for t in found],
                uris,
                sample_rate=profile.sample_rate,
                eval_fraction=profile.eval_fraction,
                pipeline=pipeline,
            )
        for split in SPLITS:
            _check_sounding(split, uris[split], found, splits)


def _describe(
    examples: types.Artifact,
    found: list[takes.Take],
    splits: dict[str, set[Split]],
) -> None:
    examples.set_string_custom_property(FINGERPRINT_KEY, takes.fingerprint(found))
    examples.set_string_custom_property(TAKES_KEY, takes.describe(found, splits))


def _check_sounding(
    split: Split,
    uri: str,
    found: list[takes.Take],
    splits: dict[str, set[Split]],
) -> None:
    if records.list_files(uri):
        return
    names = [take.name for take in found if split in splits[take.digest]]
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if names[3:] else "")
    purpose = "to learn from" if split == "train" else "held out to check the voice"
    raise RecordingError(
        f"nothing sounds in {shown}, {purpose}: record louder or leave out silent takes."
    )
