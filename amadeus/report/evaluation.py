"""The evaluator's artifact read back: held-out takes beside what the voice made of them."""

import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

_ARRAYS = (
    "original",
    "resynthesis",
    "f0_hz",
    "f0_confidence",
    "loudness_db",
    "resynthesis_f0_hz",
    "resynthesis_loudness_db",
)


class Example(NamedTuple):
    """A held-out excerpt and its resynthesis.

    Attributes:
      name: Name of the take.
      sample_rate: In Hz.
      frame_rate: In Hz.
      original, resynthesis: Audio in [-1, 1]. Shape [n_samples].
      f0_hz, f0_confidence, loudness_db: Features of the original. Shape [n_frames].
      resynthesis_f0_hz, resynthesis_loudness_db: The same of the resynthesis.
    """

    name: str
    sample_rate: int
    frame_rate: int
    original: np.ndarray
    resynthesis: np.ndarray
    f0_hz: np.ndarray
    f0_confidence: np.ndarray
    loudness_db: np.ndarray
    resynthesis_f0_hz: np.ndarray
    resynthesis_loudness_db: np.ndarray

    @property
    def duration_s(self) -> float:
        """Length of the longer of both sounds, in seconds."""
        n_samples = max(len(self.original), len(self.resynthesis))
        return n_samples / self.sample_rate


def read_examples(uri: str) -> tuple[list[Example], list[str]]:
    """Reads all examples of an evaluation, and says which could not be read."""
    examples, missing = [], []
    folder = Path(uri) / "examples"
    for path in sorted(folder.glob("*.npz"), key=_by_number) if uri else []:
        try:
            examples.append(_read_example(path))
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            missing.append(f"example {path.stem} cannot be read: {error}")
    return examples, missing


def _read_example(path: Path) -> Example:
    with np.load(path, allow_pickle=False) as file:
        arrays = {key: _flat(file[key]) for key in _ARRAYS}
        return Example(
            name=_text(file["name"].item()),
            sample_rate=int(file["sample_rate"]),
            frame_rate=int(file["frame_rate"]),
            **arrays,
        )


def _flat(values: np.ndarray) -> np.ndarray:
    flat = np.asarray(values, np.float32).reshape(-1)
    if not flat.size:
        raise ValueError("an array in it is empty")
    return flat


def _text(name: Any) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)


def _by_number(path: Path) -> tuple[int, str]:
    return (int(path.stem) if path.stem.isdecimal() else 0, path.stem)
