"""Which takes there are, and who they are.

A take is known by the SHA-256 of its bytes. The same bytes are one take, whatever their file is called. What nobody can
read has no digest; it goes along, to be counted where takes are listened to (`looking.py`).
"""

import contextlib
import hashlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from amadeus.audio import recordings
from amadeus.errors import RecordingError, legible
from amadeus.journal import emit
from amadeus.stores.addresses import is_url
from amadeus.v1 import practice_pb2
from components.audio_example_gen import sources
from components.audio_example_gen.nearby import nearby

_SETTLED_NS = (
    2_000_000_000  # within this time a second change may not show in a file's times
)


class Take(NamedTuple):
    """A recording.

    Attributes:
      uri: Where it lies.
      name: What it is called, as any terminal takes it.
      digest: SHA-256 of its bytes; empty where they cannot be read.
    """

    uri: str
    name: str
    digest: str


class Gathered(NamedTuple):
    """The takes of a practice, each once.

    Attributes:
      takes: Recordings.
      duplicates: Names that meant one of them again, as `(left out, used)`.
      sets: Notes of data sets.
    """

    takes: list[Take]
    duplicates: list[tuple[str, str]]
    sets: list[sources.Gathered]


def gather(uris: Sequence[str], names: Sequence[str] = ()) -> Gathered:
    """Digests recordings and drops those that are there already.

    Args:
      uris: Where they lie: paths, objects in buckets, data sets.
      names: What to call them, one for each; none means by their file names.

    Raises:
      RecordingError: There is none, or a data set cannot be read.
      StoreError: A bucket cannot be read.
    """
    if not uris:
        raise RecordingError(
            "a practice was started without recordings: name sound files, folders or globs."
        )
    used: dict[str, Take] = {}
    gathered = Gathered([], [], [])
    for uri, name in zip(uris, names or map(_file_name, uris), strict=True):
        if sources.is_dataset(uri):
            gathered.sets.append(sources.gather(uri))
            continue
        take = Take(uri, legible(name), _digest(uri))
        if take.digest in used:
            gathered.duplicates.append((take.name, used[take.digest].name))
            continue
        gathered.takes.append(take)
        if take.digest:
            used[take.digest] = take
    return gathered


def warn_of_duplicates(duplicates: list[tuple[str, str]]) -> None:
    """Tells the journal of names that mean a take once more, as `(left out, used)`."""
    if not duplicates:
        return
    left_out, used = duplicates[0]
    others = f" (and {len(duplicates) - 1} more like it)" if duplicates[1:] else ""
    text = f"{left_out} holds the same bytes as {used}{others}: the same take is learned from once."
    emit(warning=practice_pb2.Warning(text=text))


def fingerprint(gathered: Gathered) -> str:
    """Digests the content and the names of all takes; neither times nor folders count."""
    lines = [f"{take.digest} {take.name}\n" for take in gathered.takes]
    lines += [
        f"{found.facts['content']} {found.facts['dataset']}\n"
        for found in gathered.sets
    ]
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


@contextlib.contextmanager
def held(take: Take) -> Iterator[Path]:
    """Yields a path at which the bytes of a take lie from beginning to end: those its digest names.

    Raises:
      RecordingError: They are others, or become others or go away meanwhile. Without a fault of the recording, for that
        is an accident, and a practice that skipped it would be kept as if it had learned from this take.
    """
    with _brought(take.uri) as path:
        before = _stamp(take, path)
        _check_bytes(take, path)
        try:
            with _in_reach(take):
                yield path
        except RecordingError:
            _check_same(take, path, before)
            raise
        _check_same(take, path, before)


@contextlib.contextmanager
def _brought(uri: str) -> Iterator[Path]:
    if not _is_far(uri):
        yield recordings.to_path(uri)
        return
    with nearby(uri) as place:
        yield Path(place)


def _is_far(uri: str) -> bool:
    """Tells an object in a bucket from a path, also from one that had to be written as a `file:` URI."""
    return is_url(uri) and not uri.startswith("file:")


def _check_same(take: Take, path: Path, before: recordings.Stamp) -> None:
    if _stamp(take, path) != before:
        raise _changed(take)
    if time.time_ns() - before.changed_ns < _SETTLED_NS:
        _check_bytes(take, path)


def _check_bytes(take: Take, path: Path) -> None:
    with _in_reach(take):
        digest = recordings.content_digest(path)
    if digest != take.digest:
        raise _changed(take)


def _stamp(take: Take, path: Path) -> recordings.Stamp:
    with _in_reach(take):
        return recordings.stamp(path)


@contextlib.contextmanager
def _in_reach(take: Take) -> Iterator[None]:
    """Tells what was digested and is out of reach just now from what nobody could ever read."""
    try:
        yield
    except RecordingError as error:
        if not take.digest or error.fault != "unreadable":
            raise
        raise RecordingError(
            f"{take.name} went away while the practice read it ({error}): put it back or leave it out, then start the "
            "practice again."
        ) from error


def _changed(take: Take) -> RecordingError:
    return RecordingError(
        f"{take.name} changed while the practice read it: wait until it is written, then start the practice again."
    )


def _digest(uri: str) -> str:
    """Digests what lies at a uri; nothing where it cannot be read."""
    try:
        if not _is_far(uri):
            return recordings.known_digest(recordings.to_path(uri))
        with nearby(uri) as place:
            return recordings.content_digest(place)
    except RecordingError as error:
        if error.fault is None:
            raise
        return ""


def _file_name(uri: str) -> str:
    return recordings.to_path(uri).name
