"""The lineage that travels in a bundle: who a personality came from, as records that need no store.

`assets.extra/lineage.json` names the personality itself and then its ancestors, nearest first, each with what it
learned from. It comes from strangers: sizes are bounded, every field is checked, and the chain has to lead from digest
to digest. It changes no sound, and the digest of a personality does not depend on it.
"""

import itertools
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from amadeus.errors import BundleError
from amadeus.home import NAME_PATTERN
from amadeus.personality import content
from amadeus.personality.quoting import tame
from amadeus.v1 import personality_pb2

FILE_NAME = "lineage.json"
FORMAT, VERSION = "amadeus.lineage", 1
MAX_BYTES = 2 * 2**20
MAX_ENTRIES = 257  # the personality and 256 ancestors; of older ones the number is told
MAX_TAKES = 1_000
MAX_METRICS = 100
KINDS = ("imitation", "tuning", "feedback", "import", "found")

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_FILE_DIGEST = re.compile(r"[0-9a-f]{64}")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}")
_MAX_COUNT, _MAX_MS = 2**31 - 1, 10**14
_MAX_TAKE_S = 1e6
_MAX_NAME = 200
_SPLITS = {"train", "eval"}


class Take(NamedTuple):
    """A recording: its name, SHA-256 of its file, its splits, and its length where it is known."""

    name: str
    digest: str
    splits: tuple[str, ...]
    duration_s: float | None = None


class Entry(NamedTuple):
    """A generation as it was where it was born.

    Attributes:
      deu: Name of the deu there.
      generation: Its number there.
      digest: Who it is.
      parent_digest: Who it grew from; empty: from nothing.
      kind: What made it, one of `KINDS`.
      practice: Name of the practice.
      created_ms: When, in milliseconds since 1970.
      metrics: Held-out metrics by name.
      takes: What it learned from.
    """

    deu: str
    generation: int
    digest: str
    parent_digest: str
    kind: str
    practice: str
    created_ms: int
    metrics: dict[str, float]
    takes: tuple[Take, ...]


class Pedigree(NamedTuple):
    """A personality and its ancestors.

    Attributes:
      entries: Itself first, then its parent, and so on.
      n_older: Ancestors that there was no room for.
    """

    entries: tuple[Entry, ...]
    n_older: int = 0


def write_pedigree(entries: Sequence[Entry], n_older: int = 0) -> bytes:
    """Writes a pedigree, as many of its entries as there is room for; equal ones give equal bytes."""
    kept = list(entries[:MAX_ENTRIES])
    n_older += len(entries) - len(kept)
    while True:
        rows = [_row(entry) for entry in kept]
        document = {"format": FORMAT, "version": VERSION}
        text = json.dumps(
            {**document, "entries": rows, "n_older": n_older}, sort_keys=True, indent=1
        ).encode()
        if len(text) <= MAX_BYTES or len(kept) == 1:
            return text
        n_dropped = math.ceil(len(kept) / 4)
        del kept[-n_dropped:]
        n_older += n_dropped


def find_pedigree(
    voice_path: Path, personality: personality_pb2.Personality
) -> Pedigree | None:
    """Reads the pedigree that came with a voice; None without one, or with that of another.

    Raises:
      BundleError: It is damaged.
    """
    path = voice_path / content.EXTRAS_FOLDER / FILE_NAME
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    pedigree = read_pedigree(text)
    return pedigree if pedigree.entries[0].digest == personality.digest else None


def check_pedigree(voice_path: Path, personality: personality_pb2.Personality) -> None:
    """Checks what a bundle says of the ancestors of its personality.

    Raises:
      BundleError: It is damaged, too large, or about somebody else.
    """
    path = voice_path / content.EXTRAS_FOLDER / FILE_NAME
    if not path.exists():
        return
    pedigree = find_pedigree(voice_path, personality)
    if pedigree is None:
        raise _refused("it is about another personality")
    if pedigree.entries[0].parent_digest != personality.parent_digest:
        raise _refused("it names another parent than the personality does")


def read_pedigree(text: bytes) -> Pedigree:
    """Reads and checks a pedigree.

    Raises:
      BundleError: It is damaged or too large.
    """
    if len(text) > MAX_BYTES:
        raise _refused(f"it has {len(text)} bytes and at most {MAX_BYTES} are read")
    try:
        document = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError):
        raise _refused("it is no JSON") from None
    fields = {"format", "version", "entries", "n_older"}
    if not isinstance(document, dict) or set(document) != fields:
        raise _refused("it is of another kind")
    if (document["format"], document["version"]) != (FORMAT, VERSION):
        raise _refused("it is of another version: update Amadeus")
    rows = document["entries"]
    if not isinstance(rows, list) or not 0 < len(rows) <= MAX_ENTRIES:
        raise _refused(f"it needs 1 to {MAX_ENTRIES} entries")
    n_older = _count(document["n_older"])
    entries = tuple(_entry(row) for row in rows)
    for child, parent in itertools.pairwise(entries):
        # A child of another make names no parent, and yet was compared with one.
        if child.parent_digest not in ("", parent.digest):
            raise _refused("its chain is broken")
    return Pedigree(entries, n_older)


def _row(entry: Entry) -> dict[str, Any]:
    takes = [
        {key: value for key, value in take._asdict().items() if value is not None}
        for take in entry.takes[:MAX_TAKES]
    ]
    return {**entry._asdict(), "takes": takes}


def _entry(row: Any) -> Entry:
    if not isinstance(row, dict) or set(row) != set(Entry._fields):
        raise _refused("an entry is incomplete, or says more than this Amadeus knows")
    takes = row["takes"]
    if not isinstance(takes, list) or len(takes) > MAX_TAKES:
        raise _refused(f"an entry has more than {MAX_TAKES} recordings, or none listed")
    entry = Entry(
        deu=_matching(row["deu"], NAME_PATTERN),
        generation=_count(row["generation"]),
        digest=_matching(row["digest"], _DIGEST),
        parent_digest=row["parent_digest"] and _matching(row["parent_digest"], _DIGEST),
        kind=row["kind"],
        practice=row["practice"] and _matching(row["practice"], _WORD),
        created_ms=_count(row["created_ms"], _MAX_MS),
        metrics=_metrics(row["metrics"]),
        takes=tuple(_take(take) for take in takes),
    )
    if entry.kind not in KINDS or not isinstance(entry.parent_digest, str):
        raise _refused("an entry is of an unknown kind")
    if not isinstance(entry.practice, str):
        raise _refused("an entry names no practice")
    return entry


def _take(row: Any) -> Take:
    known, needed = set(Take._fields), {"name", "digest", "splits"}
    if not isinstance(row, dict) or not needed <= set(row) <= known:
        raise _refused("a recording is described wrongly")
    name, splits, duration_s = row["name"], row["splits"], row.get("duration_s")
    if not isinstance(name, str) or not isinstance(splits, list):
        raise _refused("a recording is described wrongly")
    if not all(split in _SPLITS for split in splits if isinstance(split, str)):
        raise _refused("a recording belongs to an unknown split")
    if len(splits) > len(_SPLITS) or not all(isinstance(s, str) for s in splits):
        raise _refused("a recording belongs to too many splits")
    if duration_s is not None and not 0 <= _number(duration_s) <= _MAX_TAKE_S:
        raise _refused("a recording has an impossible length")
    digest = _matching(row["digest"], _FILE_DIGEST)
    return Take(tame(name[:_MAX_NAME]), digest, tuple(splits), duration_s)


def _metrics(row: Any) -> dict[str, float]:
    if not isinstance(row, dict) or len(row) > MAX_METRICS:
        raise _refused("an entry has too many metrics, or none listed")
    return {_matching(name, _WORD): _number(value) for name, value in row.items()}


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise _refused("a number is none")
    return float(value)


def _count(value: Any, limit: int = _MAX_COUNT) -> int:
    if type(value) is not int or not 0 <= value <= limit:
        raise _refused("a number is out of range")
    return value


def _matching(text: Any, pattern: re.Pattern[str]) -> str:
    if not isinstance(text, str) or not pattern.fullmatch(text):
        raise _refused(f"{tame(str(text)[:60])!r} is no name or digest")
    return text


def _refused(what: str) -> BundleError:
    return BundleError(
        f"the {FILE_NAME} in the bundle is damaged: {what}; ask for the bundle again where it comes from."
    )
