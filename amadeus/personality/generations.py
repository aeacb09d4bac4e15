"""Putting a voice where it is played: whole, under a number of its own, by one rename.

A folder of voices is a TF Serving base path: a server reads every child whose name is a number. So a voice is
prepared under a name that is none, written through to the disk, and renamed. Who prepares holds a lock on that folder
(flock, so that it ends with the process): what is not locked was left by one that was killed, and is removed.
"""

import contextlib
import fcntl
import os
import secrets
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from amadeus.home import PRUNED_NAME
from amadeus.personality import content
from amadeus.v1 import personality_pb2

STAGING_PREFIX = ".staging-"
UUID_NAME = "mlmd_uuid"  # TF Serving exports what stands in assets.extra/mlmd_uuid


class Placed(NamedTuple):
    """A voice in its place."""

    path: Path
    personality: personality_pb2.Personality
    mlmd_uuid: str


def mlmd_uuid(personality: personality_pb2.Personality) -> str:
    """Names a generation of a deu for ML Metadata and for TF Serving's metrics."""
    name = f"amadeus:{personality.deu}/{personality.generation}/{personality.digest}"
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


@contextlib.contextmanager
def staged(voices_path: Path) -> Iterator[Path]:
    """Makes an empty folder among the voices that no server reads, and removes it in the end."""
    voices_path.mkdir(parents=True, exist_ok=True)
    _sweep(voices_path)
    staging = voices_path / f"{STAGING_PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
    with _locked_folder(staging):
        try:
            yield staging
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def place(
    prepared: Path,
    voices_path: Path,
    personality: personality_pb2.Personality,
    *,
    wanted: int = 0,
) -> Placed:
    """Makes a prepared voice the next generation.

    Args:
      prepared: SavedModel on the disk of the voices; it is renamed, not copied.
      voices_path: Folder of generations.
      personality: Who the voice is; its generation is filled in here.
      wanted: A number to have instead, if nobody ever had it here; 0: none.
    """
    while True:
        final = personality_pb2.Personality()
        final.CopyFrom(personality)
        taken = _taken(voices_path)
        is_free = wanted and wanted not in taken
        final.generation = wanted if is_free else max(taken, default=0) + 1
        _sign(prepared, final)
        target = voices_path / str(final.generation)
        if _rename_to_new(prepared, target):
            _sync(voices_path)
            return Placed(target, final, mlmd_uuid(final))


def _sign(prepared: Path, personality: personality_pb2.Personality) -> None:
    content.write_personality(prepared, personality)
    (prepared / content.EXTRAS_FOLDER / UUID_NAME).write_text(mlmd_uuid(personality))
    for path in [*prepared.rglob("*"), prepared]:
        _sync(path)


def _rename_to_new(prepared: Path, target: Path) -> bool:
    """Renames, unless someone has just taken that number."""
    if target.exists():
        return False
    try:
        prepared.rename(target)
    except OSError:
        if target.exists():
            return False
        raise
    return True


def _taken(voices_path: Path) -> set[int]:
    """Finds the numbers that were ever taken: those of pruned generations are not given again."""
    pruned_path = voices_path.parent / PRUNED_NAME
    names = [entry.name for entry in voices_path.iterdir()]
    names += [path.stem for path in pruned_path.glob("*.json")]
    return {int(name) for name in names if name.isdecimal()}


@contextlib.contextmanager
def _locked_folder(path: Path) -> Iterator[None]:
    while True:
        path.mkdir(exist_ok=True)
        with _opened(path) as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_still(path, descriptor):
                yield
                return
        # swept between its making and its locking: once more


def _sweep(voices_path: Path) -> None:
    """Removes what killed processes have left behind."""
    for path in voices_path.glob(f"{STAGING_PREFIX}*"):
        with contextlib.suppress(FileNotFoundError), _opened(path) as descriptor:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(path, ignore_errors=True)


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


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
