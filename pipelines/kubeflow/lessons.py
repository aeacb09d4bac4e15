"""Which lesson a voice has had: kept beside it in its store, so that a recurring run knows whether anything is new.

    <store>/<deu>/<generation>/lesson.json       the lesson, and whom the voice grew from

A lesson is recordings and settings. A run that grows from the latest voice always has another parent than the run
before it, so that no cache would ever answer; where the latest has had this very lesson, the run is given the same
parent as the run that made it, and all of it comes from the cache.
"""

import hashlib
import json
import logging

from amadeus.errors import NotHeldError, StoreError
from amadeus.stores import NotThereError, find_voice, list_voices, open_store
from pipelines.kubeflow.sources import Parent

_KEY = "lesson.json"
_MAX_BYTES = 4096

_log = logging.getLogger(__name__)


def name_lesson(fingerprint: str, settings: str) -> str:
    """Names a lesson by the content of its recordings and a digest of its settings."""
    return hashlib.sha256(f"{fingerprint} {settings}".encode()).hexdigest()


def keep(voice_url: str, lesson: str, parent: Parent) -> None:
    """Keeps the lesson of a voice beside it; where that fails, the next run may teach it again.

    Args:
      voice_url: Of the voice: the store, the deu and the number.
      lesson: As `name_lesson` names it.
      parent: Whom the voice grew from.
    """
    told = {"lesson": lesson, **parent._asdict()}
    try:
        open_store(voice_url).write(_KEY, json.dumps(told, sort_keys=True).encode())
    except StoreError as error:
        _log.warning("the lesson was not kept beside its voice: %s", error)


def find_parent(store_url: str, deu: str, lesson: str) -> Parent:
    """Finds whom to grow from: the latest, or, where it has had this lesson, whom it grew from.

    Raises:
      StoreError: The store cannot be read.
    """
    voices = list_voices(store_url, deu)
    if not voices:
        return Parent(0, "")
    latest = voices[-1]
    parent = _had(latest.uri, lesson)
    if parent is not None and _is_there(store_url, deu, parent):
        _log.info("generation %d has had this lesson already.", latest.generation)
        return parent
    return Parent(latest.generation, latest.digest)


def _had(voice_url: str, lesson: str) -> Parent | None:
    try:
        told = json.loads(open_store(voice_url).read(_KEY, max_bytes=_MAX_BYTES))
        if told["lesson"] == lesson:
            return Parent(int(told["generation"]), str(told["digest"]))
    except (NotThereError, ValueError, LookupError, TypeError):
        pass  # it was taught elsewhere, or by another release
    return None


def _is_there(store_url: str, deu: str, parent: Parent) -> bool:
    if not parent.generation:
        return True
    try:
        found = find_voice(store_url, deu, parent.generation)
    except NotHeldError:
        return False
    return found.digest == parent.digest
