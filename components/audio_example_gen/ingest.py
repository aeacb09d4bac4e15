"""From recordings to records: decode, find what sounds, hold some out, write.

A take streams through: what is in memory is one block of it, however long it is.
"""

import contextlib
import functools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam

from amadeus.audio import decode, passages
from amadeus.v1 import profiles_pb2
from components import records
from components.audio_example_gen import describing, looking, sources, takes
from components.audio_example_gen.cutting import find_cut, keep
from components.audio_example_gen.splitting import Rule
from components.split_names import SPLITS, Split

MAX_FILES = 512  # of a split, as long as takes have files of their own
PART_S = 600  # of sound; what is beyond goes to another file

_WHOLE_DIGITS = 32  # as many as a file's name has


class Settings(NamedTuple):
    """How takes become records.

    Attributes:
      sample_rate: Samples per second of the records.
      eval_fraction: Share of takes, or of a lone take, to hold out, in (0, 0.5].
      max_skipped_fraction: Share of takes that may be skipped, in [0, 1].
    """

    sample_rate: int
    eval_fraction: float
    max_skipped_fraction: float


def settings_of(profile: profiles_pb2.LearnerProfile) -> Settings:
    """Reads the settings out of a completed learner profile."""
    return Settings(
        profile.sample_rate, profile.eval_fraction, profile.max_skipped_fraction
    )


def run(
    gathered: takes.Gathered,
    split_uris: dict[Split, str],
    description_path: str,
    *,
    settings: Settings,
    pipeline: beam.Pipeline,
) -> None:
    """Listens to all takes, and writes what sounds in them as files of records.

    Nothing is written before all takes were looked at: what must stop stops early.

    Args:
      gathered: Takes and notes.
      split_uris: Folder of each split.
      description_path: File to describe them in; see `describing`.
      settings: How.
      pipeline: Beam pipeline to add to.
    """
    looks = (
        pipeline
        | "List the takes" >> beam.Create(list(enumerate(gathered.takes)))
        | "Share the takes out" >> beam.Reshuffle()
        | "Look at each take"
        >> beam.Map(looking.look, eval_fraction=settings.eval_fraction)
    )
    sets = [
        looking.count_notes(found, eval_fraction=settings.eval_fraction)
        for found in gathered.sets
    ]
    total = beam.pvalue.AsSingleton(
        (
            looks | "Count each take" >> beam.Map(lambda look: look.total),
            pipeline | "Count the notes" >> beam.Create(sets),
        )
        | "Count all" >> beam.Flatten()
        | "Split, and judge what is skipped"
        >> beam.CombineGlobally(
            looking.Sum(
                eval_fraction=settings.eval_fraction,
                max_skipped_fraction=settings.max_skipped_fraction,
            )
        )
    )
    _write_notes(gathered, split_uris, total, settings, pipeline)
    n_digits = shard_digits(len(gathered.takes))
    _ = (
        looks
        | "Keep what can be used" >> beam.Filter(lambda look: look.survey is not None)
        | "Name the file of each take"
        >> beam.WithKeys(lambda look: look.take.digest[:n_digits])
        | "Gather the takes of a file" >> beam.GroupByKey()
        | "Decode and write what sounds"
        >> beam.ParDo(
            write_shard, total, split_uris=split_uris, sample_rate=settings.sample_rate
        )
        | "Gather what was written"
        >> beam.CombineGlobally(beam.combiners.ToListCombineFn())
        | "Describe the takes"
        >> beam.Map(describing.write, total, path=description_path)
    )


def shard_digits(n_takes: int) -> int:
    """Says how many digits of their digests takes share that share a file of records.

    A file a take is simple, and a hundred thousand files are slow to open; takes of one file follow each other by their
    digests as the files do, so what reads all records reads them in the same order either way.
    """
    if n_takes <= MAX_FILES:
        return _WHOLE_DIGITS
    n_digits = 2
    while 16**n_digits * MAX_FILES < n_takes:
        n_digits += 1
    return n_digits


def write_shard(
    shard: tuple[str, Iterable[looking.Look]],
    total: looking.Total,
    *,
    split_uris: dict[Split, str],
    sample_rate: int,
) -> Iterator[describing.Row]:
    """Writes the passages of some takes to their splits, a file for each split that has any.

    Yields:
      Each take, once.

    Raises:
      RecordingError: One cannot be read any more, or is not what it was.
    """
    key, looks = shard
    with _Files(key, split_uris, sample_rate) as files:
        rows = [
            _write_take(look, total.rule, files)
            for look in sorted(looks, key=lambda look: look.take.digest)
        ]
    yield from rows


class _Files(contextlib.ExitStack):
    """The record files of a shard, each opened when it is first written to: there are none of silence.

    A file that has grown long is followed by another, whose name comes next: what is found in passages is found by
    several workers, though they are of one take, and reading the files in a row reads them as if they were one.
    """

    def __init__(
        self, key: str, split_uris: dict[Split, str], sample_rate: int
    ) -> None:
        super().__init__()
        self.sample_rate = sample_rate
        self._key, self._split_uris = key, split_uris
        self._open: dict[Split, contextlib.ExitStack] = {}
        self._writers: dict[Split, records.Write] = {}
        self._n_samples = dict.fromkeys(SPLITS, 0)  # of all files so far
        self._n_files = dict.fromkeys(SPLITS, 0)

    def write(self, split: Split, take: takes.Take, passage: passages.Passage) -> None:
        if self._n_samples[split] >= self._n_files[split] * PART_S * self.sample_rate:
            self._begin(split)
        self._writers[split](_example(take, passage, self.sample_rate))
        self._n_samples[split] += len(passage.audio)

    def _begin(self, split: Split) -> None:
        """Closes the file of a split, and opens the next."""
        if split in self._open:
            self._open[split].close()
        name = records.file_name(self._key, part=self._n_files[split])
        path = records.place(self._split_uris[split], name)
        self._open[split] = self.enter_context(contextlib.ExitStack())
        self._writers[split] = self._open[split].enter_context(
            records.write_records(path)
        )
        self._n_files[split] += 1


def _write_take(look: looking.Look, rule: Rule, files: _Files) -> describing.Row:
    splits = rule.splits_of(look.take.digest)
    n_passages = 0
    with takes.held(look.take) as path:
        sounding = functools.partial(_passages, path, look.survey, files.sample_rate)
        cut = (
            find_cut(
                sounding(),
                sample_rate=files.sample_rate,
                eval_fraction=rule.eval_fraction,
            )
            if len(splits) > 1
            else None
        )
        for split in SPLITS:
            if split not in splits:
                continue
            found = sounding() if cut is None else keep(sounding(), split, cut)
            for passage in found:
                files.write(split, look.take, passage)
                n_passages += 1
    return describing.Row(
        look.number,
        look.take.name,
        look.take.digest,
        tuple(sorted(splits)),
        look.duration_s,
        is_silent=not n_passages,
    )


def _write_notes(
    gathered: takes.Gathered,
    split_uris: dict[Split, str],
    total: beam.pvalue.AsSingleton,
    settings: Settings,
    pipeline: beam.Pipeline,
) -> None:
    if not gathered.sets:
        return
    _ = (
        pipeline
        | "List the notes"
        >> beam.Create(
            [job for found in gathered.sets for job in sources.jobs(found.notes)]
        )
        | "Share the notes out" >> beam.Reshuffle()
        | "Write what sounds in the notes"
        >> beam.Map(
            lambda job, total, **options: sources.write_job(job, total.rule, **options),
            total,
            split_uris=split_uris,
            sample_rate=settings.sample_rate,
        )
    )


def _passages(
    path: Path, survey: decode.Survey, sample_rate: int
) -> Iterator[passages.Passage]:
    blocks = decode.stream(path, sample_rate=sample_rate, measured=survey)
    return passages.split_passages(blocks, sample_rate=sample_rate)


def _example(take: takes.Take, passage: passages.Passage, sample_rate: int) -> Any:
    feature = {
        "take": records.bytes_feature(take.digest.encode()),
        "name": records.bytes_feature(take.name.encode()),
        "offset_samples": records.int_feature(passage.offset_samples),
        "sample_rate": records.int_feature(sample_rate),
        "audio": records.float_feature(passage.audio),
    }
    return records.example(feature)
