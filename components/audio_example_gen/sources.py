"""Data sets of single notes as recordings: `nsynth:PATH#family=flute,source=acoustic`.

Every note that is chosen is a take of its own: known by the SHA-256 of its record, in one split by a stable hash of
that, so that notes that are added move no other. What goes into records is as with recordings: the mean taken off, at
the rate of the learner, without silence. Pitch and loudness that a data set brings along are left where they are:
DdspTransform measures them, so that a voice learns from what it will be played by.

Notes are many and short, so that up to `NOTES_A_FILE` share a file of records. Memory holds one note, and of every note
that is chosen some hundred bytes.
"""

import contextlib
import functools
import hashlib
import itertools
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple, Protocol

import numpy as np

from amadeus.audio import passages, recordings, skips
from amadeus.datasets import choice, files, left_out, nsynth, tfrecord
from amadeus.datasets import notes as reading
from amadeus.errors import RecordingError, legible
from components import records
from components.audio_example_gen import cutting
from components.split_names import SPLITS, Split

NOTES_A_FILE = 256  # 40 MB at 16 kHz

_SETTLED_S = (
    2.0  # a file that changed this long ago may change within one tick of its clock
)
_SHOWN = (
    12  # files and instruments that the lineage names; beyond, their number is told
)


class Note(NamedTuple):
    """A note that was chosen, and where it lies.

    Attributes:
      digest: SHA-256 of its record, in hexadecimal.
      name: The `note_str`.
      path: Of its file.
      offset: Of its frame in the file, unpacked where it is gzipped.
      n_bytes: Of its frame.
      duration_s: As recorded.
    """

    digest: str
    name: str
    path: str
    offset: int
    n_bytes: int
    duration_s: float


class Gathered(NamedTuple):
    """The notes that a data set was asked for.

    Attributes:
      notes: Each once, in the order of files.
      skipped: What cannot be read or learned from.
      facts: For the lineage: what was asked for and found.
    """

    notes: list[Note]
    skipped: skips.Skips
    facts: dict[str, Any]


class Job(NamedTuple):
    """Notes of one file, in its order, that one worker writes."""

    path: str
    notes: tuple[Note, ...]


class Rule(Protocol):
    """Decides the splits of takes; a lone one is in both, to be divided in time."""

    @property
    def eval_fraction(self) -> float:
        """Share of a lone take to hold out."""
        ...

    def splits_of(self, digest: str) -> frozenset[Split]:
        """Tells the splits of a take by its digest."""
        ...


def is_dataset(uri: str) -> bool:
    """Tells a data set from recordings."""
    return choice.is_dataset(uri)


def gather(uri: str) -> Gathered:
    """Reads a data set through and keeps who the chosen notes are.

    Args:
      uri: `nsynth:PATH#CONDITIONS`, PATH a file, a folder or a glob of TFRecords on a disk that the workers share.

    Raises:
      ConfigError: The address cannot be one.
      RecordingError: A file cannot be read, none of its records is one of NSynth, or no note is chosen.
    """
    place = choice.parse_place(uri)
    paths = tuple(file.place for file in files.find_files([place.path]))
    stamps = tuple(map(recordings.stamp, paths))
    latest_s = max(max(one.modified_ns, one.changed_ns) for one in stamps) / 1e9
    if time.time() - latest_s < _SETTLED_S:
        return _gather(place, paths)
    return _gather_once(place, paths, stamps)


def jobs(notes: list[Note]) -> list[Job]:
    """Divides notes among workers: a run of a file each; a gzipped file is read from its start, so by one alone."""
    found = []
    for path, of_file in itertools.groupby(notes, key=lambda note: note.path):
        rest = list(of_file)
        size = len(rest) if tfrecord.is_gzipped(path) else NOTES_A_FILE
        starts = range(0, len(rest), size)
        found += [Job(path, tuple(rest[at : at + size])) for at in starts]
    return found


def write_job(
    job: Job, rule: Rule, *, split_uris: dict[Split, str], sample_rate: int
) -> None:
    """Writes the passages of notes to their splits, at most `NOTES_A_FILE` notes a file.

    Args:
      job: Which notes.
      rule: Says which split each belongs to.
      split_uris: Folder of each split.
      sample_rate: Samples per second of the records.

    Raises:
      RecordingError: The data set has changed since it was gathered.
    """
    sounds = _sounds(job)
    while run := list(itertools.islice(sounds, 1)):
        rest = itertools.islice(sounds, NOTES_A_FILE - 1)
        _write_run(itertools.chain(run, rest), rule, split_uris, sample_rate)


@functools.lru_cache(maxsize=1)
def _gather_once(
    place: choice.Place, paths: tuple[str, ...], _stamps: tuple[recordings.Stamp, ...]
) -> Gathered:
    """Gathers for driver and executor, which are one process, what has not changed in between."""
    return _gather(place, paths)


def _gather(place: choice.Place, paths: tuple[str, ...]) -> Gathered:
    gathering = _Gathering(place.choice)
    for path in paths:
        gathering.read(path)
    gathering.check(place)
    names = gathering.file_names
    facts = gathering.facts(place) | {
        "files": sorted(names)[:_SHOWN],
        "file_count": len(names),
    }
    return Gathered(gathering.notes, gathering.left_out.skipped, facts)


class _Gathering:
    """What was found so far."""

    def __init__(self, wanted: choice.Choice) -> None:
        self.notes: list[Note] = []
        self.left_out = left_out.Count()
        self.file_names: list[str] = []
        self._wanted = wanted
        self._digests: set[str] = set()
        self._n_records = self._n_twice = 0
        self._families: Counter[str] = Counter()
        self._instruments: Counter[str] = Counter()
        self._rates: Counter[int] = Counter()

    def read(self, path: str) -> None:
        origin = left_out.read_origin(path)
        self.file_names.append(legible(origin.name))
        self.left_out.add_all(origin.skipped)
        for found in reading.walk(path, self._wanted):
            if isinstance(found, reading.Unusable):
                self.left_out.add(origin.name, found)
                continue
            self._n_records += 1
            if isinstance(found, reading.Found):
                self._add(path, origin.name, found)

    def check(self, place: choice.Place) -> None:
        if self.notes:
            return
        if self._n_records:
            raise RecordingError(
                f"none of the {self._n_records:,} notes of {place.path} is one of {place.choice or 'them'}: "
                f"`amadeus dataset nsynth {place.path}` shows what is there."
            )
        first_ones = self.left_out.skipped.first.values()
        texts = [one.text for ones in first_ones for one in ones]
        first = f": {texts[0]}" if texts else "."
        raise RecordingError(
            f"{place.path} holds no notes of NSynth that can be read{first}",
            fault="wrong_schema",
        )

    def facts(self, place: choice.Place) -> dict[str, Any]:
        lines = "".join(sorted(f"{note.digest}\n" for note in self.notes))
        shown = dict(self._instruments.most_common(_SHOWN))
        return {
            "dataset": "nsynth",
            "filter": str(place.choice),
            "content": hashlib.sha256(lines.encode()).hexdigest(),
            "note_count": len(self.notes),
            "notes_of_the_set": self._n_records,
            "twice": self._n_twice,
            "families": dict(sorted(self._families.items())),
            "instruments": shown,
            "instrument_count": len(self._instruments),
            "sample_rates": {str(rate): n for rate, n in sorted(self._rates.items())},
        }

    def _add(self, path: str, called: str, found: reading.Found) -> None:
        sound = reading.read_sound(found)
        if isinstance(sound, reading.Unusable):
            self.left_out.add(called, sound)
            return
        label, record = found
        digest = hashlib.sha256(record.data).hexdigest()
        if digest in self._digests:
            self._n_twice += 1
            return
        self._digests.add(digest)
        note = Note(
            digest, label.name, path, record.offset, record.n_bytes, label.duration_s
        )
        self.notes.append(note)
        self._families[label.family] += 1
        self._instruments[label.instrument] += 1
        self._rates[label.sample_rate] += 1


def _write_run(
    sounds: Iterator[tuple[Note, bytes]],
    rule: Rule,
    split_uris: dict[Split, str],
    sample_rate: int,
) -> None:
    """Writes one file for each split; none where nothing sounds."""
    with ExitStack() as stack:
        writers: dict[Split, records.Write] = {}
        for note, record in sounds:
            found = list(_passages(record, sample_rate))
            for split, passage in _divide(note, found, rule, sample_rate):
                if split not in writers:
                    name = records.file_name(note.digest)
                    path = records.place(split_uris[split], name)
                    writers[split] = stack.enter_context(records.write_records(path))
                writers[split](_example(note, passage, sample_rate))


def _divide(
    note: Note, found: list[passages.Passage], rule: Rule, sample_rate: int
) -> Iterator[tuple[Split, passages.Passage]]:
    """Gives the passages of a note to its split; a lone note is divided in time."""
    splits = rule.splits_of(note.digest)
    if len(splits) == 1:
        (split,) = splits
        yield from ((split, passage) for passage in found)
        return
    cut = cutting.find_cut(
        found, sample_rate=sample_rate, eval_fraction=rule.eval_fraction
    )
    for split in SPLITS:
        yield from ((split, passage) for passage in cutting.keep(found, split, cut))


def _sounds(job: Job) -> Iterator[tuple[Note, bytes]]:
    """Reads the records of a job, one after another, and makes sure of each."""
    with tfrecord.opened(job.path) as file:
        for note in job.notes:
            record = None
            with contextlib.suppress(*tfrecord.GZIP_ERRORS):
                file.seek(note.offset)  # in a gzip: reads on to there
                record = tfrecord.unframe(file.read(note.n_bytes))
            if record is None or hashlib.sha256(record).hexdigest() != note.digest:
                raise RecordingError(
                    f"{job.path} has changed while it was read ({note.name}): practise again when it is at rest."
                )
            yield note, record


def _passages(record: bytes, sample_rate: int) -> Iterator[passages.Passage]:
    """Cuts what sounds out of a note, at the rate of the learner."""
    found = nsynth.read_label(record)
    audio = _bounded(nsynth.read_audio(record))
    audio = _bounded(audio - audio.mean(dtype=np.float64).astype(np.float32))
    if found.sample_rate != sample_rate:
        import soxr

        audio = soxr.resample(audio, found.sample_rate, sample_rate)
        audio = np.clip(audio, -1.0, 1.0)
    return passages.split_passages([audio], sample_rate=sample_rate)


def _bounded(audio: np.ndarray) -> np.ndarray:
    peak = float(np.abs(audio).max())
    return audio / np.float32(peak) if peak > 1 else audio


def _example(note: Note, passage: passages.Passage, sample_rate: int) -> Any:
    return records.example(
        {
            "take": records.bytes_feature(note.digest.encode()),
            "name": records.bytes_feature(note.name.encode()),
            "offset_samples": records.int_feature(passage.offset_samples),
            "sample_rate": records.int_feature(sample_rate),
            "audio": records.float_feature(passage.audio),
        }
    )
