"""Pitch and loudness of every passage, and what the training takes have in common.

A file of records is read and written passage by passage, and what is measured on it stays one accumulator: neither the
length of a take nor their number shows in memory. A file is what one worker does; a long take lies in several, which is
why it is shared out, too: pitch and loudness of a passage do not depend on its neighbours.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.utils import shared
from google.protobuf import json_format

from amadeus.features import Features, statistics
from amadeus.features.extract import extract, make_tracker
from amadeus.personality import profiles
from amadeus.v1 import personality_pb2, profiles_pb2
from components import records
from components.split_names import SPLITS, Split

STATISTICS_NAME = "statistics.json"

_TAKE_DIGITS = 16  # of a digest; enough to tell a hundred thousand takes apart, and they are kept in memory


class RecordFile(NamedTuple):
    """A file of records to add features to, and where the result goes; both may lie in a bucket."""

    source: str
    target: str
    split: Split


class Measured(NamedTuple):
    """What a file, or several, added to the statistics.

    Attributes:
      takes: The takes of each split, by the beginning of their digests; one may lie in several files.
      train: What the training takes are like.
    """

    takes: dict[Split, set[bytes]]
    train: statistics.Accumulator


def run(
    files: list[RecordFile],
    statistics_uri: str,
    *,
    profile: profiles_pb2.LearnerProfile,
    pipeline: beam.Pipeline,
) -> None:
    """Adds features to all records and measures the training takes.

    Args:
      files: What to read and what to write; a file may hold many takes, and a long take lie in several. Best the
        largest first, for each worker takes its turn.
      statistics_uri: Folder for `statistics.json`, on a disk or in a bucket.
      profile: Completed learner profile: clock, pitch tracker, pitch range.
      pipeline: Beam pipeline to add to.
    """
    serialized = profile.SerializeToString()  # protos have no cheap coder in Beam
    _ = (
        pipeline
        | "List the record files" >> beam.Create(files)
        | "Find pitch and loudness" >> beam.ParDo(AddFeatures(serialized))
        | "Measure the training takes" >> beam.CombineGlobally(Measure())
        | "Write statistics"
        >> beam.Map(
            write_statistics, path=records.place(statistics_uri, STATISTICS_NAME)
        )
    )


class AddFeatures(beam.DoFn):
    """Writes a file of records again, with features; yields what it measured on the way.

    A DoFn, because the pitch tracker loads a model: once for a worker.
    """

    def __init__(self, profile: bytes) -> None:
        self._serialized = profile
        self._shared = shared.Shared()

    def setup(self) -> None:
        """Loads the pitch tracker."""
        self._profile = profiles_pb2.LearnerProfile.FromString(self._serialized)
        self._spec = profiles.spec(self._profile)
        self._tracker = self._shared.acquire(lambda: make_tracker(self._profile))

    def process(self, file: RecordFile) -> Iterator[Measured]:
        """Adds features to one file."""
        takes: set[bytes] = set()
        train = statistics.Accumulator()
        with records.write_records(file.target) as write:
            for example in records.read_records(file.source):
                features = self._extract(example)
                add_features(example, features, frame_rate=self._profile.frame_rate)
                write(example)
                (take,) = example.features.feature["take"].bytes_list.value
                takes.add(take[:_TAKE_DIGITS])
                if file.split == "train":
                    train.add(features, spec=self._spec, profile=self._profile)
        yield Measured({file.split: takes}, train)

    def _extract(self, example: Any) -> Features:
        audio = records.floats(example.features.feature["audio"])
        return extract(audio, profile=self._profile, tracker=self._tracker)


class Measure(beam.CombineFn):
    """Joins what was measured, on however many workers."""

    def create_accumulator(self) -> Measured:
        """Starts with nothing."""
        return Measured({split: set() for split in SPLITS}, statistics.Accumulator())

    def add_input(self, accumulator: Measured, measured: Measured) -> Measured:
        """Adds one file."""
        for split, takes in measured.takes.items():
            accumulator.takes[split].update(takes)
        accumulator.train.merge(measured.train)
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[Measured]) -> Measured:
        """Joins what several workers gathered."""
        merged = self.create_accumulator()
        for accumulator in accumulators:
            merged = self.add_input(merged, accumulator)
        return merged

    def extract_output(self, accumulator: Measured) -> bytes:
        """Sums up as a serialized Statistics proto."""
        result = accumulator.train.result()
        for split, takes in accumulator.takes.items():
            result.take_count[split] = len(takes)
        return result.SerializeToString()


def add_features(example: Any, features: Features, *, frame_rate: int) -> None:
    """Writes features beside the audio of a record."""
    feature = example.features.feature
    feature["frame_rate"].CopyFrom(records.int_feature(frame_rate))
    for name in Features._fields:
        feature[name].CopyFrom(records.float_feature(getattr(features, name)))


def write_statistics(result: bytes, *, path: str) -> None:
    """Writes `statistics.json`, on a disk or in a bucket."""
    message = personality_pb2.Statistics.FromString(result)
    text = json_format.MessageToJson(message, preserving_proto_field_name=True)
    records.write_bytes(path, text.encode())
