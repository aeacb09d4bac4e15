"""What a data set holds: notes by family and source, their pitches, and what cannot be read.

Parts are counted apart, wherever that is, and added up in any order. Memory holds a row for each family and source and
a name for each instrument, whatever the number of notes.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from amadeus.datasets import files, notes
from amadeus.datasets.choice import Choice
from amadeus.datasets.notes import Fault, Found, Unusable
from amadeus.datasets.nsynth import FAMILIES, SOURCES, Label

MAX_SENTENCES = 5  # about what cannot be read; whoever mends it starts with these


class Kind(NamedTuple):
    """A family of instruments, and how they make sound."""

    family: str
    source: str


@dataclass
class Row:
    """Notes of one kind.

    Attributes:
      n_notes: How many.
      duration_s: Of all together.
      lowest, highest: MIDI notes.
      instruments: Their names.
    """

    n_notes: int = 0
    duration_s: float = 0.0
    lowest: int = 127
    highest: int = 0
    instruments: set[str] = field(default_factory=set)

    def add(self, label: Label) -> None:
        """Counts one note."""
        self.n_notes += 1
        self.duration_s += label.duration_s
        self.lowest = min(self.lowest, label.pitch)
        self.highest = max(self.highest, label.pitch)
        self.instruments.add(label.instrument)

    def join(self, other: "Row") -> None:
        """Adds the notes of another part."""
        self.n_notes += other.n_notes
        self.duration_s += other.duration_s
        self.lowest = min(self.lowest, other.lowest)
        self.highest = max(self.highest, other.highest)
        self.instruments |= other.instruments


@dataclass
class Census:
    """What was counted.

    Attributes:
      rows: Notes that were chosen, by kind.
      velocities: How many of them have each velocity.
      rates: How many of them have each sample rate.
      schemas: How many of them are written in which schema.
      n_passed: Notes that were not chosen.
      unusable: How much cannot be read, by fault.
      sentences: About the first of that.
      n_files: Files that were read.
      n_bytes: Of those, as they lie.
    """

    rows: dict[Kind, Row] = field(default_factory=dict)
    velocities: Counter[int] = field(default_factory=Counter)
    rates: Counter[int] = field(default_factory=Counter)
    schemas: Counter[str] = field(default_factory=Counter)
    n_passed: int = 0
    unusable: Counter[Fault] = field(default_factory=Counter)
    sentences: list[str] = field(default_factory=list)
    n_files: int = 0
    n_bytes: int = 0

    @property
    def n_notes(self) -> int:
        """Notes that were chosen."""
        return sum(row.n_notes for row in self.rows.values())

    @property
    def n_unusable(self) -> int:
        """Records that cannot be read; where a file is cut off, what is lost with it counts as one."""
        return sum(self.unusable.values())

    def count(self, found: Found | notes.Passed | Unusable) -> None:
        """Counts one thing that was read."""
        if isinstance(found, Unusable):
            self.unusable[found.fault] += 1
            if len(self.sentences) < MAX_SENTENCES:
                self.sentences.append(found.text)
        elif isinstance(found, Found):
            self._add(found.label)
        else:
            self.n_passed += 1

    def join(self, other: "Census") -> None:
        """Adds what was counted elsewhere."""
        for kind, row in other.rows.items():
            self.rows.setdefault(kind, Row()).join(row)
        self.velocities += other.velocities
        self.rates += other.rates
        self.schemas += other.schemas
        self.unusable += other.unusable
        self.n_passed += other.n_passed
        self.n_files += other.n_files
        self.n_bytes += other.n_bytes
        self.sentences = sorted({*self.sentences, *other.sentences})[:MAX_SENTENCES]

    def in_order(self) -> Iterator[tuple[Kind, Row]]:
        """Goes through the kinds as NSynth numbers them."""
        for family in FAMILIES:
            for source in SOURCES:
                if (kind := Kind(family, source)) in self.rows:
                    yield kind, self.rows[kind]

    def to_json(self) -> dict[str, Any]:
        """Writes all of it for programs."""
        return {
            "files": self.n_files,
            "bytes": self.n_bytes,
            "notes": self.n_notes,
            "not_chosen": self.n_passed,
            "unusable": dict(sorted(self.unusable.items())),
            "problems": self.sentences,
            "schemas": dict(sorted(self.schemas.items())),
            "sample_rates": {str(k): n for k, n in sorted(self.rates.items())},
            "velocities": {str(k): n for k, n in sorted(self.velocities.items())},
            "kinds": [
                {
                    **kind._asdict(),
                    "notes": row.n_notes,
                    "instruments": len(row.instruments),
                    "lowest_pitch": row.lowest,
                    "highest_pitch": row.highest,
                    "duration_s": round(row.duration_s, 3),
                }
                for kind, row in self.in_order()
            ],
        }

    def _add(self, label: Label) -> None:
        kind = Kind(label.family, label.source)
        self.rows.setdefault(kind, Row()).add(label)
        self.velocities[label.velocity] += 1
        self.rates[label.sample_rate] += 1
        self.schemas[label.schema.name.lower()] += 1


def take_census(found: list[files.RecordFile], choice: Choice) -> Census:
    """Reads files through and counts what they hold.

    Raises:
      RecordingError: One cannot be read.
      StoreError: A bucket cannot be read.
    """
    census = Census()
    for file in found:
        census.n_files += 1
        census.n_bytes += file.n_bytes
        with files.at_hand(file) as path:
            for one in notes.walk(path, choice, called=file.name):
                census.count(one)
    return census
