"""Which recordings an ama means, on this machine and in buckets."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import click

from amadeus.home import Home


class Recordings(NamedTuple):
    """Recordings that are here now.

    Attributes:
      paths: Where they are kept; those of buckets in the home.
      names: What to call them, one for each; none: by the names of their files.
    """

    paths: list[Path]
    names: list[str]

    @contextlib.contextmanager
    def shown(self) -> Iterator[list[Path]]:
        """Shows each under a path that ends with its name, for a while."""
        if not self.names:
            yield self.paths
            return
        from amadeus.stores.recordings import Brought, laid_out

        with laid_out(list(map(Brought, self.paths, self.names))) as paths:
            yield paths


def find_recordings(home: Home, words: Sequence[str]) -> Recordings:
    """Finds the recordings that files, folders, globs and URLs mean; those in buckets are brought here.

    Raises:
      RecordingError: A word means none.
      StoreError: A bucket cannot be read.
    """
    from amadeus.audio import recordings
    from amadeus.stores.addresses import is_url

    urls = list(dict.fromkeys(word for word in words if is_url(word)))
    local = [word for word in words if not is_url(word)]
    paths = recordings.find_recordings(local) if local or not urls else []
    if not urls:
        return Recordings(paths, [])
    from amadeus.stores.recordings import bring_recordings

    brought = [
        one
        for url in urls
        for one in bring_recordings(url, home.recordings_path, say=_say)
    ]
    names = [path.name for path in paths] + [one.name for one in brought]
    return Recordings([*paths, *(one.path for one in brought)], names)


def bring_file(home: Home, url: str) -> Path:
    """Brings one file from a bucket.

    Raises:
      RecordingError: It is not there.
      StoreError: The bucket cannot be read.
    """
    from amadeus.stores import recordings

    return recordings.bring_file(url, home.recordings_path, say=_say)


def _say(line: str) -> None:
    click.echo(line, err=True)  # not into an answer in JSON
