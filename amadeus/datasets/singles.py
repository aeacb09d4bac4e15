"""Folders of single notes, named by their pitch, become a data set with the schema of NSynth.

The pitch comes from the name of a file and is held against what is heard. Audio is mixed to mono and keeps its own rate
and length unless others are asked for. Memory holds one note.
"""

import contextlib
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

import numpy as np

from amadeus.audio import decode
from amadeus.datasets import files, folders, hearing, nsynth, tfrecord
from amadeus.datasets.note_names import Named, read_name
from amadeus.errors import ConfigError, RecordingError

FORMAT = "amadeus.nsynth.notes/1"
SHARD_BYTES = 256 * 2**20
MAX_NOTE_S = 60.0  # longer is no single note

Wrong = Literal["skip", "keep", "rename"]
"""What becomes of a note that is not the one it is called: left out, taken as it is called, or as it is heard."""

Outcome = Literal["taken", "wrong", "nameless", "unreadable", "too long"]

_FAMILY_OF = {
    **dict.fromkeys(("violin", "viola", "cello", "contrabass", "string"), "string"),
    **dict.fromkeys(("flute", "piccolo", "recorder"), "flute"),
    **dict.fromkeys(
        ("oboe", "clarinet", "saxophone", "sax", "bassoon", "reed"), "reed"
    ),
    **dict.fromkeys(("trumpet", "horn", "trombone", "tuba", "brass"), "brass"),
    **dict.fromkeys(("piano", "harpsichord", "keyboard"), "keyboard"),
    **dict.fromkeys(("marimba", "xylophone", "vibraphone", "mallet"), "mallet"),
    **dict.fromkeys(("voice", "vocal", "singing", "choir"), "vocal"),
    **{name: name for name in ("guitar", "organ", "bass")},
}


@dataclass(frozen=True, kw_only=True)
class Making:
    """How notes become a data set.

    Attributes:
      family: One of `nsynth.FAMILIES`.
      source: One of `nsynth.SOURCES`.
      instrument: Number of the instrument, in [0, 999]. A pitch that comes again with the same velocity goes to the
        next.
      velocity: Of notes whose names say none, in [0, 127].
      sample_rate: Of the records, in Hz; None: each its own.
      seconds: Length of every note, cut or filled with silence; None: each its own.
      wrong: What becomes of notes that are not what they are called.
      shard_bytes: No shard is larger, but for a single note.
    """

    family: str
    source: str = "acoustic"
    instrument: int = 0
    velocity: int = 75
    sample_rate: int | None = None
    seconds: float | None = None
    wrong: Wrong = "skip"
    shard_bytes: int = SHARD_BYTES


class Single(NamedTuple):
    """A file, and what became of it.

    Attributes:
      path: Where it lies.
      outcome: Whether it is taken, or why not.
      pitch: The MIDI note it is taken for, or called; None where its name tells none.
      velocity: As its name says; None where it says nothing.
      verdict: What was heard; None where nothing was listened to.
      text: Half a sentence about what is odd; empty where nothing is.
    """

    path: Path
    outcome: Outcome
    pitch: int | None
    velocity: int | None
    verdict: hearing.Verdict | None
    text: str


def guess_family(paths: Iterable[Path]) -> str | None:
    """Reads the family out of the names of files and of their folders; None where they name none, or several."""
    found = set()
    for path in paths:
        words = f"{path.parent.name} {path.stem}".lower()
        found |= {family for word, family in _FAMILY_OF.items() if word in words}
        if "guitar" in words and "bass" in words:
            found.discard("guitar")
    if found == {"bass", "string"}:  # contrabass
        return "string"
    return found.pop() if len(found) == 1 else None


def check_making(making: Making) -> Making:
    """Makes sure that settings can work, and hands them back.

    Raises:
      ConfigError: One cannot.
    """
    for key, value, names in (
        ("family", making.family, nsynth.FAMILIES),
        ("source", making.source, nsynth.SOURCES),
    ):
        if value not in names:
            raise ConfigError(
                f"--{key} {value} is not in NSynth: choose one of {', '.join(names)}."
            )
    rate = making.sample_rate
    if rate is not None and not decode.MIN_SAMPLE_RATE <= rate <= 192_000:
        raise ConfigError(
            f"--rate {rate} is no rate for notes: choose one from {decode.MIN_SAMPLE_RATE} to 192000 Hz."
        )
    if making.seconds is not None and not 0 < making.seconds <= MAX_NOTE_S:
        raise ConfigError(
            f"--seconds {making.seconds:g} is no length for notes: choose more than 0 and at most {MAX_NOTE_S:g}."
        )
    return making


def examine(paths: Sequence[Path], *, wrong: Wrong = "skip") -> Iterator[Single]:
    """Reads names and listens, one file after another.

    Args:
      paths: Sound files.
      wrong: What becomes of notes that are not what they are called.
    """
    listener = hearing.Listener()
    for path in paths:
        yield _examine(path, read_name(path.name), listener, wrong)


def write(
    singles: Iterable[Single], target: Path, making: Making, folder: Path
) -> tuple[int, int]:
    """Writes notes that are taken into the folder of a data set that is to be `target`.

    Args:
      singles: Notes, taken or not.
      target: What the data set is called.
      making: How they become one.
      folder: Where to write.

    Returns:
      How many notes and how many shards were written.

    Raises:
      RecordingError: None is taken, or a file changed meanwhile.
    """
    instruments: Counter[tuple[int, int]] = Counter()
    told = []
    with contextlib.closing(_Shards(folder, making)) as shards:
        for number, one in enumerate(singles):
            told.append(tell(one))
            if one.outcome != "taken" or one.pitch is None:
                continue
            velocity = making.velocity if one.velocity is None else one.velocity
            instrument = making.instrument + instruments[one.pitch, velocity]
            instruments[one.pitch, velocity] += 1
            shards.add(_record(one, number, instrument, velocity, making))
        written = shards.finish()
    if not written:
        raise RecordingError(
            f"none of {len(told)} files became a note, and {target} was not written: name files by their pitch, such "
            "as A4.wav."
        )
    _write_index(folder, making, written, told)
    return sum(shard["n_records"] for shard in written), len(written)


def tell(one: Single) -> dict[str, Any]:
    """Writes what became of a file, for programs."""
    heard = one.verdict.heard_midi if one.verdict else None
    cents = one.verdict.cents if one.verdict else None
    return {
        "file": one.path.name,
        "outcome": one.outcome,
        "pitch": one.pitch,
        "heard_pitch": None if heard is None else round(heard, 2),
        "cents": None if cents is None else round(cents, 1),
        "text": one.text,
    }


def _examine(
    path: Path, named: Named | None, listener: hearing.Listener, wrong: Wrong
) -> Single:
    if named is None:
        text = "its name tells no pitch, or several"
        return Single(path, "nameless", None, None, None, text)
    try:
        told_s = decode.probe(path).duration_s
        if told_s is not None and told_s > MAX_NOTE_S:
            text = f"it lasts {told_s:.0f} s, and a single note lasts {MAX_NOTE_S:.0f} s at most"
            return Single(path, "too long", *named, None, text)
        if told_s is None and not _is_short(path):
            text = (
                f"it lasts longer than {MAX_NOTE_S:.0f} s, and a single note does not"
            )
            return Single(path, "too long", *named, None, text)
        audio = decode.read(path, sample_rate=hearing.SAMPLE_RATE)
    except RecordingError as error:
        return Single(path, "unreadable", *named, None, str(error).rstrip("."))
    verdict = listener.judge(audio, named.pitch)
    if verdict.status != "wrong" or wrong == "keep":
        return Single(path, "taken", *named, verdict, verdict.text)
    is_steady = verdict.text and "several" not in verdict.text
    if wrong == "rename" and is_steady and verdict.heard_midi is not None:
        heard = round(verdict.heard_midi)
        return Single(path, "taken", heard, named.velocity, verdict, verdict.text)
    return Single(path, "wrong", *named, verdict, verdict.text)


def _is_short(path: Path) -> bool:
    """Measures a file that does not say how long it is."""
    found = decode.survey(path)
    return found.n_samples <= MAX_NOTE_S * found.sample_rate


def _record(
    one: Single, number: int, instrument: int, velocity: int, making: Making
) -> bytes:
    rate = making.sample_rate or decode.probe(one.path).sample_rate
    audio = decode.read(one.path, sample_rate=rate)
    if making.seconds is not None:
        n_samples = round(making.seconds * rate)
        audio = np.pad(audio[:n_samples], (0, max(0, n_samples - len(audio))))
    name = f"{making.family}_{making.source}_{instrument:03d}"
    assert one.pitch is not None
    return nsynth.encode(
        nsynth.Note(name, one.pitch, velocity),
        number=number,
        instrument_number=instrument,
        family=making.family,
        source=making.source,
        sample_rate=rate,
        audio=audio,
    )


class _Shards:
    """Files of records of bounded size, named when their number is known."""

    def __init__(self, folder: Path, making: Making) -> None:
        self._folder, self._making = folder, making
        self._file: BinaryIO | None = None
        self._written: list[dict[str, Any]] = []
        self._digest = hashlib.sha256()

    def add(self, record: bytes) -> None:
        framed = tfrecord.frame(record)
        if (
            self._file is not None
            and self._file.tell() + len(framed) > self._making.shard_bytes
        ):
            self._settle()
        if self._file is None:
            path = self._folder / f".shard-{len(self._written):05d}"
            self._file = path.open("wb")
            self._digest = hashlib.sha256()
            self._written.append(
                {"name": path.name, "n_records": 0, "n_bytes": 0, "sha256": ""}
            )
        self._file.write(framed)
        self._digest.update(framed)
        self._written[-1]["n_records"] += 1
        self._written[-1]["n_bytes"] += len(framed)

    def finish(self) -> list[dict[str, Any]]:
        if self._file is not None:
            self._settle()
        for number, shard in enumerate(self._written):
            name = f"{self._making.family}-{number:05d}-of-{len(self._written):05d}{files.MARK}"
            (self._folder / shard["name"]).replace(self._folder / name)
            shard["name"] = name
        return self._written

    def close(self) -> None:
        """Lets go of the file of a shard that is not to be finished."""
        if self._file is not None:
            self._file.close()

    def _settle(self) -> None:
        assert self._file is not None
        with contextlib.closing(self._file) as file:
            file.flush()
            os.fsync(file.fileno())
        self._file = None
        self._written[-1]["sha256"] = self._digest.hexdigest()


def _write_index(
    folder: Path,
    making: Making,
    written: list[dict[str, Any]],
    told: list[dict[str, Any]],
) -> None:
    index = {
        "format": FORMAT,
        "notes": sum(shard["n_records"] for shard in written),
        "family": making.family,
        "source": making.source,
        "files": told,
        "shards": [{"family": making.family, **shard} for shard in written],
    }
    folder.joinpath(folders.INDEX_NAME).write_text(json.dumps(index, indent=1))
