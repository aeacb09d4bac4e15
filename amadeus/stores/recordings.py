"""Recordings that lie in buckets, brought to this machine once and kept by their content.

They come to `recordings/` of the home, where a studio keeps what was sent to it: each under its SHA-256, with a second
name that has its ending, for decoders that go by it. No path is ever made of a name in a bucket; names are shown to
people. Beside them stands where they came from (`from-...`), so that what has not changed in its bucket is not brought
again.
"""

import contextlib
import hashlib
import os
import re
import secrets
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from amadeus.audio.recordings import SUFFIXES
from amadeus.errors import RecordingError
from amadeus.home import explain_os_errors, write_atomically
from amadeus.personality.quoting import tame
from amadeus.stores.addresses import join, split
from amadeus.stores.folders import Limits, check_limits, check_room, digest_file
from amadeus.stores.opening import open_store
from amadeus.stores.parallel import in_parallel
from amadeus.stores.store import Entry, NotThereError, Store

_DIGEST = re.compile(r"[0-9a-f]{64}")
_MAX_NAME_BYTES = 200  # of a name that is laid out, its ending aside


@dataclass(frozen=True, kw_only=True)
class RecordingLimits(Limits):
    """What recordings from a bucket may cost: two days of stereo at 48 kHz and 24 bits."""

    max_bytes: int = 48 * 2**30
    max_file_bytes: int = 4 * 2**30
    max_files: int = 5_000


class Brought(NamedTuple):
    """A recording that was brought: where it is kept, and what it is called in its bucket."""

    path: Path
    name: str


class _Found(NamedTuple):
    """Recordings in a bucket, and where each is by the whole of its address."""

    store: Store
    entries: Sequence[Entry]

    def address(self, entry: Entry) -> str:
        return join(self.store.url, entry.key)


def bring_recordings(
    url: str,
    cache: Path,
    *,
    limits: RecordingLimits | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> list[Brought]:
    """Brings the recordings that a URL means: one object, or all of a folder, to any depth.

    Args:
      url: `gs://bucket/folder`, `s3://bucket/folder/take.flac` ...
      cache: Folder they are kept in; it is made.
      limits: What they may cost.
      say: Is told in a line what is brought, if anything is.

    Returns:
      The recordings, by their names in the bucket.

    Raises:
      ConfigError: The URL cannot be one.
      RecordingError: There is no recording.
      StoreError: The bucket cannot be read, or it is too much.
    """
    return _bring_all(_find(url), url, cache, limits, say)


def find_addresses(url: str) -> list[str]:
    """Lists where the recordings lie that a URL means, one object or all of a folder, and brings none of them.

    Raises:
      ConfigError: The URL cannot be one.
      RecordingError: There is no recording.
      StoreError: The bucket cannot be read.
    """
    found = _find(url)
    return [found.address(entry) for entry in found.entries]


def bring_file(
    url: str,
    cache: Path,
    *,
    limits: RecordingLimits | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Path:
    """Brings one object, whatever it is, as `bring_recordings` does.

    Raises:
      ConfigError: The URL cannot be one.
      RecordingError: There is no such object.
      StoreError: The bucket cannot be read, or it is too much.
    """
    found = _find_object(url)
    if found is None:
        raise RecordingError(
            f"there is no file {url}: name one that is there, not a folder."
        )
    (brought,) = _bring_all(found, url, cache, limits, say)
    return brought.path


@contextlib.contextmanager
def laid_out(brought: Sequence[Brought]) -> Iterator[list[Path]]:
    """Shows recordings under their own names for a while, to what goes by the names of files."""
    with tempfile.TemporaryDirectory(prefix="amadeus-recordings-") as folder:
        paths = []
        for number, (path, name) in enumerate(brought):
            # A folder for each, for names may be equal.
            shown = Path(folder, str(number), _fitting(name))
            shown.parent.mkdir()
            shown.symlink_to(path)
            paths.append(shown)
        yield paths


def _bring_all(
    found: _Found,
    url: str,
    cache: Path,
    limits: RecordingLimits | None,
    say: Callable[[str], None],
) -> list[Brought]:
    sizes = [entry.size for entry in found.entries]
    check_limits(sizes, limits or RecordingLimits(), url)
    with explain_os_errors(cache):
        cache.mkdir(parents=True, exist_ok=True)
        kept = [_kept(cache, found, entry) for entry in found.entries]
        missing = [
            entry for entry, path in zip(found.entries, kept, strict=True) if not path
        ]
        n_bytes = sum(entry.size for entry in missing)
        if missing:
            check_room(cache, n_bytes)
            n_files = f"{len(missing)} file{'s' if missing[1:] else ''}"
            say(f"bringing {n_files}, {n_bytes / 1e6:.1f} MB, from {url}")
        in_parallel(lambda entry: _bring(cache, found, entry), missing)
        return [_brought(cache, found, entry) for entry in found.entries]


def _brought(cache: Path, found: _Found, entry: Entry) -> Brought:
    path = _kept(cache, found, entry)
    if path is None:  # another size, or another program has just emptied the cache
        raise RecordingError(
            f"{found.address(entry)} changed or went away while it was brought: try again."
        )
    return Brought(path, tame(PurePosixPath(entry.key).name))


def _find_object(url: str) -> _Found | None:
    folder, name = split(url)
    above = open_store(folder)
    entry = above.stat(name) if name else None
    return _Found(above, [entry]) if entry is not None else None


def _find(url: str) -> _Found:
    if (found := _find_object(url)) is not None:
        return found
    store = open_store(url)
    entries = sorted(store.list())
    recordings = [entry for entry in entries if _is_recording(entry.key)]
    if not recordings:
        raise RecordingError(
            f"{url} holds no recordings ({len(entries)} other files): put sound files there; known suffixes are "
            f"{' '.join(sorted(SUFFIXES))}."
        )
    return _Found(store, recordings)


def _is_recording(key: str) -> bool:
    path = PurePosixPath(key)
    return _suffix(key) != "" and not any(part.startswith(".") for part in path.parts)


def _suffix(key: str) -> str:
    suffix = PurePosixPath(key).suffix.lower()
    return suffix if suffix in SUFFIXES else ""


def _note(cache: Path, found: _Found, entry: Entry) -> Path:
    """Names the file that says which content an object has, as long as it is this version."""
    words = "\n".join((found.address(entry), entry.version, str(entry.size)))
    return cache / f"from-{hashlib.sha256(words.encode()).hexdigest()}"


def _kept(cache: Path, found: _Found, entry: Entry) -> Path | None:
    """Finds an object that was brought before and is whole."""
    note = _note(cache, found, entry)
    with contextlib.suppress(OSError):
        digest = note.read_text().strip()
        if not _DIGEST.fullmatch(digest):
            return None
        plain = cache / digest
        if plain.stat().st_size == entry.size:
            os.utime(plain)  # studios forget what nobody used for long
            os.utime(note)
            return _with_suffix(plain, _suffix(entry.key))
    return None


def _bring(cache: Path, found: _Found, entry: Entry) -> None:
    scratch = _scratch(cache)
    try:
        digest = found.store.download(entry.key, scratch, max_bytes=entry.size)
        plain = cache / digest
        if not plain.exists() or digest_file(plain) != digest:
            scratch.replace(plain)
        _with_suffix(plain, _suffix(entry.key))
        write_atomically(_note(cache, found, entry), digest)
    except NotThereError as error:
        raise RecordingError(
            f"{found.address(entry)} went away while it was brought: try again."
        ) from error
    finally:
        scratch.unlink(missing_ok=True)


def _with_suffix(plain: Path, suffix: str) -> Path:
    """Gives a recording a second name; where it had one, that is there all the time."""
    path = plain.with_name(plain.name + suffix)
    with contextlib.suppress(FileNotFoundError):
        if path.samefile(plain):
            return path
    scratch = _scratch(plain.parent)
    try:
        os.link(plain, scratch)
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)  # what is renamed to itself stays
    return path


def _scratch(cache: Path) -> Path:
    return cache / f".bringing-{os.getpid()}-{secrets.token_hex(8)}"


def _fitting(name: str) -> str:
    """Shortens a name to what disks take."""
    suffix = _suffix(name)
    stem = name.removesuffix(suffix) if suffix else name
    stem = stem.encode()[:_MAX_NAME_BYTES].decode(errors="ignore").replace("/", "?")
    return f"{stem.strip('.') or 'recording'}{suffix}"
