"""Voices that go from a home to a store, and come from a store to a home."""

from pathlib import Path

from amadeus.home import Deu, Home, explain_os_errors
from amadeus.personality import generations, holding, inspection
from amadeus.personality.bundle import BundleLimits, Check
from amadeus.stores.personalities import (
    StoredVoice,
    check_digest,
    fetch_bundle,
    publish_voice,
)
from amadeus.stores.store import Store
from amadeus.v1 import personality_pb2


def push_voice(store: str | Store, deu: Deu, generation: int | None = None) -> str:
    """Publishes a generation of a home, by default the one that plays, with its lineage; returns where it is.

    Raises:
      NotHeldError: There is no such generation.
      StoreError: The store cannot be written.
      VoiceError: The voice is damaged.
    """
    from amadeus.lineage.travel import pedigree_or_none  # loads ML Metadata

    path = deu.voice_path(generation)
    return publish_voice(store, deu.name, path, lineage=pedigree_or_none(path))


def bring_voice(
    home: Home,
    store: str | Store,
    voice: StoredVoice,
    *,
    deu_name: str | None = None,
    limits: BundleLimits | None = None,
    check: Check = inspection.check_voice,
    plays: bool = True,
) -> holding.Held:
    """Takes a voice of a store into a home, under the number it has there if that is free.

    What is held already is not brought again. All else goes through the checks of a bundle from a stranger.

    Args:
      home: Where to hold it.
      store: Where it is: a URL, a path, or a store that is open.
      voice: As `list_voices` or `find_voice` found it.
      deu_name: Deu to hold it under; None: as in the store.
      limits: What its bundle may cost.
      check: As in `bundle.read_bundle`.
      plays: As in `holding.hold`.

    Raises:
      BundleError: It must not be played.
      StoreError: The store cannot be read.
      HomeError: The home cannot be written.
    """
    name = deu_name or voice.deu
    known = holding.find_by_digest(home, voice.digest, name)
    if known is not None:
        return holding.Held(known.read(), True, known.path)

    def is_named(path: Path) -> personality_pb2.Personality:
        return check_digest(voice, check(path))

    # In the home, whose disk has room or says so; what a kill leaves there is swept by the next.
    root = home.path / "deus"
    with explain_os_errors(root), generations.staged(root) as folder:
        packed = fetch_bundle(store, voice, folder, limits=limits)
        return holding.hold(
            home,
            packed,
            name,
            limits=limits,
            check=is_named,
            generation=voice.generation,
            plays=plays,
        )
