"""Which recordings an ama means, on this machine, in buckets and in data sets."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import click

from amadeus.errors import ConfigError, legible
from amadeus.home import Home


class Recordings(NamedTuple):
    """Recordings that are here now.

    Attributes:
      paths: Where they are kept; those of buckets in the home.
      names: What to call them, one for each; none: by the names of their files.
      sets: Data sets that are here now: what the ama called them, and how components find them.
    """

    paths: list[Path]
    names: list[str]
    sets: Mapping[str, str] = MappingProxyType({})

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
    """Finds the recordings that files, folders, globs, URLs and data sets mean; what is in buckets is brought here.

    Raises:
      RecordingError: A word means none.
      StoreError: A bucket cannot be read.
    """
    from amadeus.audio import recordings
    from amadeus.datasets.choice import is_dataset
    from amadeus.stores.addresses import is_url

    words = list(dict.fromkeys(words))
    sets = [word for word in words if is_dataset(word)]
    urls = [word for word in words if is_url(word) and word not in sets]
    local = [word for word in words if word not in sets and word not in urls]
    paths = recordings.find_recordings(local) if local or not (urls or sets) else []
    names: list[str] = []
    if urls:
        from amadeus.stores.recordings import bring_recordings

        names = [legible(path.name) for path in paths]
        for url in urls:
            brought = bring_recordings(url, home.recordings_path, say=_say)
            paths += [one.path for one in brought]
            names += [one.name for one in brought]
    if sets:
        from amadeus.datasets.bringing import bring

        cache = home.recordings_path
        found = {word: bring(word, cache, say=_say) for word in sets}
        return Recordings(paths, names, found)
    return Recordings(paths, names)


def find_elsewhere(words: Sequence[str]) -> Recordings:
    """Finds the recordings that URLs mean and leaves them where they are, for workers that share no disk with us.

    Raises:
      ConfigError: A word is no URL of a bucket.
      RecordingError: A URL means no recording.
      StoreError: A bucket cannot be read.
    """
    from amadeus.stores.addresses import is_url

    refuse_sets(words, where="workers elsewhere do not reach what is brought here")
    addresses: list[str] = []
    for word in dict.fromkeys(words):
        if not is_url(word):
            raise ConfigError(
                f"{word} lies on this machine, and Beam's workers do not: put the recordings into a bucket and name "
                "that, or leave --runner out."
            )
        from amadeus.stores.recordings import find_addresses

        addresses += find_addresses(word)
    names = [address.rpartition("/")[2] for address in addresses]
    return Recordings(
        [],
        [],
        {
            name if names.count(name) == 1 else address: address
            for name, address in zip(names, addresses, strict=True)
        },
    )


def refuse_sets(words: Sequence[str], *, where: str) -> None:
    """Refuses data sets where they cannot be practised on.

    Raises:
      ConfigError: There is one.
    """
    from amadeus.datasets.choice import is_dataset

    found = next((word for word in words if is_dataset(word)), None)
    if found is not None:
        raise ConfigError(
            f"{found} is a data set, and {where}: practise on it on this machine, or name recordings."
        )


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
