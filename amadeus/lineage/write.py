"""Writes what TFX does not: which deu a personality belongs to."""

import ml_metadata
from ml_metadata.proto import metadata_store_pb2

from amadeus.home import Deu, Home
from amadeus.lineage.store import Mode, find_personalities, open_store

DEU_CONTEXT_TYPE = "amadeus.Deu"


def attribute(home: Home, deu: Deu) -> int:
    """Attributes all personalities of a deu to a context of its own; doing it again changes nothing.

    Returns:
      The context's id; 0 where there is nothing to attribute.

    Raises:
      HomeError: The metadata cannot be read.
    """
    store = open_store(home, mode=Mode.READWRITE)
    personalities = find_personalities(store, deu) if store else []
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
