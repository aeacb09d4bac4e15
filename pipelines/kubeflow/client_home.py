"""Brings home what a run has made: out of the store that its containers push to, checked as what a stranger sends."""

import json
import tempfile
from pathlib import Path
from typing import NamedTuple

from amadeus.errors import BundleError
from amadeus.home import Home
from amadeus.personality import archive, bundle, inspection
from amadeus.personality.holding import Held, hold
from amadeus.stores import StoredVoice, list_voices
from amadeus.stores.personalities import check_digest, fetch_bundle

MAX_LOOKED_AT = 8  # of the newest: others may have practised since
_MAX_WHO_BYTES = 2**20


class Brought(NamedTuple):
    """A voice that was brought home.

    Attributes:
      voice: As it is in the store.
      held: As it is here; None: it stayed in the store.
      is_of_run: Whether it came out of the run.
    """

    voice: StoredVoice
    held: Held | None
    is_of_run: bool


def bring_home(home: Home, store_url: str, deu: str, practice: str) -> Brought | None:
    """Brings the voice home that a practice has made, or, where it made none and there is nobody here, the newest.

    Args:
      home: Takes the voice in.
      store_url: Store of personalities.
      deu: Whose voice.
      practice: Which made it.

    Returns:
      What was brought, or the newest in the store where nothing was; None where the store has none of this deu.

    Raises:
      BundleError: It must not be played.
      HomeError: The home cannot be written.
      StoreError: The store cannot be read.
    """
    voices = list_voices(store_url, deu)
    for voice in reversed(voices[-MAX_LOOKED_AT:]):
        with tempfile.TemporaryDirectory(prefix="amadeus-fetch-") as folder:
            packed = fetch_bundle(store_url, voice, Path(folder))
            if _practice_of(packed) == practice:
                return Brought(voice, _hold(home, packed, voice), True)
    if not voices:
        return None
    if any(deu == one.name and one.generations() for one in home.deus()):
        return Brought(voices[-1], None, False)
    with tempfile.TemporaryDirectory(prefix="amadeus-fetch-") as folder:
        packed = fetch_bundle(store_url, voices[-1], Path(folder))
        return Brought(voices[-1], _hold(home, packed, voices[-1]), False)


def _hold(home: Home, packed: Path, voice: StoredVoice) -> Held:
    held = hold(
        home,
        packed,
        voice.deu,
        check=lambda path: check_digest(voice, inspection.check_voice(path)),
    )
    if held.already_held:  # it plays here again, too
        home.deu(held.personality.deu).point_to(held.personality.generation)
    return held


def _practice_of(packed: Path) -> str:
    """Reads which practice a bundle names, before it is checked; empty where it is no bundle."""
    try:
        with packed.open("rb") as file:
            for member in archive.members(file):
                if (
                    member.name == bundle.PERSONALITY_NAME
                    and member.size <= _MAX_WHO_BYTES
                ):
                    who = json.loads(b"".join(archive.unpack(file, member)))
                    return str(who["practice"])
    except (BundleError, ValueError, LookupError, TypeError, RecursionError):
        pass
    return ""
