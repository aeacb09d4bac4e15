"""Personalities that a home holds: found by digest, and taken from bundles.

A home counts generations for itself: what comes in gets the next number of its deu, and is the same personality by its
digest. Taking one does not wait for a practice of that deu to end, which holds the deu's lock for as long as it runs:
numbers are taken by a rename, as a practice takes its own.
"""

import contextlib
import fcntl
import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from amadeus.errors import HomeError, NotHeldError, VoiceError
from amadeus.home import Deu, Home, explain_os_errors
from amadeus.personality import content, generations, inspection, weights
from amadeus.personality.bundle import BundleLimits, Check, read_bundle
from amadeus.v1 import personality_pb2

_LOCK_NAME = ".holding"  # no name of a deu begins with a dot
_CACHED_DIGESTS = 8_192


class Holding(NamedTuple):
    """A personality where it lies.

    Attributes:
      deu: Name of the deu it is a generation of.
      generation: Its number there.
      path: Its SavedModel.
    """

    deu: str
    generation: int
    path: Path

    def read(self) -> personality_pb2.Personality:
        """Reads who it is here.

        Raises:
          VoiceError: It is damaged.
        """
        personality = content.read_personality(self.path)
        personality.deu, personality.generation = self.deu, self.generation
        return personality


class Held(NamedTuple):
    """What became of a bundle.

    Attributes:
      personality: As it is held; its generation is counted here.
      already_held: Whether it was held before.
      path: Its SavedModel.
    """

    personality: personality_pb2.Personality
    already_held: bool
    path: Path


def holdings(home: Home, deu_name: str | None = None) -> Iterator[Holding]:
    """Lists what a home holds by deu, the newest generation first."""
    for deu in home.deus():
        if deu_name in (None, deu.name):
            for generation in reversed(deu.generations()):
                path = deu.voices_path / str(generation)
                yield Holding(deu.name, generation, path)


def find_by_digest(
    home: Home, digest: str, deu_name: str | None = None
) -> Holding | None:
    """Finds a personality by its digest; the newest of the first deu, if it is held more than once.

    A generation never changes, so each is read once in a process: later calls look at file times only.
    """
    for holding in holdings(home, deu_name):
        if digest_of(holding) == digest:
            return holding
    return None


def digest_of(holding: Holding) -> str | None:
    """Reads the digest of a personality, which is quick; None where it is damaged."""
    path = holding.path / content.EXTRAS_FOLDER / content.PERSONALITY_NAME
    try:
        status = path.stat()
    except OSError:
        return None
    return _read_digest(str(path), status.st_ino, status.st_mtime_ns, status.st_size)


def hold(
    home: Home,
    bundle: Path | BinaryIO,
    deu_name: str | None = None,
    *,
    limits: BundleLimits | None = None,
    check: Check = inspection.check_voice,
    generation: int = 0,
    plays: bool = True,
) -> Held:
    """Takes a bundle: checks all of it, makes it the next generation of its deu and records it in the lineage.

    Args:
      home: The home; a deu that it does not have is made.
      bundle: A file, or one that is open and can seek.
      deu_name: Deu to hold it under. None takes the name in the bundle, and is content if any deu holds it already.
      limits: What the bundle may cost.
      check: As in `read_bundle`.
      generation: Number to give it, if that is free here, so that homes that share a store count alike; 0: the next.
      plays: Whether it is to play from now on, where the deu has another voice already.

    Raises:
      BundleError: It must not be played.
      ConfigError: `deu_name` cannot be one.
      HomeError: The home cannot be written.
    """
    if deu_name is not None:
        with contextlib.suppress(NotHeldError):
            home.deu(deu_name)  # refuses what cannot be a name, before any work
    root = home.path / "deus"
    with explain_os_errors(home.path), generations.staged(root) as staging:
        prepared = staging / "voice"
        personality = read_bundle(bundle, prepared, limits=limits, check=check)
        with _lock(root):
            known = _find_whole(home, personality.digest, deu_name)
            if known is not None:
                return _finish(home, known)
            deu = _deu(home, deu_name or personality.deu)
            personality.deu = deu.name
            deu.voices_path.mkdir(exist_ok=True)
            before = 0 if plays else deu.current_generation()
            placed = generations.place(
                prepared, deu.voices_path, personality, wanted=generation
            )
            # The highest plays where nobody was pointed to, so the one before is, too.
            deu.point_to(before or placed.personality.generation)
            _record(home, deu, placed)  # before others may wonder why it is not
    return Held(placed.personality, False, placed.path)


def _record(home: Home, deu: Deu, placed: generations.Placed) -> None:
    from amadeus.lineage.write import record_import  # loads ML Metadata

    record_import(home, deu, placed.personality, placed.path, placed.mlmd_uuid)


def _finish(home: Home, known: Holding) -> Held:
    """Hands out who is held already; if its import was killed before its end, brings that to its end."""
    from amadeus.lineage.orphans import find_unrecorded, repair  # loads ML Metadata

    deu = home.deu(known.deu)
    is_new = False
    with contextlib.suppress(HomeError):  # a store that cannot be read changes nothing
        is_new = known.generation in find_unrecorded(home, deu)
    if is_new:
        deu.point_to(known.generation)
        repair(home, deu)
    return Held(known.read(), not is_new, known.path)


def _find_whole(home: Home, digest: str, deu_name: str | None) -> Holding | None:
    """Finds a personality whose files are still its own: one that is damaged may be brought again."""
    for found in holdings(home, deu_name):
        if digest_of(found) == digest:
            with contextlib.suppress(VoiceError):
                inspection.check_digest(
                    found.read(), weights.read_weights(found.path / "variables")
                )
                return found
    return None


def _deu(home: Home, name: str) -> Deu:
    try:
        return home.deu(name)
    except NotHeldError:
        return home.create_deu(name)


@contextlib.contextmanager
def _lock(root: Path) -> Iterator[None]:
    """Takes one bundle at a time into a home, so that none is held twice."""
    with (root / _LOCK_NAME).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@functools.lru_cache(_CACHED_DIGESTS)
def _read_digest(path: str, *_: int) -> str | None:
    try:
        digest = json.loads(Path(path).read_text(encoding="utf-8"))["digest"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
    return digest if isinstance(digest, str) else None
