"""Putting a voice where it is played: whole, under a number of its own, by one rename.

A folder of voices is a TF Serving base path: a server reads every child whose name is a number. So a voice is
prepared under a name that is none, written through to the disk, and renamed. Who prepares holds a lock on a file beside
that folder (flock, so that it ends with the process; on a file open for writing, for over NFS a folder's lock does not
reach other machines): what is not locked was left by one that was killed, and is removed. A worker of a studio names
what it prepares by its claim, and passes the fence (`amadeus.fence`) before the rename.
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

from amadeus import fence
from amadeus.home import PRUNED_NAME
from amadeus.personality import content
from amadeus.v1 import personality_pb2

STAGING_PREFIX, LOCK_SUFFIX = ".staging-", ".lock"
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
    """Makes an empty folder among the voices that no server reads, and removes it in the end.

    Raises:
      PracticeError: It was taken away, for another has taken the practice over.
    """
    voices_path.mkdir(parents=True, exist_ok=True)
    _sweep(voices_path)
    staging = voices_path / f"{STAGING_PREFIX}{fence.mark()}-{secrets.token_hex(4)}"
    with _holding(_lock_of(staging)):
        staging.mkdir()
        try:
            yield staging
        except OSError:
            if fence.own_claim() is not None and not staging.exists():
                raise fence.lost() from None
            raise
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

    Raises:
      PracticeError: This is a worker whose practice another has taken over.
    """
    while True:
        final = personality_pb2.Personality()
        final.CopyFrom(personality)
        taken = _taken(voices_path)
        is_free = wanted and wanted not in taken
        final.generation = wanted if is_free else max(taken, default=0) + 1
        _sign(prepared, final)
        target = voices_path / str(final.generation)
        with fence.passed():
            is_placed = _rename_to_new(prepared, target)
        if is_placed:
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
def _holding(lock: Path) -> Iterator[None]:
    while True:
        with lock.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if _is_still(lock, file.fileno()):
                try:
                    yield
                finally:
                    lock.unlink(missing_ok=True)
                return
        # swept between its making and its locking: once more


def _sweep(voices_path: Path) -> None:
    """Removes what killed processes have left behind."""
    for path in voices_path.glob(f"{STAGING_PREFIX}*"):
        if path.suffix == LOCK_SUFFIX:
            _sweep_locked(path)
        elif not _lock_of(path).exists():  # it is there as long as its folder is
            shutil.rmtree(path, ignore_errors=True)


def _sweep_locked(lock: Path) -> None:
    with contextlib.suppress(FileNotFoundError), lock.open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
        lock.unlink(missing_ok=True)


def _lock_of(staging: Path) -> Path:
    return staging.with_name(staging.name + LOCK_SUFFIX)


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
