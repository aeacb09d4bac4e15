"""Files that may lie in a bucket, as files on this machine for as long as somebody reads them.

Workers of a remote Beam runner share no disk with the ama: what they read comes to a temporary file and goes again.
"""

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from amadeus.errors import RecordingError
from amadeus.stores.addresses import is_url, split
from amadeus.stores.folders import check_room
from amadeus.stores.opening import open_store
from amadeus.stores.store import NotThereError

MAX_BYTES = (
    4 * 2**30
)  # of one file: two days of mono at 16 kHz, three hours of stereo at 96 kHz and 32 bits
_MAX_SUFFIX_CHARACTERS = 10


@contextlib.contextmanager
def nearby(uri: str, *, max_bytes: int = MAX_BYTES) -> Iterator[str]:
    """Yields a local path of a file wherever it lies.

    Args:
      uri: A path, which is handed back as it is, or the address of an object in a bucket, which is brought to a
        temporary file with the same suffix; that is gone afterwards.
      max_bytes: The most that is brought.

    Raises:
      ConfigError: The address cannot be one.
      RecordingError: There is no such object.
      StoreError: The bucket cannot be read, the object is too large, or the disk too small.
    """
    if not is_url(uri):
        yield uri
        return
    with tempfile.TemporaryDirectory(prefix="amadeus-nearby-") as folder:
        yield str(_bring(uri, Path(folder), max_bytes))


@contextlib.contextmanager
def all_nearby(
    uris: Sequence[str], *, max_bytes: int = MAX_BYTES
) -> Iterator[list[str]]:
    """Yields local paths of many files, as `nearby` does; those that were brought sort as they were named.

    Raises:
      ConfigError: An address cannot be one.
      RecordingError: There is no such object.
      StoreError: A bucket cannot be read, an object is too large, or the disk too small.
    """
    with tempfile.TemporaryDirectory(prefix="amadeus-nearby-") as root:
        paths = []
        for number, uri in enumerate(uris):
            if is_url(uri):
                folder = Path(root, f"{number:09d}")
                folder.mkdir()
                paths.append(str(_bring(uri, folder, max_bytes)))
            else:
                paths.append(uri)
        yield paths


def _bring(uri: str, folder: Path, max_bytes: int) -> Path:
    above, name = split(uri)
    store = open_store(above)
    path = folder / f"brought{_suffix(name)}"
    try:
        entry = store.stat(name) if name else None
        if entry is None:
            raise NotThereError(uri)
        check_room(folder, min(entry.size, max_bytes))
        store.download(name, path, max_bytes=max_bytes)
    except NotThereError as error:
        raise RecordingError(
            f"there is no file {uri}: name one that is there, not a folder."
        ) from error
    return path


def _suffix(name: str) -> str:
    """Keeps an ending that decoders go by, and nothing that a disk could not hold."""
    suffix = PurePosixPath(name).suffix
    is_plain = suffix[1:].isascii() and suffix[1:].isalnum()
    return suffix if is_plain and len(suffix) <= _MAX_SUFFIX_CHARACTERS else ""
