"""Folders of records that appear when they are whole: `OUT.part` becomes `OUT`."""

import contextlib
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from amadeus.errors import ConfigError, HomeError
from amadeus.stores.addresses import is_url

INDEX_NAME = "index.json"
"""Says what the files of a folder hold; written last."""


def read_target(word: str) -> Path:
    """Reads the name of a folder that is to be made.

    Raises:
      ConfigError: It lies in a bucket, or what `check_target` raises.
    """
    if is_url(word):
        raise ConfigError(
            f"{word} is in a bucket: write into a folder of this machine, and copy that."
        )
    target = Path(word).expanduser()
    check_target(target)
    return target


def check_target(target: Path) -> None:
    """Makes sure that there is nothing yet.

    Raises:
      ConfigError: Something is there, or the folder it would be in is not there.
    """
    if not target.parent.is_dir():
        raise ConfigError(
            f"cannot write {target}: there is no folder {target.parent}; make it first."
        )
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        held = "notes" if (target / INDEX_NAME).is_file() else "something else"
        raise ConfigError(
            f"{target} is there already and holds {held}: name a folder that is not there, or remove it first."
        )


def scratch_of(target: Path) -> Path:
    """Names the folder of what is not whole yet."""
    return target.with_name(f"{target.name}.part")


@contextlib.contextmanager
def appearing(target: Path) -> Iterator[Path]:
    """Hands out a folder to write into, which becomes `target` in the end, without its hidden files.

    One process at a time may write it; what a killed one left is removed first. Where writing fails, nothing is left.

    Raises:
      ConfigError: Another process writes it, or what `check_target` raises.
      HomeError: The disk is full, or lacks rights.
    """
    check_target(target)
    folder = scratch_of(target)
    try:
        folder.mkdir(exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            _lock(descriptor, target)
            _empty(folder)
            yield folder
            _complete(folder, target)
        except BaseException as error:
            if not isinstance(error, _InUseError):
                _drop(folder)
            raise
        finally:
            os.close(descriptor)
    except OSError as error:
        raise HomeError(
            f"cannot write {target}: {error.strerror or error}; free space or give rights there, or name another "
            "folder."
        ) from error


class _InUseError(ConfigError):
    """Another process writes there."""


def _lock(descriptor: int, target: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _InUseError(
            f"another process writes {target}: wait until it ends, or name another folder."
        ) from None


def _drop(folder: Path) -> None:
    """Removes a folder into which threads that were not stopped may still write: first they lose sight of it."""
    gone = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
    with contextlib.suppress(OSError):
        folder.rename(gone)
    for path in (gone, folder):
        shutil.rmtree(path, ignore_errors=True)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        _remove(path)


def _complete(folder: Path, target: Path) -> None:
    for path in list(folder.iterdir()):
        if path.name.startswith("."):
            _remove(path)
    os.replace(folder, target)
    descriptor = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
