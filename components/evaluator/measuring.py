"""Held-out passages measured on however many workers, with the results of one.

A worker measures every n-th passage of a file and writes numbers down; whoever asked reads them in the order of the
passages, so that sums of floats are the same whoever measured. Sounds stay where they were made: the few that are kept
to listen to are played again.
"""

import gzip
import itertools
import json
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import apache_beam as beam
from apache_beam.utils import shared
from google.protobuf.message import DecodeError

from amadeus.errors import AmadeusError, ConfigError, PracticeError, VoiceError
from amadeus.features import Features
from amadeus.personality import profiles
from amadeus.v1 import profiles_pb2
from amadeus.voice import comparison, evaluation
from components import records

N_STRIDES = (
    8  # parts of a file: a lone take is one file, and all workers shall have a share
)

Role = Literal["voice", "parent"]
Question = Literal["metrics", "losses"]


class Job(NamedTuple):
    """A part of the held-out passages, a voice, and what is asked of it."""

    role: Role
    question: Question
    file: str
    start: int


class Line(NamedTuple):
    """What was found out about one passage: `Measured`, or losses with their weights."""

    index: int
    found: Any


def run(
    files: Sequence[str],
    asked: dict[Role, str],
    question: Question,
    *,
    profile: profiles_pb2.LearnerProfile,
    folder: Path,
    pipeline: beam.Pipeline,
) -> None:
    """Measures voices on all passages.

    Args:
      files: Record files of held-out takes, near.
      asked: Folders of the voices.
      question: Metrics, of voices on the clock of the passages; or losses that can be compared whatever the clock.
      profile: Completed learner profile the records were made with.
      folder: For what is found; `read` reads it.
      pipeline: Beam pipeline to add to.
    """
    jobs = [
        Job(role, question, file, start)
        for start, file, role in itertools.product(range(N_STRIDES), files, asked)
    ]
    _ = (
        pipeline
        | "List the parts" >> beam.Create(jobs)
        | "Measure the voices"
        >> beam.ParDo(
            MeasureVoices(asked, profile.SerializeToString(), str(folder), list(files))
        )
    )


class MeasureVoices(beam.DoFn):
    """Measures one part; voices are loaded once for a worker."""

    def __init__(
        self, asked: dict[Role, str], profile: bytes, folder: str, files: list[str]
    ) -> None:
        self._asked, self._serialized = asked, profile
        self._folder, self._files = folder, files
        self._shared = {role: shared.Shared() for role in asked}
        self._meters = {role: shared.Shared() for role in asked}

    def setup(self) -> None:
        """Reads the profile."""
        self._profile = profiles_pb2.LearnerProfile.FromString(self._serialized)

    def process(self, job: Job) -> None:
        """Writes down what is found; a voice that cannot be played is a finding too."""
        try:
            lines: Any = [
                line._replace(found=list(line.found)) for line in self._lines(job)
            ]
        except AmadeusError as error:
            if not isinstance(error, VoiceError) and job == Job(
                "voice", "metrics", job.file, job.start
            ):
                raise  # the records, not the voice
            lines = str(error)
        path = place(self._folder, self._files.index(job.file), job)
        path.write_text(json.dumps(lines))

    def _lines(self, job: Job) -> Iterator[Line]:
        if job.question == "losses":
            yield from self._losses(job)
            return
        for index, passage in part(job.file, self._profile, job.start):
            if (measured := self._meter(job.role).measure(passage)) is not None:
                yield Line(index, measured)

    def _losses(self, job: Job) -> Iterator[Line]:
        # Both are loaded where either plays: each must know the clock of the other.
        one, other = (self._contestant(role) for role in ("voice", "parent"))
        rate = self._profile.sample_rate
        judge = comparison.Judge(
            one if job.role == "voice" else other,
            from_rate=rate,
            at_rate=comparison.common_rate(one, other),
        )
        shortest = comparison.shortest_heard_s(one, other) * rate
        for index, passage in part(job.file, self._profile, job.start):
            if len(passage.audio) >= shortest:
                yield Line(index, judge.losses(passage.audio))

    def _contestant(self, role: Role) -> comparison.Contestant:
        voice = self._voice(role)
        if role == "voice":
            return comparison.Contestant(voice, self._profile)
        theirs = profiles.complete_learner_profile(voice.personality.learner_profile)
        return comparison.Contestant(voice, theirs)

    def _meter(self, role: Role) -> evaluation.Meter:
        make = self._meters[role].acquire
        return make(lambda: evaluation.Meter(self._voice(role), self._profile))

    def _voice(self, role: Role) -> Any:
        from amadeus.voice.player import Voice

        return self._shared[role].acquire(lambda: Voice.load(self._asked[role]))


def place(folder: str | Path, number: int, job: Job) -> Path:
    """Names the file with what was found in a part of a file, given its number."""
    return Path(folder, f"{job.role}-{job.question}-{number}-{job.start}.json")


def read(
    folder: Path, files: Sequence[str], role: Role, question: Question
) -> Iterator[tuple[int, Line]]:
    """Reads what was found, in the order of the passages, with the number of the file.

    Raises:
      VoiceError: The voice cannot be played.
    """
    for number, file in enumerate(files):
        lines = []
        for start in range(N_STRIDES):
            path = place(folder, number, Job(role, question, file, start))
            found = json.loads(path.read_text())
            if isinstance(found, str):
                raise VoiceError(found)
            lines += [Line(*line) for line in found]
        yield from ((number, line) for line in sorted(lines))


def part(
    file: str, profile: profiles_pb2.LearnerProfile, start: int, stride: int = N_STRIDES
) -> Iterator[tuple[int, evaluation.HeldOut]]:
    """Reads every `stride`-th passage of a record file, with its index.

    Raises:
      ConfigError: Features do not fit their sound.
      PracticeError: The file is damaged.
    """
    spec = profiles.spec(profile)
    try:
        for index, record in enumerate(records.read_records(file)):
            if index % stride == start:
                yield index, _held_out(record, spec)
    except (OSError, EOFError, zlib.error, DecodeError) as error:
        if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile):
            raise
        raise PracticeError(
            f"the training records in {os.path.dirname(file)} are damaged or of another kind ({error}): practise again "
            "without the cache."
        ) from error


def _held_out(record: Any, spec: Any) -> evaluation.HeldOut:
    feature = record.features.feature
    name = feature["name"].bytes_list.value[0].decode()
    audio = records.floats(feature["audio"])
    features = Features(*(records.floats(feature[key]) for key in Features._fields))
    n_frames = spec.n_frames(len(audio))
    for key, values in features._asdict().items():
        if len(values) != n_frames:
            raise ConfigError(
                f"the record of {name} has {len(values)} frames of {key} but its audio needs {n_frames}: run "
                "DdspTransform again."
            )
    return evaluation.HeldOut(name, audio, features)
