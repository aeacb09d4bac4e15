"""Where a command writes its answer, looked at before any work is done."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from amadeus.errors import ConfigError


def check_output(name: str, *, suffixes: Sequence[str]) -> Path:
    """Makes sure that a file can be written.

    Args:
      name: Path of the file to write.
      suffixes: Suffixes it may have; the first is the usual one.

    Raises:
      ConfigError: It cannot be written, or its suffix promises another format.
    """
    path = Path(name).expanduser()
    folder = path.parent
    if path.suffix.lower() not in suffixes:
        raise ConfigError(
            f"cannot write {path}: its name must end in {suffixes[0]}, which is what is written."
        )
    if path.is_dir():
        raise ConfigError(f"cannot write {path}: it is a folder; name a file in it.")
    if not folder.is_dir():
        raise ConfigError(
            f"cannot write {path}: there is no folder {folder}; make it first."
        )
    if path.exists() and not path.is_file():
        raise ConfigError(
            f"cannot write {path}: it is not a regular file; choose another name."
        )
    _try_folder(path)
    return path


def _try_folder(path: Path) -> None:
    try:
        tempfile.TemporaryFile(dir=path.parent).close()  # leaves nothing behind
    except OSError as error:
        raise ConfigError(
            f"cannot write {path}: {error.strerror}; choose another folder with -o."
        ) from None
