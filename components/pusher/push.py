"""Pushing a voice: it is copied, and takes its place among the voices of its deu."""

import contextlib
import shutil
from pathlib import Path

from amadeus.errors import VoiceError
from amadeus.home import Deu, explain_os_errors
from amadeus.personality import content, generations
from amadeus.personality.generations import Placed, mlmd_uuid
from amadeus.v1 import personality_pb2


def push(
    model_path: Path, voices_path: Path, personality: personality_pb2.Personality
) -> Placed:
    """Copies a voice into a folder of voices as its next generation, and makes it the one that plays.

    A voice that is there already, by digest, is found and not copied: a practice that was killed
    between the push and its record does not push twice.

    Args:
      model_path: SavedModel to push.
      voices_path: Folder of generations.
      personality: Who the voice is; its generation is filled in here.

    Raises:
      HomeError: The folder cannot be written.
    """
    with explain_os_errors(voices_path), generations.staged(voices_path) as staging:
        placed = _find(voices_path, personality.digest)
        if placed is None:
            prepared = staging / "voice"
            shutil.copytree(model_path, prepared)
            placed = generations.place(prepared, voices_path, personality)
        _point(voices_path, placed)
        return placed


def _point(voices_path: Path, placed: Placed) -> None:
    deu = Deu(placed.personality.deu, voices_path.parent)
    deu.point_to(placed.personality.generation)


def _find(voices_path: Path, digest: str) -> Placed | None:
    numbers = (int(p.name) for p in voices_path.iterdir() if p.name.isdecimal())
    for generation in sorted(numbers, reverse=True):
        path = voices_path / str(generation)
        with contextlib.suppress(VoiceError):  # what is damaged cannot be the same
            found = content.read_personality(path)
            if found.digest == digest:
                return Placed(path, found, mlmd_uuid(found))
    return None
