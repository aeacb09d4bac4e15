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

_MARK_NAME = ".amadeus"  # in a folder that grows: what lies there is ours, and who has locked it writes it


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
    if target.name in ("", ".."):  # `.`: the scratch folder is to lie beside it
        target = Path(os.path.abspath(target))
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
    if target.is_symlink():
        raise ConfigError(
            f"{target} is a link: name the folder it leads to, or another."
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
      ConfigError: Another process writes it, what lies there is of somebody else, or what `check_target` raises.
      HomeError: The disk is full, or lacks rights.
    """
    check_target(target)
    folder = scratch_of(target)
    try:
        _begin(folder, target)
        with _locked(folder, target):
            check_target(target)  # another may just have made it
            _empty(folder)
            try:
                yield folder
                _complete(folder, target)
            except BaseException:
                _drop(folder)
                raise
    except KeyboardInterrupt:
        _drop_unused(folder)
        raise
    except OSError as error:
        raise HomeError(
            f"cannot write {target}: {error.strerror or error}; free space or give rights there, or name another "
            "folder."
        ) from error


def _drop_unused(folder: Path) -> None:
    """Removes a folder that was interrupted before anything was written, unless another process has begun there."""
    mark_path = folder / _MARK_NAME
    with contextlib.suppress(OSError):  # it has gone, is held, or there is more in it
        if mark_path.exists():
            with mark_path.open("a") as mark:
                fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if list(folder.iterdir()) == [mark_path]:
                    mark_path.unlink()
        folder.rmdir()


def _begin(folder: Path, target: Path) -> None:
    """Makes the folder, or makes sure that what is in it may go."""
    if not folder.is_symlink():
        folder.mkdir(exist_ok=True)
        if (folder / _MARK_NAME).is_file() or not any(folder.iterdir()):
            return
    raise ConfigError(
        f"{folder}, in which {target} is to grow, is there already and holds something else: move it away, or name "
        "another folder."
    )


@contextlib.contextmanager
def _locked(folder: Path, target: Path) -> Iterator[None]:
    # A file, for over NFS a folder's lock does not hold.
    with (folder / _MARK_NAME).open("a") as mark:
        try:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever held it before may have renamed or removed the folder meanwhile.
            is_held = os.path.samestat(
                os.fstat(mark.fileno()), os.stat(folder / _MARK_NAME)
            )
        except (BlockingIOError, FileNotFoundError):
            is_held = False
        if not is_held:
            raise ConfigError(
                f"another process writes {target}: wait until it ends, or name another folder."
            )
        yield


def _drop(folder: Path) -> None:
    """Removes a folder into which threads that were not stopped may still write: first they lose sight of it."""
    gone = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
    with contextlib.suppress(OSError):
        folder.rename(gone)
    for path in (gone, folder):
        shutil.rmtree(path, ignore_errors=True)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name != _MARK_NAME:
            _remove(path)


def _complete(folder: Path, target: Path) -> None:
    for path in list(folder.iterdir()):
        if path.name.startswith(".") and path.name != _MARK_NAME:
            _remove(path)
        else:
            _settle(path)
    _settle(folder)
    os.replace(folder, target)
    (target / _MARK_NAME).unlink()
    _settle(target.parent)


def _settle(path: Path) -> None:
    """Makes sure that a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
