"""Records sessions that are no TFX pipeline: an execution from the parent, its input, to the new one, its output."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import ml_metadata
from ml_metadata.errors import NotFoundError
from ml_metadata.proto import metadata_store_pb2

from amadeus.home import Deu, Home
from amadeus.lineage.store import (
    METRIC_PREFIX,
    PERSONALITY_TYPE,
    Mode,
    open_store,
    own_artifacts,
    persist,
    worded,
)
from amadeus.personality.generations import mlmd_uuid
from amadeus.v1 import personality_pb2

TUNING_TYPE = "amadeus.Tuning"
DEU_CONTEXT_TYPE = "amadeus.Deu"
PRACTICE_CONTEXT_TYPE = "amadeus.Practice"

_Event = metadata_store_pb2.Event


class Made(NamedTuple):
    """A generation that a session made.

    Attributes:
      personality: Who it is.
      path: Its SavedModel.
      parent: The generation it was made from.
    """

    personality: personality_pb2.Personality
    path: Path
    parent: int


def check_writable(home: Home, deu: Deu) -> None:
    """Writes what says nothing new, so that a session that could not be recorded is not begun.

    Raises:
      HomeError: The metadata cannot be written.
    """
    with worded(home):
        persist(lambda: _touch(home, deu))


def record_session(
    home: Home,
    deu: Deu,
    made: Made,
    *,
    kind: str = TUNING_TYPE,
    properties: Mapping[str, str] | None = None,
) -> None:
    """Records what a session made; to record it again changes nothing.

    Args:
      home: The home.
      deu: Who practised.
      made: What came of it.
      kind: Type of the execution.
      properties: Of the execution, such as the knobs that were turned.

    Raises:
      HomeError: The metadata cannot be written.
    """
    with worded(home):
        persist(lambda: _record(home, deu, made, kind, properties or {}))


def _touch(home: Home, deu: Deu) -> None:
    home.path.mkdir(parents=True, exist_ok=True)
    store = open_store(home, mode=Mode.READWRITE_OPENCREATE)
    store.put_contexts([_context(store, DEU_CONTEXT_TYPE, deu.name)])


def _record(
    home: Home, deu: Deu, made: Made, kind: str, properties: Mapping[str, str]
) -> None:
    home.path.mkdir(parents=True, exist_ok=True)
    store = open_store(home, mode=Mode.READWRITE_OPENCREATE)
    artifact = _artifact(store, made)
    if _find(store, deu, artifact.type_id, made.path):
        return
    pairs = [(artifact, _event(_Event.OUTPUT, "personality"))]
    parents = _find(store, deu, artifact.type_id, deu.voices_path / str(made.parent))
    pairs += [(parent, _event(_Event.INPUT, "parent")) for parent in parents[:1]]
    practice = made.personality.practice
    execution = metadata_store_pb2.Execution(
        type_id=store.put_execution_type(metadata_store_pb2.ExecutionType(name=kind)),
        last_known_state=metadata_store_pb2.Execution.COMPLETE,
    )
    execution.custom_properties["practice"].string_value = practice
    for name, text in properties.items():
        execution.custom_properties[name].string_value = text
    contexts = [
        _context(store, DEU_CONTEXT_TYPE, deu.name),
        _context(store, PRACTICE_CONTEXT_TYPE, f"{deu.name}/{practice}"),
    ]
    store.put_execution(execution, pairs, contexts)


def _find(
    store: ml_metadata.MetadataStore, deu: Deu, type_id: int, voice_path: Path
) -> list[metadata_store_pb2.Artifact]:
    """Finds a generation of a deu by where it lies, as it was first recorded; thousands of others are not read."""
    found = own_artifacts(store.get_artifacts_by_uri(str(voice_path)), deu)
    return sorted((a for a in found if a.type_id == type_id), key=lambda a: a.id)


def _event(kind: int, key: str) -> metadata_store_pb2.Event:
    steps = [_Event.Path.Step(key=key), _Event.Path.Step(index=0)]
    return _Event(type=kind, path=_Event.Path(steps=steps))


def _artifact(
    store: ml_metadata.MetadataStore, made: Made
) -> metadata_store_pb2.Artifact:
    personality = made.personality
    artifact = metadata_store_pb2.Artifact(
        type_id=_personality_type(store),
        uri=str(made.path),
        state=metadata_store_pb2.Artifact.LIVE,
    )
    properties = artifact.custom_properties
    properties["generation"].int_value = personality.generation
    properties["mlmd_uuid"].string_value = mlmd_uuid(personality)
    for name in ("deu", "digest", "parent_digest", "practice"):
        properties[name].string_value = getattr(personality, name)
    for name, metric in personality.metrics.items():
        if math.isfinite(metric):
            properties[METRIC_PREFIX + name].double_value = metric
    return artifact


def _personality_type(store: ml_metadata.MetadataStore) -> int:
    """Finds the type that TFX has registered, or registers it as TFX would."""
    try:
        return store.get_artifact_type(PERSONALITY_TYPE).id
    except NotFoundError:
        kind = metadata_store_pb2.ArtifactType(
            name=PERSONALITY_TYPE, base_type=metadata_store_pb2.ArtifactType.MODEL
        )
        return store.put_artifact_type(kind)


def _context(
    store: ml_metadata.MetadataStore, kind: str, name: str
) -> metadata_store_pb2.Context:
    """Finds a context or makes it: type and name together are unique."""
    known = store.get_context_by_type_and_name(kind, name)
    if known is not None:
        return known
    context = metadata_store_pb2.Context(
        type_id=store.put_context_type(metadata_store_pb2.ContextType(name=kind)),
        name=name,
    )
    (context.id,) = store.put_contexts([context])
    return context
