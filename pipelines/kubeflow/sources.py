"""Recordings and voices that lie in stores, brought to where a component can read them."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from amadeus.audio import recordings
from amadeus.datasets.choice import is_dataset
from amadeus.errors import ConfigError, RecordingError
from amadeus.personality import content
from amadeus.stores import fetch_voice, find_voice, is_url, list_voices
from amadeus.stores.recordings import Brought, bring_recordings, laid_out
from pipelines.kubeflow.names import LATEST


class Parent(NamedTuple):
    """A generation to grow from; 0 and nothing: none."""

    generation: int
    digest: str


@contextlib.contextmanager
def brought(
    uris: Sequence[str], names: Sequence[str], folder: Path
) -> Iterator[list[Brought]]:
    """Brings the recordings that files and folders mean, in buckets and on disks, to this machine for a while.

    What comes from a bucket is shown under its own name, so that whoever complains of a recording names it.

    Args:
      uris: Where they are.
      names: What to call them, one for each; none: by their names there.
      folder: For what is not on a disk of this machine.

    Raises:
      RecordingError: There is none, or not one for each name, or one is a data set.
      StoreError: A bucket cannot be read.
    """
    if not uris:
        raise RecordingError(
            "a practice was started without recordings: name sound files or folders, in gs://, s3:// or a shared disk."
        )
    if found_set := next(filter(is_dataset, uris), None):
        raise RecordingError(
            f"{found_set} is a data set, and a run on Kubeflow takes recordings only: name sound files or folders, or "
            "practise on it on one machine."
        )
    found = [recording for uri in uris for recording in _bring(uri, folder)]
    if names and len(names) != len(found):
        raise RecordingError(
            f"{len(found)} recordings came with {len(names)} names: give one name for each, or none."
        )
    with laid_out([one for one in found if folder in one.path.parents]) as shown:
        rest = iter(shown)
        paths = [
            next(rest) if folder in one.path.parents else one.path for one in found
        ]
        called = names or [one.name for one in found]
        yield [Brought(*pair) for pair in zip(paths, called, strict=True)]


def find_parent(store_url: str, deu: str, generation: int) -> Parent:
    """Finds out who a generation is.

    Args:
      store_url: Store of personalities.
      deu: Whose generation.
      generation: Its number; 0: none, to grow from nothing; `LATEST`: the highest, or none where there is none yet.

    Raises:
      ConfigError: No store was named.
      NotHeldError: There is no such generation.
    """
    if not store_url:
        raise ConfigError(
            "this run was given no store of personalities: set its input personalities_url, or AMADEUS_PERSONALITIES "
            "in its containers, to gs://BUCKET/FOLDER, s3://BUCKET/FOLDER or a folder that they share."
        )
    if generation == 0:
        return Parent(0, "")
    if generation == LATEST:
        voices = list_voices(store_url, deu)
        return (
            Parent(voices[-1].generation, voices[-1].digest)
            if voices
            else Parent(0, "")
        )
    voice = find_voice(store_url, deu, generation)
    return Parent(voice.generation, voice.digest)


def fetch_parent(store_url: str, deu: str, parent: Parent, folder: Path) -> Path:
    """Brings a generation to this machine, under the number it has in the store.

    Raises:
      ConfigError: It is another than was found when the run began.
      NotHeldError: It is gone.
    """
    path = folder / f"{deu}-{parent.generation}"
    if path.exists():  # who was pushed may be the very parent
        personality = content.read_personality(path)
    else:
        personality = fetch_voice(store_url, deu, parent.generation, path)
    if personality.digest != parent.digest:
        raise ConfigError(
            f"generation {parent.generation} of {deu} in {store_url} is not the one that the run began with: start the "
            "practice again."
        )
    content.write_personality(path, personality)
    return path


def _bring(uri: str, folder: Path) -> list[Brought]:
    if is_url(uri):
        return bring_recordings(uri, folder)
    return [Brought(path, path.name) for path in recordings.find_recordings([uri])]
