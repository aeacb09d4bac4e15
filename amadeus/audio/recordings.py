"""Which files an ama means, and who they are."""

import glob
import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from amadeus.errors import RecordingError

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
    return sorted({path.resolve() for word in arguments for path in _find(str(word))})


def content_digest(path: Path | str) -> str:
    """Digests the bytes of a file: SHA-256 in 64 hexadecimal digits, whatever its name or time.

    Raises:
      RecordingError: It cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with Path(path).open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise RecordingError(_cannot_read(path, error)) from error
    return digest.hexdigest()


def _find(word: str) -> Iterable[Path]:
    path = Path(word).expanduser()
    if path.is_dir():
        return _search(path)
    if path.exists():
        return [path]
    if not glob.has_magic(word):
        raise RecordingError(
            f"there is no {word}: name sound files, folders or globs that exist."
        )
    matches = [Path(match) for match in glob.glob(str(path), recursive=True)]
    files = [match for match in matches if match.is_file() and _is_recording(match)]
    if not files:
        raise RecordingError(
            f"{word} matches no recordings ({len(matches)} other files): known suffixes are {_suffixes()}."
        )
    return files


def _search(folder: Path) -> list[Path]:
    def refuse(error: OSError) -> None:
        raise RecordingError(_cannot_read(error.filename, error)) from error

    found = []
    for root, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(root, name) for name in names if _is_recording(Path(name))]
    if not found:
        raise RecordingError(
            f"{folder} holds no recordings: put sound files there; known suffixes are {_suffixes()}."
        )
    return found


def _is_recording(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def _cannot_read(path: Path | str, error: OSError) -> str:
    return f"cannot read {path}: {error.strerror or error}; check the name and its read rights."


def _suffixes() -> str:
    return " ".join(sorted(SUFFIXES))
