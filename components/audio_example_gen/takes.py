"""Which takes there are, who they are, and which split each belongs to.

A take is known by the SHA-256 of its bytes. The same bytes are one take, whatever their file is
called; its split follows from its digest alone, so that adding a take moves no other.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from amadeus.audio import decode, recordings
from amadeus.errors import RecordingError
from amadeus.journal import emit
from amadeus.v1 import practice_pb2
from components.split_names import SPLITS, Split


class Take(NamedTuple):
    """A recording: where it lies, its file name, and the SHA-256 of its bytes."""

    uri: str
    name: str
    digest: str


class Gathered(NamedTuple):
    """The takes of a practice, each once, and the names that meant one of them again."""

    takes: list[Take]
    duplicates: list[tuple[str, str]]  # (name left out, name used)


def gather(uris: Sequence[str], names: Sequence[str] = ()) -> Gathered:
    """Digests recordings and drops those that are there already.

    Args:
      uris: Where they lie.
      names: What to call them, one for each; none means by their file names.

    Raises:
      RecordingError: There is none, or one cannot be read.
    """
    if not uris:
        raise RecordingError(
            "a practice was started without recordings: name sound files, folders or globs."
        )
    used: dict[str, Take] = {}
    duplicates = []
    for uri, name in zip(uris, names or map(_file_name, uris), strict=True):
        take = Take(uri, name, recordings.content_digest(uri))
        if take.digest in used:
            duplicates.append((take.name, used[take.digest].name))
        else:
            used[take.digest] = take
    return Gathered(list(used.values()), duplicates)


def warn_of_duplicates(duplicates: list[tuple[str, str]]) -> None:
    """Tells the journal of names that mean a take once more, as `(left out, used)`."""
    if not duplicates:
        return
    left_out, used = duplicates[0]
    others = f" (and {len(duplicates) - 1} more like it)" if duplicates[1:] else ""
    text = f"{left_out} holds the same bytes as {used}{others}: the same take is learned from once."
    emit(warning=practice_pb2.Warning(text=text))


def fingerprint(takes: Sequence[Take]) -> str:
    """Digests the content and the names of all takes; neither times nor folders count."""
    lines = "".join(sorted(f"{take.digest} {take.name}\n" for take in takes))
    return hashlib.sha256(lines.encode()).hexdigest()


def assign_splits(
    digests: Sequence[str], *, eval_fraction: float
) -> dict[str, set[Split]]:
    """Gives every take to one split by a stable hash of its digest.

    The exceptions that keep both splits filled: where no take falls to `eval`, the one with the
    lowest hash does; where none falls to `train`, the one with the highest does; a single take
    is in both, to be divided in time.

    Args:
      digests: Digests of the takes.
      eval_fraction: Share of takes to hold out, in (0, 0.5].

    Returns:
      The splits of each digest.
    """
    if len(digests) == 1:
        return {digests[0]: set(SPLITS)}
    ranked = sorted(digests, key=_position)
    n_eval = sum(_position(digest) < eval_fraction for digest in ranked)
    n_eval = min(max(n_eval, 1), len(ranked) - 1)
    return {
        digest: {"eval" if rank < n_eval else "train"}
        for rank, digest in enumerate(ranked)
    }


def describe(takes: Sequence[Take], splits: dict[str, set[Split]]) -> str:
    """Writes takes as JSON for the lineage: name, digest, splits and length of each.

    Raises:
      RecordingError: One cannot be read.
    """
    rows = [
        {
            "name": take.name,
            "digest": take.digest,
            "splits": sorted(splits[take.digest]),
            "duration_s": round(_measure_s(take), 3),
        }
        for take in takes
    ]
    return json.dumps(rows)


def _measure_s(take: Take) -> float:
    """Finds how long a take is; one that does not say so itself is decoded for it."""
    told_s = decode.probe(take.uri).duration_s
    if told_s is not None:
        return told_s
    survey = decode.survey(take.uri)
    return survey.n_samples / survey.sample_rate


def _file_name(uri: str) -> str:
    return Path(uri).name


def _position(digest: str) -> float:
    """Places a take on [0, 1), evenly over takes."""
    hashed = hashlib.sha256(f"amadeus split {digest}".encode()).digest()
    return int.from_bytes(hashed[:8], "big") / 2**64
