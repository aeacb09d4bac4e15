"""What of a data set cannot be used: counted while it is read, and kept beside what was brought from elsewhere.

Of an object in a bucket only the notes that are wanted are brought. What was damaged in it stays behind, so a file
beside the notes says how much that was, and what the object is called: whoever reads them counts it as if it lay here.
"""

import json
from pathlib import Path
from typing import NamedTuple

from amadeus.audio import skips
from amadeus.datasets import notes
from amadeus.datasets.files import MARK
from amadeus.errors import legible

_KEPT = 1000  # before they are counted and forgotten
_SUFFIX = ".origin.json"


class Count:
    """Counts what cannot be used; of millions only the first are kept."""

    def __init__(self) -> None:
        self._found: list[skips.Unusable] = []
        self._skipped = skips.Skips()

    def add(self, file_name: str, one: notes.Unusable) -> None:
        """Counts a record of a file."""
        name = f"{legible(file_name)} at byte {one.offset:,}"
        self._found.append(skips.Unusable(name, one.fault, one.text))
        if len(self._found) == _KEPT:
            self._settle()

    def add_all(self, skipped: skips.Skips) -> None:
        """Adds what was counted elsewhere."""
        self._skipped += skipped

    @property
    def skipped(self) -> skips.Skips:
        """All so far."""
        self._settle()
        return self._skipped

    def _settle(self) -> None:
        self._skipped += skips.gather(self._found)
        self._found.clear()


class Origin(NamedTuple):
    """Where notes in a file came from.

    Attributes:
      name: Of the object; of the file itself where that is all there ever was.
      skipped: What stayed behind because it cannot be used.
    """

    name: str
    skipped: skips.Skips


def beside(path: Path | str) -> Path:
    """Where it is written what stayed behind when a file of notes was brought."""
    path = Path(path)
    return path.with_name(f".{path.name.replace(MARK, '')}{_SUFFIX}")


def write_origin(path: Path, origin: Origin) -> None:
    """Writes down where the notes of a file come from; before the file itself appears, so that none is without it."""
    rows = [
        {
            "reason": reason,
            "count": count,
            "first": [[one.name, one.text] for one in origin.skipped.first[reason]],
        }
        for reason, count in origin.skipped.counts.items()
    ]
    text = json.dumps({"name": origin.name, "skipped": rows}, ensure_ascii=False)
    beside(path).write_text(text, encoding="utf-8")


def read_origin(path: Path | str) -> Origin:
    """Reads where the notes of a file come from."""
    try:
        told = json.loads(beside(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Origin(Path(path).name, skips.Skips())
    rows = told["skipped"]
    counts = {row["reason"]: row["count"] for row in rows}
    first = {
        row["reason"]: tuple(
            skips.Unusable(name, row["reason"], text) for name, text in row["first"]
        )
        for row in rows
    }
    return Origin(told["name"], skips.Skips(counts, first))
