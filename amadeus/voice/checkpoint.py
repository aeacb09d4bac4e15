"""The state of a training run as one file, replaced in one rename.

A file holds a run's fingerprint: a run of other passages or settings does not take it up.
"""

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

CHECKPOINT_NAME = "training.npz"
_NOTES = "notes"


class Saved(NamedTuple):
    """What a checkpoint holds.

    Attributes:
      arrays: Variables by name.
      notes: Everything else; JSON can say it.
    """

    arrays: dict[str, np.ndarray]
    notes: dict[str, Any]


def save(
    folder: Path,
    arrays: Mapping[str, np.ndarray],
    notes: Mapping[str, Any],
    *,
    fingerprint: str,
) -> None:
    """Replaces the checkpoint in `folder`; whoever dies meanwhile leaves the old one whole.

    The disk is not waited for, which on a busy machine stopped training for seconds: a power cut may cost the
    progress of a practice, never a voice.
    """
    folder.mkdir(parents=True, exist_ok=True)
    scratch = folder / f".{CHECKPOINT_NAME}.{os.getpid()}"
    text = json.dumps({**notes, "fingerprint": fingerprint})
    with scratch.open("wb") as file:
        np.savez(file, **{_NOTES: np.array(text)}, **arrays)
    scratch.replace(folder / CHECKPOINT_NAME)


def load(folder: Path, *, fingerprint: str) -> Saved | None:
    """Reads the checkpoint in `folder`; None where there is none, a damaged one or another run's."""
    try:
        with np.load(folder / CHECKPOINT_NAME, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    notes = json.loads(str(arrays.pop(_NOTES, "{}")))
    if notes.pop("fingerprint", None) != fingerprint:
        return None
    return Saved(arrays, notes)
