"""Data sets that lie in buckets, brought to this machine: of each object only the notes that are wanted.

They are kept where recordings from buckets are, in a file for each object and its conditions, and are not brought again
while the object is what it was. What cannot be used of an object is told, and counted beside the file.
"""

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from amadeus.audio import skips
from amadeus.datasets import files, left_out, notes, tfrecord
from amadeus.datasets.choice import Choice, Place, parse_place
from amadeus.errors import RecordingError
from amadeus.home import explain_os_errors
from amadeus.stores.addresses import is_url, split
from amadeus.stores.opening import open_store

_LOCK_NAME = ".lock"


def bring(
    word: str, cache: Path, *, say: Callable[[str], None] = lambda _: None
) -> str:
    """Makes sure that a data set is on this machine.

    Args:
      word: `nsynth:PATH#CONDITIONS`.
      cache: Folder that what lies in buckets is kept in; it is made.
      say: Is told in a line what is brought.

    Returns:
      The data set on this machine; the word itself, its path made absolute, where it was here already.

    Raises:
      ConfigError: The word cannot be one.
      RecordingError: There are no such files, or what was brought holds no note that is wanted.
      StoreError: The bucket cannot be read.
    """
    place = parse_place(word)
    if not is_url(place.path):
        found = files.find_files([place.path])
        if not any(_holds(file.place, place.choice) for file in found):
            raise _nothing(place)
        return place._replace(path=os.path.abspath(Path(place.path).expanduser())).uri
    found = files.find_files([place.path])
    with explain_os_errors(cache):
        folder = cache / f"nsynth-{_digest(str(place))}"
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            paths = [_bring(file, place.choice, folder, say) for file in found]
            _clear(folder, paths)
    if not any(path.stat().st_size for path in paths):
        raise _nothing(place)
    return Place(str(folder), place.choice).uri


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Has one process at a time write a folder; others wait, and find what it brought."""
    with (folder / _LOCK_NAME).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _clear(folder: Path, wanted: Sequence[Path]) -> None:
    """Removes objects that are gone, or another by now, and what killed processes left."""
    kept = {*wanted, *map(left_out.beside, wanted), folder / _LOCK_NAME}
    for path in folder.iterdir():
        if path in kept:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _holds(path: str, choice: Choice) -> bool:
    """Looks for the first note that is wanted."""
    return any(isinstance(one, notes.Found) for one in notes.walk(path, choice))


def _nothing(place: Place) -> RecordingError:
    return RecordingError(
        f"no note of {place.path} is one of {place.choice or 'NSynth'}: `amadeus dataset nsynth {place.path}` shows "
        "what is there."
    )


def _bring(
    file: files.RecordFile, choice: Choice, folder: Path, say: Callable[[str], None]
) -> Path:
    url, key = split(file.place)
    entry = open_store(url).stat(key)
    version = entry.version if entry is not None else ""
    target = folder / f"{_digest(f'{file.place} {version}')}{files.MARK}"
    if target.exists():
        return target
    say(f"bringing {file.n_bytes / 1e6:.1f} MB from {file.place}")
    scratch = folder / f".{target.name}.{secrets.token_hex(4)}"
    count = left_out.Count()
    try:
        with files.at_hand(file, folder) as path, scratch.open("wb") as kept:
            for one in notes.walk(path, choice, called=file.name):
                if isinstance(one, notes.Unusable):
                    count.add(file.name, one)
                if isinstance(one, notes.Found):
                    kept.write(tfrecord.frame(one.record.data))
        left_out.write_origin(target, left_out.Origin(file.name, count.skipped))
        scratch.replace(target)
    finally:
        scratch.unlink(missing_ok=True)
    _tell(count.skipped, say)
    return target


def _tell(skipped: skips.Skips, say: Callable[[str], None]) -> None:
    for reason, ones in skipped.first.items():
        for one in ones:
            say(f"left out: {one.text}")
        n_more = skipped.counts[reason] - len(ones)
        if n_more:
            _, several = skips.REASONS[reason]
            say(f"left out: {n_more:,} more that {several}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
