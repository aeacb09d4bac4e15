"""Personalities in a store: bundles, each under a number of its own, which no two publishers share.

    <store>/<deu>/<generation>/claim.json        who took the number, written only where there is none
    <store>/<deu>/<generation>/<digest>.deu      the bundle, one object: there is all of it, or none

A generation is there when its bundle is. A publisher that is killed between the two leaves a number without a voice,
which the next one of the same voice takes up and others pass over. A listing alone tells who is there, for the digest
is in the name; what is fetched has to be the personality of that digest, and goes through every check that a bundle
from a stranger gets.
"""

import json
import re
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from amadeus.errors import BundleError, ConfigError, NotHeldError, StoreError
from amadeus.home import NAME_PATTERN
from amadeus.personality import bundle, content, inspection
from amadeus.personality.bundle import BundleLimits, Check
from amadeus.stores.folders import digest_file
from amadeus.stores.opening import open_store
from amadeus.stores.store import AlreadyThereError, Entry, NotThereError, Store
from amadeus.v1 import personality_pb2

CLAIM_NAME = "claim.json"
MAX_CLAIM_BYTES = 4096

_KEY = re.compile(
    rf"({NAME_PATTERN.pattern})/([1-9][0-9]{{0,8}})/(?:([0-9a-f]{{64}})\.deu|claim\.json)"
)
_MAX_CLAIMS = 1000  # numbers tried in vain before something else must be wrong


class StoredVoice(NamedTuple):
    """A generation in a store.

    Attributes:
      deu: Its name there.
      generation: Its number there.
      digest: Who it is: `sha256:` and 64 hexadecimal digits.
      size: Bytes of its bundle.
      uri: Of its folder: the store, the deu and the number.
      key: Of its bundle, below the store.
    """

    deu: str
    generation: int
    digest: str
    size: int
    uri: str
    key: str


def publish_voice(
    store: str | Store,
    deu: str,
    voice_path: Path,
    *,
    lineage: bytes | Callable[[int], bytes | None] | None = None,
) -> str:
    """Puts a voice into a store as the next generation of a deu there.

    Calling it again with the same voice changes nothing and names the same place, also after a kill.

    Args:
      store: Where all deus are: a URL, a path, or a store that is open.
      deu: Name of the deu there.
      voice_path: SavedModel folder.
      lineage: Who it came from, as `pedigree.write_pedigree` wrote it, or what writes it for a voice that is born here,
        given its number; None: it travels without.

    Returns:
      Where it is: `<store>/<deu>/<generation>`.

    Raises:
      ConfigError: The deu's name or the URL cannot be one.
      StoreError: The store cannot be written.
      VoiceError: The voice is damaged.
    """
    _check_name(deu)
    store = _opened(store)
    digest = content.read_personality(voice_path).digest
    with tempfile.TemporaryDirectory(prefix="amadeus-publish-") as folder:
        packed = Path(folder, "voice.deu")
        known = None if callable(lineage) else lineage
        # Before a number is taken: a voice that is damaged takes none.
        bundle.write_bundle(voice_path, packed, lineage=known)
        shelf = _Shelf.of(store, deu)
        for found in shelf.voices:
            if found.digest == digest:
                return found.uri
        number = _claim(store, deu, digest, shelf)
        if callable(lineage):
            bundle.write_bundle(voice_path, packed, lineage=lineage(number))
        key = f"{deu}/{number}/{_hex(digest)}{bundle.SUFFIX}"
        store.upload(packed, key, sha256=digest_file(packed))
    return f"{store.url}/{deu}/{number}"


def list_voices(store: str | Store, deu: str | None = None) -> list[StoredVoice]:
    """Lists the generations in a store by deu, the oldest first.

    Raises:
      StoreError: The store cannot be read.
    """
    if deu is not None:
        _check_name(deu)
    store = _opened(store)
    voices = [voice for _, voice in _entries(store, deu or "") if voice is not None]
    return sorted(voices, key=lambda voice: (voice.deu, voice.generation, voice.key))


def find_voice(
    store: str | Store, deu: str, generation: int | None = None
) -> StoredVoice:
    """Finds a generation in a store, by default the newest.

    Raises:
      NotHeldError: There is none.
      StoreError: The store cannot be read.
    """
    store = _opened(store)
    voices = list_voices(store, deu)
    for voice in reversed(voices):
        if generation in (None, voice.generation):
            return voice
    numbers = ", ".join(str(voice.generation) for voice in voices)
    if not voices:
        raise NotHeldError(
            f"{store.url} holds no voice of {deu!r}: bring one there with `amadeus deu push {deu} {store.url}`."
        )
    raise NotHeldError(
        f"{store.url} holds no generation {generation} of {deu!r}: there are {numbers}."
    )


def fetch_voice(
    store: str | Store,
    deu: str,
    generation: int | None,
    into: Path,
    *,
    limits: BundleLimits | None = None,
    check: Check = inspection.check_voice,
) -> personality_pb2.Personality:
    """Brings a voice out of a store, checked as one from a stranger; it appears whole or not at all.

    Args:
      store: Where all deus are: a URL, a path, or a store that is open.
      deu: Name of the deu there.
      generation: Its number there; None: the newest.
      into: SavedModel folder to make; its parent must be there, and it must not.
      limits: What its bundle may cost.
      check: Looks at it before it appears, as in `bundle.read_bundle`.

    Returns:
      Who it is, under the name and the number it has in the store.

    Raises:
      NotHeldError: There is no such generation.
      BundleError: It must not be played.
      StoreError: The store cannot be read.
    """
    store = _opened(store)
    voice = find_voice(store, deu, generation)
    with tempfile.TemporaryDirectory(prefix="amadeus-fetch-") as folder:
        packed = fetch_bundle(store, voice, Path(folder), limits=limits)

        def is_named(path: Path) -> personality_pb2.Personality:
            return check_digest(voice, check(path))

        personality = bundle.read_bundle(packed, into, limits=limits, check=is_named)
    personality.deu, personality.generation = voice.deu, voice.generation
    return personality


def fetch_bundle(
    store: str | Store,
    voice: StoredVoice,
    folder: Path,
    *,
    limits: BundleLimits | None = None,
) -> Path:
    """Brings the bundle of a voice as it is: nothing of it was checked but its size.

    Raises:
      StoreError: It is too large, or the store cannot be read.
    """
    packed = folder / f"{voice.deu}-{voice.generation}{bundle.SUFFIX}"
    max_bytes = (limits or BundleLimits()).max_bundle_bytes
    _opened(store).download(voice.key, packed, max_bytes=max_bytes)
    return packed


def check_digest(
    voice: StoredVoice, personality: personality_pb2.Personality
) -> personality_pb2.Personality:
    """Makes sure that what came is who was named, and hands it back.

    Raises:
      BundleError: It is another.
    """
    if personality.digest != voice.digest:
        raise BundleError(
            f"{voice.uri} holds another personality than its name says: publish it anew, or name another generation."
        )
    return personality


class _Shelf(NamedTuple):
    """What a store holds of a deu: voices, and all numbers that were taken."""

    voices: list[StoredVoice]
    numbers: set[int]

    @classmethod
    def of(cls, store: Store, deu: str) -> "_Shelf":
        found = list(_entries(store, deu))
        voices = [voice for _, voice in found if voice is not None]
        return cls(voices, {number for number, _ in found})

    def unfilled(self) -> list[int]:
        """Numbers that were taken and have no voice."""
        return sorted(self.numbers - {voice.generation for voice in self.voices})


def _claim(store: Store, deu: str, digest: str, shelf: _Shelf) -> int:
    """Takes a number for a voice: one that was taken for it before, or the next."""
    for number in shelf.unfilled():
        if _claimed_for(store, deu, number) == digest:
            return number
    number = max(shelf.numbers, default=0) + 1
    claim = {"digest": digest, "by": secrets.token_hex(8), "at": _now()}
    for tried in range(number, number + _MAX_CLAIMS):
        key = f"{deu}/{tried}/{CLAIM_NAME}"
        data = json.dumps(claim, sort_keys=True).encode()
        try:
            store.write(key, data, only_new=True)
        except AlreadyThereError:
            if _claimed_for(store, deu, tried) == digest:
                return tried  # by another who publishes the same at this moment
            continue
        _check_refusal(store, key, data)
        return tried
    raise StoreError(
        f"{store.url} has no number free for {deu!r} from {number} on: look at what lies there."
    )


def _check_refusal(store: Store, key: str, data: bytes) -> None:
    """Makes sure that the store refuses a second writer: servers of before 2024 ignore that they are asked to."""
    try:
        # other bytes: the same would be taken for a first try whose answer was lost
        store.write(key, data + b"\n", only_new=True)
    except AlreadyThereError:
        return
    raise StoreError(
        f"{store.url} cannot keep two publishers apart (it ignores If-None-Match): update its server, or name another "
        "store."
    )


def _claimed_for(store: Store, deu: str, number: int) -> str | None:
    try:
        text = store.read(f"{deu}/{number}/{CLAIM_NAME}", max_bytes=MAX_CLAIM_BYTES)
        return json.loads(text)["digest"]
    except (NotThereError, ValueError, LookupError, TypeError, RecursionError):
        return None  # it is not one of ours


def _entries(store: Store, deu: str) -> Iterator[tuple[int, StoredVoice | None]]:
    for entry in store.list(deu):
        if match := _KEY.fullmatch(entry.key):
            yield int(match[2]), _voice(store, entry, match) if match[3] else None


def _voice(store: Store, entry: Entry, match: re.Match[str]) -> StoredVoice:
    name, number = match[1], int(match[2])
    return StoredVoice(
        deu=name,
        generation=number,
        digest=f"{content.DIGEST_PREFIX}{match[3]}",
        size=entry.size,
        uri=f"{store.url}/{name}/{number}",
        key=entry.key,
    )


def _opened(store: str | Store) -> Store:
    return store if isinstance(store, Store) else open_store(store)


def _hex(digest: str) -> str:
    return digest.removeprefix(content.DIGEST_PREFIX)


def _check_name(deu: str) -> None:
    if not NAME_PATTERN.fullmatch(deu):
        raise ConfigError(
            f"{deu!r} cannot name a deu: use up to 40 of a-z, 0-9, - and _, starting with a letter or digit."
        )


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
