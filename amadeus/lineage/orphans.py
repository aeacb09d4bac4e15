"""Generations that lie on the disk and not in the metadata: whoever made them was killed before it could record them.

The files are the truth: a generation is there by one rename or not at all. What is missing in the metadata is recorded
by the next practice or import of the deu, from what the files tell, and from the model they came of where it is known.
"""

import contextlib
from typing import NamedTuple

import ml_metadata
from ml_metadata.errors import AlreadyExistsError, NotFoundError
from ml_metadata.proto import metadata_store_pb2

from amadeus.errors import VoiceError
from amadeus.home import Deu, Home
from amadeus.lineage import write
from amadeus.lineage.store import (
    Mode,
    find_personalities,
    open_store,
    persist,
    worded,
)
from amadeus.personality import content
from amadeus.personality.generations import mlmd_uuid
from amadeus.v1 import personality_pb2

REPAIR_TYPE = "amadeus.Repair"
REPAIRED_PROPERTY = "repaired"  # 1 for what was recorded afterwards
_MODEL_TYPE = "Model"
_Event = metadata_store_pb2.Event


class _Orphan(NamedTuple):
    generation: int
    personality: personality_pb2.Personality


def find_unrecorded(home: Home, deu: Deu) -> list[int]:
    """Lists the generations that are there and not in the metadata.

    Raises:
      HomeError: The metadata cannot be read.
    """
    store = open_store(home, mode=Mode.READONLY)
    with worded(home):
        known = find_personalities(store, deu) if store is not None else []
    return [orphan.generation for orphan in _orphans(deu, known)]


def repair(home: Home, deu: Deu) -> list[int]:
    """Records what is there and was not recorded; doing it again changes nothing.

    Returns:
      The generations that were recorded.

    Raises:
      HomeError: The metadata cannot be written.
    """
    missing = find_unrecorded(home, deu)
    if not missing:
        return []
    store = open_store(home, mode=Mode.READWRITE_OPENCREATE)
    with worded(home):
        for orphan in _orphans(deu, find_personalities(store, deu)):
            if (deu.practices_path / (orphan.personality.practice or "-")).is_dir():
                persist(lambda found=orphan: _record(store, deu, found))
            else:  # it came from elsewhere, and may have brought its lineage
                path = deu.voices_path / str(orphan.generation)
                uuid = mlmd_uuid(orphan.personality)
                write.record_import(home, deu, orphan.personality, path, uuid)
    return missing


def _orphans(deu: Deu, known: list[metadata_store_pb2.Artifact]) -> list[_Orphan]:
    recorded = {
        (
            artifact.custom_properties["generation"].int_value,
            artifact.custom_properties["digest"].string_value,
        )
        for artifact in known
    }
    orphans = []
    for generation in deu.generations():
        with contextlib.suppress(VoiceError):  # what is damaged tells nothing
            path = deu.voices_path / str(generation)
            personality = content.read_personality(path)
            if (generation, personality.digest) not in recorded:
                orphans.append(_Orphan(generation, personality))
    return orphans


def _record(store: ml_metadata.MetadataStore, deu: Deu, orphan: _Orphan) -> None:
    personality = orphan.personality
    path = deu.voices_path / str(orphan.generation)
    artifact = write.describe(store, personality, path, mlmd_uuid(personality))
    artifact.name = write.unique_name(deu, f"{orphan.generation}/{personality.digest}")
    artifact.custom_properties[REPAIRED_PROPERTY].int_value = 1
    pairs = [(artifact, _Event(type=_Event.OUTPUT))]
    parents = [
        known
        for known in find_personalities(store, deu)
        if personality.parent_digest
        and known.custom_properties["digest"].string_value == personality.parent_digest
    ]
    pairs += [(parent, write.input_event("parent")) for parent in parents[-1:]]
    model = _find_model(store, personality.digest)
    if model is not None:
        pairs.append((model, write.input_event("model")))
    execution = metadata_store_pb2.Execution(
        type_id=store.put_execution_type(
            metadata_store_pb2.ExecutionType(name=REPAIR_TYPE)
        ),
        last_known_state=metadata_store_pb2.Execution.COMPLETE,
    )
    contexts = store.get_contexts_by_id([write.deu_context(store, deu.name)])
    with contextlib.suppress(AlreadyExistsError):  # another process was quicker
        store.put_execution(execution, pairs, contexts)


def _find_model(
    store: ml_metadata.MetadataStore, digest: str
) -> metadata_store_pb2.Artifact | None:
    """Finds what the trainer made: behind it lies all that the personality learned from."""
    try:
        models = store.get_artifacts_by_type(_MODEL_TYPE)
    except NotFoundError:
        return None
    found = [m for m in models if m.custom_properties["digest"].string_value == digest]
    return found[0] if found else None
