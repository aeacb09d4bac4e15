"""Writes what TFX does not: which deu a personality belongs to, and which ones came from elsewhere."""

import contextlib
import math
from pathlib import Path

import ml_metadata
from ml_metadata.errors import AlreadyExistsError, NotFoundError
from ml_metadata.proto import metadata_store_pb2

from amadeus.errors import HomeError
from amadeus.home import Deu, Home
from amadeus.lineage.read import PARENT_KEY
from amadeus.lineage.store import (
    IMPORTED_PROPERTY,
    METRIC_PREFIX,
    PERSONALITY_TYPE,
    Mode,
    find_personalities,
    open_store,
    persist,
    worded,
)
from amadeus.v1 import personality_pb2

DEU_CONTEXT_TYPE = "amadeus.Deu"
IMPORT_TYPE = "amadeus.Import"

_Event = metadata_store_pb2.Event


def attribute(home: Home, deu: Deu) -> int:
    """Attributes all personalities of a deu to a context of its own; doing it again changes nothing.

    Returns:
      The context's id; 0 where there is nothing to attribute.

    Raises:
      HomeError: The metadata cannot be read.
    """
    store = open_store(home, mode=Mode.READWRITE)
    if store is None:
        return 0
    with worded(home):
        return persist(lambda: _attribute(store, deu))


def _attribute(store: ml_metadata.MetadataStore, deu: Deu) -> int:
    personalities = find_personalities(store, deu)
    if not personalities:
        return 0
    context_id = _context(store, deu.name)
    there = {a.id for a in store.get_artifacts_by_context(context_id)}
    attributions = [
        metadata_store_pb2.Attribution(artifact_id=a.id, context_id=context_id)
        for a in personalities
        if a.id not in there
    ]
    store.put_attributions_and_associations(attributions, [])
    return context_id


def record_import(
    home: Home,
    deu: Deu,
    personality: personality_pb2.Personality,
    voice_path: Path,
    mlmd_uuid: str,
) -> None:
    """Records a personality that came from elsewhere, as PersonalityWriter records one that was made here.

    A parent that this deu has is an input event; any other is kept as a digest. To record it again changes nothing.

    Raises:
      HomeError: The metadata cannot be written.
    """
    try:
        with worded(home):
            persist(lambda: _record(home, deu, personality, voice_path, mlmd_uuid))
    except HomeError as error:
        raise HomeError(
            f"generation {personality.generation} of {deu.name} is held and plays, but its lineage cannot be written: "
            f"{error}"
        ) from error


def _record(
    home: Home,
    deu: Deu,
    personality: personality_pb2.Personality,
    voice_path: Path,
    mlmd_uuid: str,
) -> None:
    home.path.mkdir(parents=True, exist_ok=True)
    store = open_store(home, mode=Mode.READWRITE_OPENCREATE)
    if any(a.uri == str(voice_path) for a in find_personalities(store, deu)):
        return
    artifact = _artifact(store, personality, voice_path, mlmd_uuid)
    artifact.name = f"{deu.name}@{personality.generation} of {deu.created_at}"
    pairs = [(artifact, _Event(type=_Event.OUTPUT))]
    for known in reversed(find_personalities(store, deu)):
        digest = known.custom_properties["digest"].string_value
        if personality.parent_digest and digest == personality.parent_digest:
            pairs.append((known, _parent_event()))
            break
    execution = metadata_store_pb2.Execution(
        type_id=store.put_execution_type(
            metadata_store_pb2.ExecutionType(name=IMPORT_TYPE)
        ),
        last_known_state=metadata_store_pb2.Execution.COMPLETE,
    )
    context = store.get_contexts_by_id([_context(store, deu.name)])
    with contextlib.suppress(AlreadyExistsError):  # another process was quicker
        store.put_execution(execution, pairs, context)


def _parent_event() -> metadata_store_pb2.Event:
    event = _Event(type=_Event.INPUT)
    event.path.steps.add(key=PARENT_KEY)
    event.path.steps.add(index=0)
    return event


def _artifact(
    store: ml_metadata.MetadataStore,
    personality: personality_pb2.Personality,
    voice_path: Path,
    mlmd_uuid: str,
) -> metadata_store_pb2.Artifact:
    artifact = metadata_store_pb2.Artifact(
        type_id=_personality_type(store),
        uri=str(voice_path),
        state=metadata_store_pb2.Artifact.LIVE,
    )
    properties = artifact.custom_properties
    properties["generation"].int_value = personality.generation
    properties[IMPORTED_PROPERTY].int_value = 1
    properties["mlmd_uuid"].string_value = mlmd_uuid
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


def _context(store: ml_metadata.MetadataStore, name: str) -> int:
    """Finds the context of a deu or makes it: type and name together are unique."""
    known = store.get_context_by_type_and_name(DEU_CONTEXT_TYPE, name)
    if known is not None:
        return known.id
    kind = metadata_store_pb2.ContextType(name=DEU_CONTEXT_TYPE)
    context = metadata_store_pb2.Context(
        type_id=store.put_context_type(kind), name=name
    )
    (context_id,) = store.put_contexts([context])
    return context_id
