"""The lineage that a voice takes along from a run: whoever brings it home need not reach the metadata of the cluster.

It is what `amadeus deu push` sends along from a home: the practice, its recordings as far as metadata know them, its
metrics, and the ancestors that the parent in the store brought with it.
"""

import contextlib
import logging
import math
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from amadeus.errors import AmadeusError, BundleError
from amadeus.personality import pedigree
from amadeus.personality.pedigree import Entry, Pedigree, Take
from amadeus.stores import StoredVoice, fetch_voice, list_voices
from amadeus.v1 import personality_pb2

_log = logging.getLogger(__name__)


def write(
    personality: personality_pb2.Personality,
    takes: Sequence[Take],
    *,
    store_url: str,
    deu: str,
    generation: int,
) -> bytes | None:
    """Writes the lineage of a voice that a run has made.

    Args:
      personality: Who it is.
      takes: What it learned from.
      store_url: Store of personalities, where its parent is.
      deu: Its name there.
      generation: Its number there.

    Returns:
      What travels in its bundle; None where it says something that no bundle may.
    """
    own = Entry(
        deu=deu,
        generation=generation,
        digest=personality.digest,
        parent_digest=personality.parent_digest,
        kind="imitation",
        practice=personality.practice,
        created_ms=int(time.time() * 1000),
        metrics=_finite(personality.metrics),
        takes=tuple(takes),
    )
    before = _ancestors(store_url, deu, personality.parent_digest)
    text = pedigree.write_pedigree([own, *before.entries], before.n_older)
    try:
        pedigree.read_pedigree(text)
    except BundleError as error:
        _log.warning("the voice travels without its lineage: %s", error)
        return None
    return text


def _ancestors(store_url: str, deu: str, parent_digest: str) -> Pedigree:
    """Reads what the parent brought along; nothing of it is worth a push that fails."""
    if parent_digest:
        with contextlib.suppress(AmadeusError):
            for voice in list_voices(store_url, deu):
                if voice.digest == parent_digest:
                    return _read(store_url, voice)
    return Pedigree(())


def _read(store_url: str, voice: StoredVoice) -> Pedigree:
    with tempfile.TemporaryDirectory(prefix="amadeus-parent-") as folder:
        path = Path(folder, "voice")
        parent = fetch_voice(store_url, voice.deu, voice.generation, path)
        told = pedigree.find_pedigree(path, parent)
    if told is not None:
        return told
    # A release before this one, or a home that knew nothing of it, sent it bare.
    entry = Entry(
        deu=voice.deu,
        generation=voice.generation,
        digest=voice.digest,
        parent_digest=parent.parent_digest,
        kind="found",
        practice=parent.practice,
        created_ms=0,
        metrics=_finite(parent.metrics),
        takes=(),
    )
    return Pedigree((entry,), 1 if parent.parent_digest else 0)


def _finite(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: metric for name, metric in metrics.items() if math.isfinite(metric)}
