"""Pitch and loudness of every passage, and what the training takes have in common."""

import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import apache_beam as beam
import tensorflow as tf
from apache_beam.utils import shared
from google.protobuf import json_format

from amadeus.features import Features, statistics
from amadeus.features.extract import extract, make_tracker
from amadeus.personality import profiles
from amadeus.v1 import personality_pb2, profiles_pb2
from components import records
from components.split_names import Split

STATISTICS_NAME = "statistics.json"


class RecordFile(NamedTuple):
    """A file of records to add features to, and where the result goes."""

    source: str
    target: str
    split: Split


def run(
    files: list[RecordFile],
    statistics_uri: str,
    *,
    profile: profiles_pb2.LearnerProfile,
    pipeline: beam.Pipeline,
) -> None:
    """Adds features to all records and measures the training takes.

    Args:
      files: What to read and what to write, one file for every take and split.
      statistics_uri: Folder for `statistics.json`.
      profile: Completed learner profile: clock, pitch tracker, pitch range.
      pipeline: Beam pipeline to add to.
    """
    take_count = {split: 0 for split in ("train", "eval")}
    for file in files:
        take_count[file.split] += 1
    serialized = profile.SerializeToString()  # protos have no cheap coder in Beam
    _ = (
        pipeline
        | "List the takes" >> beam.Create(files)
        | "Find pitch and loudness" >> beam.ParDo(AddFeatures(serialized))
        | "Measure the training takes" >> beam.CombineGlobally(Measure(serialized))
        | "Write statistics"
        >> beam.Map(
            write_statistics,
            path=os.path.join(statistics_uri, STATISTICS_NAME),
            take_count=take_count,
        )
    )


class AddFeatures(beam.DoFn):
    """Writes a file of records again, with features; yields those of training takes.

    A DoFn, because the pitch tracker loads a model: once for a worker.
    """

    def __init__(self, profile: bytes) -> None:
        self._serialized = profile
        self._shared = shared.Shared()

    def setup(self) -> None:
        """Loads the pitch tracker."""
        self._profile = profiles_pb2.LearnerProfile.FromString(self._serialized)
        self._tracker = self._shared.acquire(lambda: make_tracker(self._profile))

    def process(self, file: RecordFile) -> Iterator[Features]:
        """Adds features to one file."""
        with records.write_records(file.target) as write:
            for example in records.read_records(file.source):
                features = self._extract(example)
                add_features(example, features, frame_rate=self._profile.frame_rate)
                write(example)
                if file.split == "train":
                    yield features

    def _extract(self, example: tf.train.Example) -> Features:
        audio = records.floats(example.features.feature["audio"])
        return extract(audio, profile=self._profile, tracker=self._tracker)


class Measure(beam.CombineFn):
    """Gathers the statistics of features, on however many workers."""

    def __init__(self, profile: bytes) -> None:
        self._serialized = profile

    def setup(self) -> None:
        """Reads the clock."""
        self._profile = profiles_pb2.LearnerProfile.FromString(self._serialized)
        self._spec = profiles.spec(self._profile)

    def create_accumulator(self) -> statistics.Accumulator:
        """Starts with nothing."""
        return statistics.Accumulator()

    def add_input(
        self, accumulator: statistics.Accumulator, features: Features
    ) -> statistics.Accumulator:
        """Adds one passage."""
        accumulator.add(features, spec=self._spec, profile=self._profile)
        return accumulator

    def merge_accumulators(
        self, accumulators: Iterable[statistics.Accumulator]
    ) -> statistics.Accumulator:
        """Joins what several workers gathered."""
        merged = statistics.Accumulator()
        for accumulator in accumulators:
            merged.merge(accumulator)
        return merged

    def extract_output(self, accumulator: statistics.Accumulator) -> bytes:
        """Sums up as a serialized Statistics proto."""
        return accumulator.result().SerializeToString()


def add_features(
    example: tf.train.Example, features: Features, *, frame_rate: int
) -> None:
    """Writes features beside the audio of a record."""
    feature = example.features.feature
    feature["frame_rate"].CopyFrom(records.int_feature(frame_rate))
    for name in Features._fields:
        feature[name].CopyFrom(records.float_feature(getattr(features, name)))


def write_statistics(result: bytes, *, path: str, take_count: dict[str, int]) -> None:
    """Writes `statistics.json`."""
    message = personality_pb2.Statistics.FromString(result)
    message.take_count.update(take_count)
    with open(path, "w") as file:
        file.write(json_format.MessageToJson(message, preserving_proto_field_name=True))
