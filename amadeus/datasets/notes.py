"""Notes of a data set, read one after another, and what of it cannot be used.

Every file is read from its beginning to its end: checksums are verified, records that are none of NSynth or damaged
are told in their place, and memory holds one record.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from amadeus.datasets import nsynth, tfrecord
from amadeus.datasets.choice import Choice
from amadeus.datasets.nsynth import Label, SchemaError
from amadeus.datasets.tfrecord import Record
from amadeus.errors import legible

Fault = Literal["corrupt_record", "truncated", "wrong_schema"]


class Found(NamedTuple):
    """A note that was chosen."""

    label: Label
    record: Record


class Unusable(NamedTuple):
    """What cannot be used.

    Attributes:
      fault: Of which kind it is.
      offset: Where in the file it begins, in bytes.
      text: A sentence.
    """

    fault: Fault
    offset: int
    text: str


class Passed(NamedTuple):
    """A note that was not chosen, by its label alone."""

    label: Label


def walk(
    path: Path | str,
    choice: Choice,
    part: tfrecord.Range = tfrecord.WHOLE,
    *,
    called: str = "",
) -> Iterator[Found | Passed | Unusable]:
    """Reads a file of notes.

    Args:
      path: TFRecord, plain or gzipped.
      choice: Which notes are wanted.
      part: Of the file, where not all of it is read.
      called: Its name for people, where its path is not it.

    Raises:
      RecordingError: The file cannot be read.
    """
    name = legible(called or Path(path).name)
    for record in tfrecord.read(path, part):
        if isinstance(record, tfrecord.Damage):
            yield _damaged(name, record)
            continue
        try:
            label = nsynth.read_label(record.data)
        except SchemaError as error:
            text = (
                f"{name}, byte {record.offset}: a record that is none of NSynth: {error}; name files of NSynth, or "
                "leave it out."
            )
            yield Unusable("wrong_schema", record.offset, text)
            continue
        yield Found(label, record) if choice.takes(label) else Passed(label)


def read_sound(found: Found) -> np.ndarray | Unusable:
    """Reads the sound of a note: float32 [n_samples] in [-1, 1], or why it cannot be learned from."""
    audio = nsynth.read_audio(found.record.data)
    name, offset = found.label.name, found.record.offset
    if not len(audio):
        return Unusable(
            "wrong_schema", offset, f"{name} holds no samples: leave it out."
        )
    if not np.isfinite(audio.sum(dtype=np.float64)):
        text = (
            f"{name} holds samples that are no numbers (NaN or infinite): leave it out."
        )
        return Unusable("corrupt_record", offset, text)
    peak = float(np.abs(audio).max())
    return audio / np.float32(peak) if peak > 1 else audio


def _damaged(name: str, damage: tfrecord.Damage) -> Unusable:
    lost = "; what follows in this file is lost" if damage.ends else ""
    text = f"{name}, byte {damage.offset}: {damage.reason}{lost}: copy it again from where it came."
    is_cut = damage.ends and ("ends" in damage.reason or "cut off" in damage.reason)
    return Unusable("truncated" if is_cut else "corrupt_record", damage.offset, text)
