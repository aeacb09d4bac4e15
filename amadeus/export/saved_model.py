"""A voice as it is: a copy of its SavedModel folder, who it is included."""

from pathlib import Path

from amadeus.export.place import put_folder_copy
from amadeus.export.taught import take_apart


def export(voice_path: Path, path: Path) -> None:
    """Copies a voice after making sure that it is whole.

    Raises:
      VoiceError: The voice is missing, damaged or foreign.
      HomeError: The folder cannot be written.
    """
    take_apart(voice_path)
    put_folder_copy(path, voice_path)
