"""Sorts NSynth by instrument family: shards of bounded size, the bytes of records untouched.

Only places of records go through Beam, some bytes for each; sound goes from file to file, a record at a time. First
the files are read through in parts, their checksums verified, and the places of notes gathered by family; then each
shard copies its records from where they lie, in the order of files, and verifies them again. What cannot be read at a
place (a gzipped file, an object in a bucket) is unpacked first, as far as it is wanted, into a scratch file beside the
shards.

All is written into `OUT.part`, which becomes `OUT` when it is whole, so that what is there under that name always is.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import apache_beam as beam
import numpy as np
from apache_beam.options.pipeline_options import PipelineOptions

from amadeus.datasets import files, folders, notes, nsynth, tfrecord
from amadeus.datasets.census import Census
from amadeus.datasets.choice import Choice
from amadeus.errors import RecordingError
from amadeus.stores.addresses import is_url

FORMAT = "amadeus.nsynth.sorted/1"
SHARD_BYTES = 256 * 2**20  # about a thousand notes
PART_BYTES = 256 * 2**20  # of a file that is read by one worker at a time

_PLACES_A_PIECE = 4096
_COPY = "a data set changed while it was sorted"


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be sorted.

    Attributes:
      choice: Which notes.
      target: Folder to make.
      shard_bytes: No shard is larger, but for a single record.
      part_bytes: Of a file that one worker reads at a time, about.
    """

    choice: Choice
    target: Path
    shard_bytes: int = SHARD_BYTES
    part_bytes: int = PART_BYTES

    @property
    def scratch(self) -> Path:
        """Folder of what is not whole yet."""
        return folders.scratch_of(self.target)


class Part(NamedTuple):
    """A part of a file of records.

    Attributes:
      number: In the order of all parts.
      file: Which file.
      part: Which bytes of it.
    """

    number: int
    file: files.RecordFile
    part: tfrecord.Range


class Piece(NamedTuple):
    """Where records of one family lie, in their order.

    Attributes:
      number: Of the part they come from, and of the piece in it.
      path: The file to copy them from.
      offsets: Of their frames. Int64 as bytes: Beam codes them as they are.
      lengths: Of their frames. Int32 as bytes.
    """

    number: tuple[int, int]
    path: str
    offsets: bytes
    lengths: bytes


class Shard(NamedTuple):
    """A file to write: its name, and the records that go into it."""

    name: str
    family: str
    pieces: tuple[Piece, ...]


class Written(NamedTuple):
    """A shard that was written."""

    name: str
    family: str
    n_records: int
    n_bytes: int
    sha256: str


class Sorted(NamedTuple):
    """What came of it.

    Attributes:
      census: Of what was read.
      shards: In the order of their names.
      n_bytes: Of all of them.
      n_processes: How many processes wrote them.
    """

    census: Census
    shards: list[Written]
    n_bytes: int
    n_processes: int


def run(
    found: Sequence[files.RecordFile], order: Order, *, beam_args: Sequence[str]
) -> Sorted:
    """Sorts files into a new folder.

    Args:
      found: Files of records, in an order that the shards keep.
      order: What is to be sorted, and whereto.
      beam_args: Options for Beam.

    Raises:
      ConfigError: The folder is there already, or another process sorts into it.
      RecordingError: A file cannot be read, or none of its notes is chosen.
      HomeError: The disk is full, or lacks rights.
    """
    with folders.appearing(order.target) as folder:
        parts = _divide(found, order)
        with beam.Pipeline(options=PipelineOptions(list(beam_args))) as pipeline:
            add_steps(pipeline, parts, order)
        result = _read_result(folder, found)
        if not result.shards:
            raise RecordingError(_say_nothing(result.census, order.choice))
        _write_index(folder, result, order.choice)
    return result


def add_steps(
    pipeline: beam.Pipeline, parts: Sequence[Part], order: Order
) -> beam.PCollection:
    """Adds the steps of sorting; what they find out is left as files in the scratch folder."""
    scratch = str(order.scratch.absolute())  # workers may stand elsewhere
    looked = (
        pipeline
        | "List the parts" >> beam.Create(list(parts))
        | "Share the parts out" >> beam.Reshuffle()
        | "Look for notes"
        >> beam.FlatMap(look, choice=order.choice, scratch=scratch).with_outputs(
            "census", main="pieces"
        )
    )
    written = (
        looked.pieces
        | "Gather families" >> beam.GroupByKey()
        | "Plan shards" >> beam.FlatMap(plan, shard_bytes=order.shard_bytes)
        | "Share the shards out" >> beam.Reshuffle()
        | "Write shards" >> beam.Map(write_shard, scratch=scratch)
    )
    _ = (
        looked.census
        | "Add up" >> beam.CombineGlobally(_join)
        | "Keep the census" >> beam.Map(_keep_census, scratch=scratch)
    )
    return written


def look(
    part: Part, *, choice: Choice, scratch: str
) -> Iterator[Any]:  # Beam reads hints, and would expect pairs only
    """Finds the chosen notes of a part, and counts all of it.

    Yields:
      Places of notes, with their family; last a Census, under the name `census`.

    Raises:
      RecordingError: The file cannot be read.
    """
    census, places = Census(), _Places(part)
    with files.at_hand(part.file, Path(scratch)) as path, contextlib.ExitStack() as end:
        spool = None
        if is_url(part.file.place) or tfrecord.is_gzipped(path):
            spool = end.enter_context(open(_spool_path(scratch, part), "wb"))
        for found in notes.walk(path, choice, part.part, called=part.file.name):
            census.count(found)
            if isinstance(found, notes.Found):
                yield from places.add(found, str(path), spool)
    yield from places.finish()
    yield beam.pvalue.TaggedOutput("census", census)


def plan(gathered: tuple[str, Iterable[Piece]], *, shard_bytes: int) -> Iterator[Shard]:
    """Divides the notes of a family into shards."""
    family, pieces = gathered
    cuts: list[list[Piece]] = [[]]
    room = shard_bytes
    for piece in sorted(pieces):
        for part in _cut(piece, room, shard_bytes):
            n_bytes = int(_lengths(part).sum())
            if n_bytes > room and cuts[-1]:
                cuts.append([])
                room = shard_bytes
            cuts[-1].append(part)
            room -= n_bytes
    for number, cut in enumerate(cuts):
        name = f"{family}-{number:05d}-of-{len(cuts):05d}{files.MARK}"
        yield Shard(name, family, tuple(cut))


def write_shard(shard: Shard, *, scratch: str) -> Written:
    """Copies records into a shard, which appears under its name when it is whole, and leaves its facts beside it.

    Raises:
      RecordingError: A record is no longer what it was.
    """
    path = Path(scratch, shard.name)
    part = path.with_name(f".{shard.name}.part")
    digest, n_records = hashlib.sha256(), 0
    with open(part, "wb") as target:
        for piece in shard.pieces:
            for framed in _copy(piece):
                digest.update(framed)
                target.write(framed)
                n_records += 1
        n_bytes = target.tell()
        target.flush()
        os.fsync(target.fileno())
    part.replace(path)
    written = Written(shard.name, shard.family, n_records, n_bytes, digest.hexdigest())
    facts = {"process": os.getpid(), "shard": written._asdict()}
    Path(scratch, f".{shard.name}.json").write_text(json.dumps(facts))
    return written


class _Places:
    """Places of notes by family, handed on before they are many."""

    def __init__(self, part: Part) -> None:
        self._number = part.number
        self._n_pieces = 0
        self._path = ""
        self._places: dict[str, list[tuple[int, int]]] = {}

    def add(
        self, found: notes.Found, path: str, spool: BinaryIO | None
    ) -> Iterator[tuple[str, Piece]]:
        offset = found.record.offset
        self._path = path
        if spool is not None:
            self._path, offset = spool.name, spool.tell()
            spool.write(tfrecord.frame(found.record.data))
        family = found.label.family
        places = self._places.setdefault(family, [])
        places.append((offset, found.record.n_bytes))
        if len(places) == _PLACES_A_PIECE:
            yield self._hand_on(family)

    def finish(self) -> Iterator[tuple[str, Piece]]:
        for family in list(self._places):
            yield self._hand_on(family)

    def _hand_on(self, family: str) -> tuple[str, Piece]:
        offsets, lengths = zip(*self._places.pop(family), strict=True)
        self._n_pieces += 1
        return family, Piece(
            (self._number, self._n_pieces),
            self._path,
            np.array(offsets, np.int64).tobytes(),
            np.array(lengths, np.int32).tobytes(),
        )


def _divide(found: Sequence[files.RecordFile], order: Order) -> list[Part]:
    pairs = [
        (file, part)
        for file in found
        for part in (
            [tfrecord.WHOLE]
            if is_url(file.place)
            else tfrecord.divide(file.place, target_bytes=order.part_bytes)
        )
    ]
    return [Part(number, *pair) for number, pair in enumerate(pairs)]


def _cut(piece: Piece, room: int, shard_bytes: int) -> Iterator[Piece]:
    """Cuts a piece where shards end: the first part fits into the room there is, where any record does."""
    lengths, offsets = _lengths(piece), _offsets(piece)
    start, left = 0, room
    for at, n_bytes in enumerate(lengths):
        if n_bytes > left and (at > start or room < shard_bytes):
            if at > start:
                yield _part_of(piece, offsets[start:at], lengths[start:at])
            start, left, room = at, shard_bytes, shard_bytes
        left -= int(n_bytes)
    if start < len(lengths):
        yield _part_of(piece, offsets[start:], lengths[start:])


def _part_of(piece: Piece, offsets: np.ndarray, lengths: np.ndarray) -> Piece:
    return piece._replace(offsets=offsets.tobytes(), lengths=lengths.tobytes())


def _copy(piece: Piece) -> Iterator[bytes]:
    try:
        file = open(piece.path, "rb", buffering=0)  # noqa: SIM115 (closed below)
    except FileNotFoundError as error:
        raise RecordingError(
            f"{_COPY}: {piece.path} is gone; sort it again when it is at rest."
        ) from error
    with file:
        for offset, n_bytes in zip(
            _offsets(piece).tolist(), _lengths(piece).tolist(), strict=True
        ):
            framed = os.pread(file.fileno(), n_bytes, offset)
            if tfrecord.unframe(framed) is None:
                raise RecordingError(
                    f"{_COPY}: {piece.path}, byte {offset}; sort it again when it is at rest."
                )
            yield framed


def _lengths(piece: Piece) -> np.ndarray:
    return np.frombuffer(piece.lengths, np.int32)


def _offsets(piece: Piece) -> np.ndarray:
    return np.frombuffer(piece.offsets, np.int64)


def _spool_path(scratch: str, part: Part) -> str:
    return os.path.join(scratch, f".spool-{part.number:06d}")


def _join(parts: Iterable[Census]) -> Census:
    census = Census()
    for part in parts:
        census.join(part)
    return census


def _keep_census(census: Census, *, scratch: str) -> None:
    import pickle  # our own, read once by the process that began it

    Path(scratch, ".census").write_bytes(pickle.dumps(census))


def _read_result(folder: Path, found: Sequence[files.RecordFile]) -> Sorted:
    import pickle

    census = pickle.loads(folder.joinpath(".census").read_bytes())
    census.n_files = len(found)
    census.n_bytes = sum(file.n_bytes for file in found)
    facts = [
        json.loads(path.read_text())
        for path in sorted(folder.glob(f".*{files.MARK}.json"))
    ]
    shards = [Written(**one["shard"]) for one in facts]
    n_processes = len({one["process"] for one in facts})
    n_bytes = sum(shard.n_bytes for shard in shards)
    return Sorted(census, shards, n_bytes, n_processes)


def _write_index(folder: Path, result: Sorted, choice: Choice) -> None:
    index: dict[str, Any] = {
        "format": FORMAT,
        "filter": str(choice),
        **result.census.to_json(),
        "families": {
            family: sum(s.n_records for s in result.shards if s.family == family)
            for family in nsynth.FAMILIES
            if any(shard.family == family for shard in result.shards)
        },
        "shards": [shard._asdict() for shard in result.shards],
    }
    folder.joinpath(folders.INDEX_NAME).write_text(json.dumps(index, indent=1))


def _say_nothing(census: Census, choice: Choice) -> str:
    if census.n_passed:
        return (
            f"none of the {census.n_passed:,} notes is one of {choice}; nothing was written: `amadeus dataset nsynth` "
            "without --sort shows what is there."
        )
    first = f": {census.sentences[0]}" if census.sentences else "; name other files."
    return f"no note of NSynth can be read there, and nothing was written{first}"
