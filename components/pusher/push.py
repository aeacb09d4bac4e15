"""Putting a voice where it is played: whole, under a number of its own, by one rename.

A folder of voices is a TF Serving base path: a server reads every child whose name is a number.
So a voice is prepared under a name that is none, written through to the disk, and renamed.
"""

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from amadeus.errors import VoiceError
from amadeus.home import explain_os_errors
from amadeus.personality import content
from amadeus.v1 import personality_pb2

STAGING_PREFIX = ".staging-"
UUID_NAME = "mlmd_uuid"  # TF Serving exports what stands in assets.extra/mlmd_uuid


class Pushed(NamedTuple):
    """A voice in its place."""

    path: Path
    personality: personality_pb2.Personality
    mlmd_uuid: str


def push(
    model_path: Path, voices_path: Path, personality: personality_pb2.Personality
) -> Pushed:
    """Copies a voice into a folder of voices as its next generation.

    A voice that is there already, by digest, is found and not copied: a practice that was killed
    between the push and its record does not push twice.

    Args:
      model_path: SavedModel to push.
      voices_path: Folder of generations.
      personality: Who the voice is; its generation is filled in here.

    Raises:
      HomeError: The folder cannot be written.
    """
    with explain_os_errors(voices_path):
        voices_path.mkdir(parents=True, exist_ok=True)
        _sweep(voices_path)
        known = _find(voices_path, personality.digest)
        return known or _copy(model_path, voices_path, personality)


def mlmd_uuid(personality: personality_pb2.Personality) -> str:
    """Names a generation of a deu for ML Metadata and for TF Serving's metrics."""
    name = f"amadeus:{personality.deu}/{personality.generation}/{personality.digest}"
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


def _find(voices_path: Path, digest: str) -> Pushed | None:
    for generation in reversed(_generations(voices_path)):
        path = voices_path / str(generation)
        with contextlib.suppress(VoiceError):  # what is damaged cannot be the same
            found = content.read_personality(path)
            if found.digest == digest:
                return Pushed(path, found, mlmd_uuid(found))
    return None


def _copy(
    model_path: Path, voices_path: Path, personality: personality_pb2.Personality
) -> Pushed:
    staging = voices_path / f"{STAGING_PREFIX}{os.getpid()}"
    try:
        shutil.copytree(model_path, staging)
        while True:
            final = personality_pb2.Personality()
            final.CopyFrom(personality)
            final.generation = max(_generations(voices_path), default=0) + 1
            _sign(staging, final)
            target = voices_path / str(final.generation)
            if _rename_to_new(staging, target):
                _sync(voices_path)
                return Pushed(target, final, mlmd_uuid(final))
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _sign(staging: Path, personality: personality_pb2.Personality) -> None:
    content.write_personality(staging, personality)
    (staging / content.EXTRAS_FOLDER / UUID_NAME).write_text(mlmd_uuid(personality))
    for path in [*staging.rglob("*"), staging]:
        _sync(path)


def _rename_to_new(staging: Path, target: Path) -> bool:
    """Renames, unless someone has just taken that number."""
    if target.exists():
        return False
    try:
        staging.rename(target)
    except OSError:
        if target.exists():
            return False
        raise
    return True


def _generations(voices_path: Path) -> list[int]:
    names = (entry.name for entry in voices_path.iterdir())
    return sorted(int(name) for name in names if name.isdecimal())


def _sweep(voices_path: Path) -> None:
    """Removes what a killed push has left behind."""
    for path in voices_path.glob(f"{STAGING_PREFIX}*"):
        if not _is_alive(path.name.removeprefix(STAGING_PREFIX)):
            shutil.rmtree(path)


def _is_alive(pid: str) -> bool:
    if not pid.isdecimal() or int(pid) == os.getpid():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _sync(path: Path) -> None:
    with _opened(path) as descriptor:
        os.fsync(descriptor)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
