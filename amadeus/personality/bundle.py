"""The `.deu` bundle: a personality as one file that travels.

A bundle is a zip (`archive.py`) of `manifest.json` and the files of a SavedModel: graph, variables and
`assets.extra/personality.json`. The manifest names the version of the format and the size and SHA-256 of every file.
What belongs to a place and not to the personality stays behind: the number of the generation, which each home counts
for itself, and `mlmd_uuid`, which is made from it. So a personality gives the same bytes wherever it is exported under
the same name.

Where the lineage is known it comes along as `assets.extra/lineage.json` (`pedigree.py`), and the bundle is of version
2; without it, of version 1, as all were before.

Versions: a bundle of another version is refused, and so are fields of a personality that this Amadeus does not know,
for it could not tell whether they change the sound; who adds files or changes their meaning counts up.

Deflate halves a voice of preset live: its graph shrinks to a third, its weights hardly. Stronger packing would win a
tenth and need a library on every side.
"""

import contextlib
import hashlib
import io
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NamedTuple

from google.protobuf import json_format

from amadeus.errors import BundleError, BundleTooLargeError, VoiceError
from amadeus.home import explain_os_errors
from amadeus.personality import archive, content, inspection, pedigree, weights
from amadeus.personality.quoting import tame
from amadeus.v1 import personality_pb2

FORMAT = "amadeus.deu"
VERSION, VERSION_WITH_LINEAGE = 1, 2
SUFFIX = ".deu"
MANIFEST_NAME = "manifest.json"
PERSONALITY_NAME = f"{content.EXTRAS_FOLDER}/{content.PERSONALITY_NAME}"
LINEAGE_NAME = f"{content.EXTRAS_FOLDER}/{pedigree.FILE_NAME}"

Check = Callable[[Path], personality_pb2.Personality]

_KIB, _MIB = 2**10, 2**20

# All files a bundle may hold, each with the most bytes it may have; in the order of writing.
_MAX_BYTES = {
    PERSONALITY_NAME: _MIB,
    LINEAGE_NAME: pedigree.MAX_BYTES,
    "fingerprint.pb": 64 * _KIB,
    "saved_model.pb": 64 * _MIB,
    f"variables/{weights.INDEX_NAME}": weights.MAX_INDEX_BYTES,
    f"variables/{weights.DATA_NAME}": 1024 * _MIB,
}
_OPTIONAL = {"fingerprint.pb", LINEAGE_NAME}
_MAX_MANIFEST_BYTES = 64 * _KIB
_CHUNK = 2**18


@dataclass(frozen=True, kw_only=True)
class BundleLimits:
    """What a bundle may cost whoever takes it; the largest voices of the presets need a tenth.

    Attributes:
      max_bundle_bytes: Size of the file.
      max_content_bytes: Size of all files in it, unpacked.
      max_ratio: Unpacked over packed size of a file; graphs reach 8.
    """

    max_bundle_bytes: int = 256 * _MIB
    max_content_bytes: int = 512 * _MIB
    max_ratio: float = 100.0


class _Entry(NamedTuple):
    """A file as the manifest names it."""

    path: str
    size: int
    sha256: str


def write_bundle(
    voice_path: Path, target: Path | BinaryIO, *, lineage: bytes | None = None
) -> None:
    """Writes the voice in a folder as a bundle, after making sure that it is the one its digest names.

    Args:
      voice_path: SavedModel folder.
      target: File to write, which appears whole or not at all; or one that is open and can seek.
      lineage: What `pedigree.write_pedigree` wrote of it; None: it travels without.

    Raises:
      VoiceError: The voice is missing, damaged or foreign.
      HomeError: The file cannot be written.
    """
    personality = content.read_personality(voice_path)
    _check_own(voice_path, personality)
    if not isinstance(target, Path):
        _write(voice_path, personality, lineage, target)
        return
    scratch = target.with_name(
        f".{target.name}.new-{os.getpid()}-{secrets.token_hex(4)}"
    )
    with explain_os_errors(target):
        try:
            with scratch.open("xb") as file:
                _write(voice_path, personality, lineage, file)
            scratch.replace(target)
        finally:
            scratch.unlink(missing_ok=True)


def read_bundle(
    source: Path | BinaryIO,
    target: Path,
    *,
    limits: BundleLimits | None = None,
    check: Check = inspection.check_voice,
) -> personality_pb2.Personality:
    """Unpacks a bundle into a folder of its own, which appears only if all of it may be played.

    Args:
      source: The bundle; if open, able to seek.
      target: Folder to make, a SavedModel; its parent must be there, and it must not.
      limits: What it may cost.
      check: Looks at what was unpacked before it appears; for those who have it done by another process.

    Returns:
      Who it is; its generation is 0 until a home counts it.

    Raises:
      BundleError: It is damaged, foreign or dangerous; BundleTooLargeError where it is too large.
      HomeError: The folder cannot be written.
    """
    limits = limits or BundleLimits()
    scratch = target.with_name(
        f".{target.name}.new-{os.getpid()}-{secrets.token_hex(4)}"
    )
    with explain_os_errors(target), contextlib.ExitStack() as stack:
        file = source
        if isinstance(file, Path):
            file = stack.enter_context(_opened(file))
        found = _check_members(file, limits)
        scratch.mkdir()
        stack.callback(shutil.rmtree, scratch, ignore_errors=True)
        _unpack(file, found, scratch)
        personality = check(scratch)
        pedigree.check_pedigree(scratch, personality)
        scratch.rename(target)
    return personality


def _check_own(voice_path: Path, personality: personality_pb2.Personality) -> None:
    try:
        inspection.check_identity(personality)
        values = weights.read_weights(voice_path / "variables")
        inspection.check_digest(personality, values)
    except BundleError as error:
        raise VoiceError(
            f"the voice in {voice_path} is not the one its digest names: it is damaged, was changed, or comes from "
            "another version of Amadeus; name another generation, or practise again."
        ) from error


def _write(
    voice_path: Path,
    personality: personality_pb2.Personality,
    lineage: bytes | None,
    target: BinaryIO,
) -> None:
    with contextlib.ExitStack() as stack:
        files: dict[str, BinaryIO] = {}
        for path in _MAX_BYTES:
            if path == PERSONALITY_NAME:
                files[path] = io.BytesIO(_canonical(personality))
            elif path == LINEAGE_NAME:
                if lineage is not None:
                    files[path] = io.BytesIO(lineage)
            elif path not in _OPTIONAL or (voice_path / path).exists():
                files[path] = stack.enter_context((voice_path / path).open("rb"))
        manifest = _manifest([_describe(path, file) for path, file in files.items()])
        archive.pack(target, [(MANIFEST_NAME, io.BytesIO(manifest)), *files.items()])


def _canonical(personality: personality_pb2.Personality) -> bytes:
    """Writes who a voice is without what belongs to this home."""
    travelling = personality_pb2.Personality()
    travelling.CopyFrom(personality)
    travelling.ClearField("generation")
    fields = json_format.MessageToDict(travelling, preserving_proto_field_name=True)
    return json.dumps(fields, sort_keys=True, indent=1).encode()


def _describe(path: str, file: BinaryIO) -> _Entry:
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    size = file.tell()
    file.seek(0)
    return _Entry(path, size, digest.hexdigest())


def _manifest(entries: list[_Entry]) -> bytes:
    rows = [entry._asdict() for entry in entries]
    has_lineage = any(entry.path == LINEAGE_NAME for entry in entries)
    version = VERSION_WITH_LINEAGE if has_lineage else VERSION
    return json.dumps(
        {"format": FORMAT, "version": version, "entries": rows}, indent=1
    ).encode()


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise BundleError(
            f"{path} cannot be read: {error.strerror}; name a {SUFFIX} file."
        ) from error
    with file:
        yield file


def _check_members(
    file: BinaryIO, limits: BundleLimits
) -> list[tuple[archive.Member, _Entry]]:
    """Reads directory and manifest, and makes sure that they say the same and not too much."""
    n_bytes = file.seek(0, io.SEEK_END)
    if n_bytes > limits.max_bundle_bytes:
        raise _too_large("the bundle", n_bytes, limits.max_bundle_bytes)
    members = archive.members(file)
    if not members or members[0].name != MANIFEST_NAME:
        raise _refused(f"it does not begin with {MANIFEST_NAME}")
    entries = _read_manifest(file, members[0])
    found = list(zip(members[1:], entries, strict=False))
    if len(members) != len(entries) + 1 or any(m.name != e.path for m, e in found):
        raise _refused(f"{MANIFEST_NAME} names other files than it holds")
    _check_paths([entry.path for entry in entries])
    for member, entry in found:
        if member.size != entry.size:
            raise _refused(f"{entry.path} has two different sizes")
        _check_size(member, limits)
    total = sum(entry.size for entry in entries)
    if total > limits.max_content_bytes:
        raise _too_large("what it holds", total, limits.max_content_bytes)
    return found


def _read_manifest(file: BinaryIO, member: archive.Member) -> list[_Entry]:
    if member.size > _MAX_MANIFEST_BYTES:
        raise _too_large(MANIFEST_NAME, member.size, _MAX_MANIFEST_BYTES)
    try:
        manifest = json.loads(b"".join(archive.unpack(file, member)).decode("ascii"))
        kind, version = manifest["format"], manifest["version"]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise _refused(f"its {MANIFEST_NAME} cannot be read") from error
    if kind != FORMAT or type(version) is not int:
        raise _refused(f"its {MANIFEST_NAME} is of another kind")
    if version not in (VERSION, VERSION_WITH_LINEAGE):
        raise BundleError(
            f"the bundle is of version {tame(str(version))} and this Amadeus reads up to version "
            f"{VERSION_WITH_LINEAGE}: update the older."
        )
    rows = manifest.get("entries")
    if not isinstance(rows, list) or set(manifest) != {"format", "version", "entries"}:
        raise _refused(f"its {MANIFEST_NAME} is incomplete")
    entries = [_entry(row) for row in rows]
    if version == VERSION and any(entry.path == LINEAGE_NAME for entry in entries):
        raise _refused(f"{LINEAGE_NAME} does not belong to version {VERSION}")
    return entries


def _entry(row: Any) -> _Entry:
    if not isinstance(row, dict) or set(row) != set(_Entry._fields):
        raise _refused(f"its {MANIFEST_NAME} describes a file incompletely")
    entry = _Entry(**row)
    kinds = tuple(type(value) for value in entry)
    if kinds != (str, int, str) or entry.size < 0:
        raise _refused(f"its {MANIFEST_NAME} describes a file wrongly")
    return entry


def _check_paths(paths: list[str]) -> None:
    for path in paths:
        parts = PurePosixPath(path).parts
        if path.startswith("/") or "\\" in path or ".." in parts:
            raise _refused(f"{path[:80]!r} leads out of it")
        if path not in _MAX_BYTES:
            raise _refused(f"{path[:80]!r} does not belong to a voice")
    if len({path.casefold() for path in paths}) != len(paths):
        raise _refused("it holds a file twice")
    missing = _MAX_BYTES.keys() - set(paths) - _OPTIONAL
    if missing:
        raise _refused(f"{min(missing)} is missing")


def _check_size(member: archive.Member, limits: BundleLimits) -> None:
    if member.size > _MAX_BYTES[member.name]:
        raise _too_large(member.name, member.size, _MAX_BYTES[member.name])
    if member.size > limits.max_ratio * max(member.packed_size, _KIB):
        raise _refused(
            f"{member.name} would grow from {member.packed_size} to {member.size} bytes"
        )


def _unpack(
    file: BinaryIO, found: list[tuple[archive.Member, _Entry]], folder: Path
) -> None:
    for member, entry in found:
        path = folder / entry.path
        path.parent.mkdir(exist_ok=True)
        digest = hashlib.sha256()
        with path.open("xb") as output:
            for chunk in archive.unpack(file, member):
                digest.update(chunk)
                output.write(chunk)
        if digest.hexdigest() != entry.sha256:
            raise _refused(f"{entry.path} has not the SHA-256 that is written for it")


def _too_large(what: str, n_bytes: int, limit: int) -> BundleTooLargeError:
    return BundleTooLargeError(
        f"{what} has {n_bytes} bytes and at most {limit} are taken: raise the limit if you trust where it comes from."
    )


def _refused(what: str) -> BundleError:
    return BundleError(
        f"this is no bundle of a voice, or a damaged one: {tame(what)}; ask for it again where it comes from."
    )
