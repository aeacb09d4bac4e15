"""From recordings to records: decode, find what sounds, hold some out, write.

A take streams through: what is in memory is one block of it, however long it is.
"""

import itertools
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import apache_beam as beam

from amadeus.audio import decode, passages
from components import records
from components.audio_example_gen import takes
from components.split_names import SPLITS, Split

_SHORTEST_PIECE_S = 0.25  # what a cut leaves must still hold a few frames
_SHORTEST_HOLDOUT_S = 1.0


class Assignment(NamedTuple):
    """A take and the splits it goes to."""

    take: takes.Take
    splits: frozenset[Split]


class Cut(NamedTuple):
    """Where a lone take is divided: sounding samples of `train` before, of `eval` after."""

    n_train: int
    shortest_piece: int


def run(
    assignments: list[Assignment],
    split_uris: dict[Split, str],
    *,
    sample_rate: int,
    eval_fraction: float,
    pipeline: beam.Pipeline,
) -> None:
    """Writes one record file for every take and split.

    Args:
      assignments: Takes and their splits.
      split_uris: Folder of each split.
      sample_rate: Samples per second of the records.
      eval_fraction: Share of a lone take to hold out, in (0, 0.5].
      pipeline: Beam pipeline to add to.
    """
    _ = (
        pipeline
        | "List the takes" >> beam.Create(assignments)
        | "Decode and write what sounds"
        >> beam.Map(
            write_take,
            split_uris=split_uris,
            sample_rate=sample_rate,
            eval_fraction=eval_fraction,
        )
    )


def write_take(
    assignment: Assignment,
    *,
    split_uris: dict[Split, str],
    sample_rate: int,
    eval_fraction: float,
) -> None:
    """Writes the passages of one take to its splits.

    Raises:
      RecordingError: The take cannot be read.
    """
    take, splits = assignment
    if len(splits) == 1:
        (split,) = splits
        _write(take, _passages(take, sample_rate), split_uris[split], sample_rate)
        return
    cut = _find_cut(take, sample_rate, eval_fraction)
    for split in SPLITS:
        kept = _keep(_passages(take, sample_rate), split, cut)
        _write(take, kept, split_uris[split], sample_rate)


def _find_cut(take: takes.Take, sample_rate: int, eval_fraction: float) -> Cut:
    n_samples = sum(len(p.audio) for p in _passages(take, sample_rate))
    n_shortest = min(round(_SHORTEST_HOLDOUT_S * sample_rate), n_samples // 2)
    n_eval = max(round(n_samples * eval_fraction), n_shortest)
    return Cut(n_samples - n_eval, round(_SHORTEST_PIECE_S * sample_rate))


def _keep(
    found: Iterator[passages.Passage], split: Split, cut: Cut
) -> Iterator[passages.Passage]:
    n_before = 0  # sounding samples before this passage
    for passage in found:
        n_samples = len(passage.audio)
        n_head = _snap(cut.n_train - n_before, n_samples, cut.shortest_piece)
        n_before += n_samples
        audio = passage.audio[:n_head] if split == "train" else passage.audio[n_head:]
        offset = passage.offset_samples + (0 if split == "train" else n_head)
        if len(audio):
            yield passages.Passage(offset, audio)


def _snap(n_head: int, n_samples: int, shortest_piece: int) -> int:
    """Moves a cut that would leave a sliver to the end of the passage."""
    if n_head < shortest_piece:
        return 0
    return n_samples if n_samples - n_head < shortest_piece else n_head


def _passages(take: takes.Take, sample_rate: int) -> Iterator[passages.Passage]:
    blocks = decode.stream(take.uri, sample_rate=sample_rate)
    return passages.split_passages(blocks, sample_rate=sample_rate)


def _write(
    take: takes.Take,
    found: Iterator[passages.Passage],
    split_uri: str,
    sample_rate: int,
) -> None:
    first = next(found, None)
    if first is None:
        return  # a silent take is no record
    path = os.path.join(split_uri, records.file_name(take.digest))
    with records.write_records(path) as write:
        for passage in itertools.chain([first], found):
            write(_example(take, passage, sample_rate))


def _example(take: takes.Take, passage: passages.Passage, sample_rate: int) -> Any:
    feature = {
        "take": records.bytes_feature(take.digest.encode()),
        "name": records.bytes_feature(take.name.encode()),
        "offset_samples": records.int_feature(passage.offset_samples),
        "sample_rate": records.int_feature(sample_rate),
        "audio": records.float_feature(passage.audio),
    }
    return records.example(feature)
