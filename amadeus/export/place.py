"""Puts what is exported in its place: whole or not at all."""

import os
import shutil
from pathlib import Path

from amadeus.home import explain_os_errors


def put_file(path: Path, content: bytes) -> None:
    """Writes a file beside its place and moves it there; an existing one is replaced.

    Raises:
      HomeError: The system refuses.
    """
    scratch = _beside(path, "new")
    with explain_os_errors(path):
        try:
            scratch.write_bytes(content)
            scratch.replace(path)
        finally:
            scratch.unlink(missing_ok=True)


def put_folder_copy(path: Path, source: Path) -> None:
    """Copies a folder beside its place and moves it there; an existing one is replaced.

    Raises:
      HomeError: The system refuses.
    """
    scratch, old = _beside(path, "new"), _beside(path, "old")
    with explain_os_errors(path):
        try:
            shutil.copytree(source, scratch)
            if path.exists():
                path.rename(old)  # a folder that is not empty cannot be replaced
            scratch.rename(path)
        finally:
            if old.exists() and not path.exists():
                old.rename(path)
            for folder in (scratch, old):
                shutil.rmtree(folder, ignore_errors=True)


def _beside(path: Path, kind: str) -> Path:
    return path.with_name(f".{path.name}.{kind}-{os.getpid()}")
