"""Which files an ama means, and who they are.

A path goes into protos and JSON as it is, or, where its bytes are no UTF-8, as a `file:` URI.
"""

import functools
import glob
import hashlib
import os
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from amadeus.errors import RecordingError, RecordingFault

SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("wav", "wave", "w64", "rf64", "aif", "aiff", "aifc", "caf", "au", "snd"),
        *("flac", "ogg", "oga", "opus", "mp3", "aac", "m4a", "m4b", "mp4", "mov"),
        *("webm", "mka", "mkv", "wma", "wv", "ape", "tta", "ac3", "amr", "dsf"),
    )
)
"""Suffixes that make a file in a folder a recording; a file that is named itself needs none."""

_CHUNK_BYTES = 1 << 20
_FILE_SCHEME = "file://"
_SETTLED_S = 2.0  # after this time a change shows in the times of a file, however coarse its disk's clock
_MAX_KNOWN = 1 << 18


class Stamp(NamedTuple):
    """What of a file changes whenever its bytes do: any write sets `changed_ns`, which nobody can set back."""

    device: int
    inode: int
    n_bytes: int
    modified_ns: int
    changed_ns: int


def find_recordings(arguments: Sequence[str | Path]) -> list[Path]:
    """Finds the recordings that files, folders and globs mean.

    Folders are searched to any depth for known suffixes; hidden files and folders are left out.

    Args:
      arguments: Files, folders and globs (`**` crosses folders).

    Returns:
      Absolute paths, sorted, each once even where arguments or links overlap.

    Raises:
      RecordingError: An argument means no recording, or a folder cannot be read.
    """
    if not arguments:
        raise RecordingError(
            "no recordings were given: name sound files, folders or globs."
        )
    found = {path for word in arguments for path in _find(str(word))}
    return sorted(found, key=lambda path: path.parts)


def to_uri(path: Path | str) -> str:
    """Writes a path as protos take it."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return Path(path).absolute().as_uri()
    return str(path)


def to_path(uri: str) -> Path:
    """Reads what `to_uri` wrote."""
    if uri.startswith(_FILE_SCHEME):
        return Path(os.fsdecode(unquote_to_bytes(uri.removeprefix(_FILE_SCHEME))))
    return Path(uri)


def stamp(path: Path | str) -> Stamp:
    """Reads the times and the size of a file.

    Raises:
      RecordingError: It is not there, or no file: a pipe would be waited for without end.
    """
    try:
        found = os.stat(path)
    except OSError as error:
        raise _cannot_read(path, error) from error
    if not stat.S_ISREG(found.st_mode):
        raise RecordingError(
            f"{path} is no file but a {_kind(found.st_mode)}: give a sound file, or leave it out.",
            fault="unreadable",
        )
    return Stamp(
        *(found.st_dev, found.st_ino, found.st_size),
        *(found.st_mtime_ns, found.st_ctime_ns),
    )


def content_digest(path: Path | str) -> str:
    """Digests the bytes of a file: SHA-256 in 64 hexadecimal digits, whatever its name or time.

    Raises:
      RecordingError: It cannot be read, or is no file.
    """
    stamp(path)
    digest = hashlib.sha256()
    try:
        with Path(path).open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise _cannot_read(path, error) from error
    return digest.hexdigest()


def known_digest(path: Path | str) -> str:
    """Digests a file as `content_digest` does, once for as long as it does not change.

    Raises:
      RecordingError: It cannot be read, or is no file.
    """
    seen = stamp(path)
    if time.time() - max(seen.modified_ns, seen.changed_ns) / 1e9 < _SETTLED_S:
        return content_digest(path)
    return _digest_at(os.fspath(path), seen)


@functools.lru_cache(maxsize=_MAX_KNOWN)
def _digest_at(path: str, _seen: Stamp) -> str:
    return content_digest(path)


def _find(word: str) -> Iterable[Path]:
    path = Path(word).expanduser()
    if path.is_dir():
        return _search(path)
    if os.path.lexists(path):
        return [_resolve(path)]
    if not glob.has_magic(word):
        raise RecordingError(
            f"there is no {word}: name sound files, folders or globs that exist."
        )
    matches = [Path(match) for match in glob.glob(str(path), recursive=True)]
    files = [match for match in matches if _is_recording(match) and not match.is_dir()]
    if not files:
        raise RecordingError(
            f"{word} matches no recordings ({len(matches)} other files): known suffixes are {_suffixes()}."
        )
    return map(_resolve, files)


def _search(folder: Path) -> list[Path]:
    found = list(_walk(str(folder.resolve())))
    if not found:
        raise RecordingError(
            f"{folder} holds no recordings: put sound files there; known suffixes are {_suffixes()}."
        )
    return found


def _walk(top: str) -> Iterator[Path]:
    """Yields the recordings below a folder; a folder that is a link is not entered, so nothing turns in circles.

    A folder that cannot be read stops: nobody can say how many takes are in it.
    """
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError as error:
            raise _cannot_read(folder, error, fault=None) from error
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
            elif _has_suffix(entry.name):
                yield from _linked(entry) if entry.is_symlink() else [Path(entry.path)]


def _linked(entry: os.DirEntry[str]) -> list[Path]:
    is_folder = os.path.isdir(entry.path)
    return [] if is_folder else [_resolve(Path(entry.path))]


def _resolve(path: Path) -> Path:
    """Follows links; one that leads nowhere, or in a circle, stays what it is, for whoever reads it to say so."""
    try:
        return path.resolve(strict=True)
    except (OSError, RuntimeError):  # the latter: a circle
        return Path(os.path.abspath(path))


def _is_recording(path: Path) -> bool:
    return _has_suffix(path.name) and not path.name.startswith(".")


def _has_suffix(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in SUFFIXES


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFDIR: "folder",
        stat.S_IFIFO: "pipe",
        stat.S_IFSOCK: "socket",
        stat.S_IFCHR: "device",
        stat.S_IFBLK: "device",
    }
    return kinds.get(stat.S_IFMT(mode), "thing of another kind")


def _cannot_read(
    path: Path | str,
    error: OSError,
    *,
    fault: RecordingFault | None = "unreadable",
) -> RecordingError:
    return RecordingError(
        f"cannot read {path}: {error.strerror or error}; check the name and its read rights.",
        fault=fault,
    )


def _suffixes() -> str:
    return " ".join(sorted(SUFFIXES))
