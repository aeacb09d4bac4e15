"""Artifacts of AudioExampleGen."""

from typing import Any

from tfx import types
from tfx.types import artifact_utils

from amadeus.errors import RecordingError
from amadeus.journal import emit
from amadeus.v1 import practice_pb2
from components import records, settings
from components.audio_example_gen import describing, ingest, listing, takes
from components.audio_example_gen.driver import (
    EXAMPLES_KEY,
    FINGERPRINT_KEY,
    RECORDINGS_KEY,
)
from components.beam_executor import BeamExecutor
from components.split_names import SPLITS, Split


class Executor(BeamExecutor):
    """Decodes recordings into records.

    TFX's own ExampleGen executor shuffles records and splits them one by one; a take must stay
    whole and is too long to shuffle, so this one keeps takes together in files.
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
            proto, of which `sample_rate`, `eval_fraction` and `max_skipped_fraction` are read.
            `input_fingerprint`: what the driver found; may be left out.

        Raises:
          RecordingError: They are not what the driver found, more of them cannot be used than may be skipped, or
            nothing sounds in a split.
        """
        given = listing.lengthen(
            settings.message(exec_properties, RECORDINGS_KEY, practice_pb2.Recordings)
        )
        profile = settings.learner_profile(exec_properties)
        gathered = takes.gather(given.uri, given.name)
        mark = takes.fingerprint(gathered)
        _check_same(mark, exec_properties.get(FINGERPRINT_KEY))
        examples = artifact_utils.get_single_instance(output_dict[EXAMPLES_KEY])
        with self.new_splits(examples) as made:
            path = records.place(made.uri, describing.FILE_NAME)
            with self._make_beam_pipeline() as pipeline:
                ingest.run(
                    gathered,
                    made.uris,
                    path,
                    settings=ingest.settings_of(profile),
                    pipeline=pipeline,
                )
            found = describing.complete(path, gathered.sets)
            for split in SPLITS:
                _check_sounding(split, made.uris[split], found)
            if made.uri != examples.uri:
                records.copy(made.uri, examples.uri, describing.FILE_NAME)
        _describe(examples, mark, found)
        for text in found.warnings(sample_rate=profile.sample_rate):
            emit(warning=practice_pb2.Warning(text=text))


def _check_same(mark: str, asked: str | None) -> None:
    """Makes sure that these are the recordings that the cache was asked for, and will keep the result under."""
    if asked is not None and asked != mark:
        raise RecordingError(
            "the recordings changed while the practice began: wait until they are written, then start the practice "
            "again."
        )


def _describe(
    examples: types.Artifact, mark: str, found: describing.Description
) -> None:
    examples.set_string_custom_property(FINGERPRINT_KEY, mark)
    for name, value in found.properties().items():
        if isinstance(value, int):
            examples.set_int_custom_property(name, value)
        else:
            examples.set_string_custom_property(name, value)


def _check_sounding(split: Split, uri: str, found: describing.Description) -> None:
    if records.list_files(uri):
        return
    names = found.silent[split] or [
        take.name for take in found.skipped.first.get("silent", ())
    ]
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if names[3:] else "")
    purpose = "to learn from" if split == "train" else "held out to check the voice"
    raise RecordingError(
        f"nothing sounds in {shown or 'the recordings'}, {purpose}: record louder or leave out silent takes."
    )
