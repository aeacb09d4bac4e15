"""Writes what TFX does not: which deu a personality belongs to, and which ones came from elsewhere."""

import contextlib
import math
import os
import platform
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import ml_metadata
from ml_metadata.errors import AlreadyExistsError, NotFoundError
from ml_metadata.proto import metadata_store_pb2

from amadeus.errors import BundleError, HomeError
from amadeus.home import Deu, Home
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
from amadeus.lineage.travel import takes_json
from amadeus.personality.pedigree import Entry, Pedigree, find_pedigree
from amadeus.v1 import personality_pb2

DEU_CONTEXT_TYPE = "amadeus.Deu"
PRACTICE_CONTEXT_TYPE = "amadeus.Practice"
IMPORT_TYPE = "amadeus.Import"
EXAMPLES_TYPE = "Examples"

_RUN_CONTEXT = "pipeline_run"
_PACKAGES = ("amadeus", "tensorflow", "tfx", "ml-metadata", "apache-beam", "numpy")
_Event = metadata_store_pb2.Event


class Session(NamedTuple):
    """A practice that ran as a pipeline.

    Attributes:
      practice: Its name.
      run_id: Name of its run.
      facts: What it ran on: versions and host, by name.
    """

    practice: str
    run_id: str
    facts: Mapping[str, str]


def attribute(home: Home, deu: Deu, session: Session | None = None) -> int:
    """Attributes all personalities of a deu to a context of its own; doing it again changes nothing.

    Args:
      home: The home.
      deu: Whose personalities.
      session: The practice that has just run; it gets a context with all it did and made.

    Returns:
      The context's id; 0 where there is nothing to attribute.

    Raises:
      HomeError: The metadata cannot be written.
    """
    store = open_store(home, mode=Mode.READWRITE)
    if store is None:
        return 0
    with worded(home):
        if session is not None:
            persist(lambda: _associate(store, deu, session))
        return persist(lambda: _attribute(store, deu))


def host_facts() -> dict[str, str]:
    """Says what runs here: versions of what may change a voice, and the machine."""
    facts = {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": platform.machine(),
        "n_processors": str(os.cpu_count() or 0),
    }
    for package in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            facts[package] = metadata.version(package)
    return facts


def _associate(store: ml_metadata.MetadataStore, deu: Deu, session: Session) -> None:
    run = store.get_context_by_type_and_name(_RUN_CONTEXT, session.run_id)
    if run is None:
        return
    name = f"{deu.name}/{session.practice}"
    context_id = deu_context(store, name, kind=PRACTICE_CONTEXT_TYPE)
    (context,) = store.get_contexts_by_id([context_id])
    for fact, text in session.facts.items():
        context.custom_properties[fact].string_value = text
    store.put_contexts([context])
    made = {e.id for e in store.get_executions_by_context(run.id)}
    made -= {e.id for e in store.get_executions_by_context(context_id)}
    there = {a.id for a in store.get_artifacts_by_context(context_id)}
    voices = [
        a.id
        for a in find_personalities(store, deu)
        if a.custom_properties["practice"].string_value == session.practice
    ]
    store.put_attributions_and_associations(
        [
            metadata_store_pb2.Attribution(artifact_id=voice, context_id=context_id)
            for voice in voices
            if voice not in there
        ],
        [
            metadata_store_pb2.Association(execution_id=one, context_id=context_id)
            for one in sorted(made)
        ],
    )


def _attribute(store: ml_metadata.MetadataStore, deu: Deu) -> int:
    personalities = find_personalities(store, deu)
    if not personalities:
        return 0
    context_id = deu_context(store, deu.name)
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
    known = find_personalities(store, deu)
    if any(
        a.uri == str(voice_path) and _digest(a) == personality.digest for a in known
    ):
        return
    artifact = describe(store, personality, voice_path, mlmd_uuid)
    artifact.custom_properties[IMPORTED_PROPERTY].int_value = 1
    artifact.name = unique_name(deu, f"{personality.generation}/{personality.digest}")
    pedigree = _pedigree(voice_path, personality)
    chain: list[_Arrival] = [_Arrival(artifact, personality.parent_digest, None)]
    if pedigree is not None:
        chain = list(_arrivals(store, deu, artifact, pedigree))
    by_digest = {_digest(a): a for a in sorted(known, key=_is_held)}
    graph = _Graph(store, deu)
    for arrival, following in zip(chain, [*chain[1:], None], strict=True):
        parent = by_digest.get(arrival.parent_digest)
        if parent is not None:  # known here, and all before it
            graph.add(arrival, parent)
            break
        graph.add(arrival, following.artifact if following else None)
    with contextlib.suppress(AlreadyExistsError):  # another process was quicker
        graph.put()


class _Arrival(NamedTuple):
    """A personality that came, the digest of whom it grew from or was compared with, and what was told of it."""

    artifact: metadata_store_pb2.Artifact
    parent_digest: str
    entry: Entry | None


def _arrivals(
    store: ml_metadata.MetadataStore,
    deu: Deu,
    artifact: metadata_store_pb2.Artifact,
    pedigree: Pedigree,
) -> Iterator[_Arrival]:
    """Yields a personality and its ancestors, as its pedigree tells of them."""
    following = [*(entry.digest for entry in pedigree.entries[1:]), ""]
    for entry, parent_digest in zip(pedigree.entries, following, strict=True):
        is_itself = entry is pedigree.entries[0]
        made = artifact if is_itself else _ancestor(store, deu, entry)
        _tell_birth(made, entry)
        if entry is pedigree.entries[-1] and pedigree.n_older:
            made.custom_properties["n_older"].int_value = pedigree.n_older
        yield _Arrival(made, parent_digest or entry.parent_digest, entry)


def _digest(artifact: metadata_store_pb2.Artifact) -> str:
    return artifact.custom_properties["digest"].string_value


def _is_held(artifact: metadata_store_pb2.Artifact) -> bool:
    return artifact.custom_properties["generation"].int_value > 0


class _Graph:
    """Executions of imports, written all or not at all."""

    def __init__(self, store: ml_metadata.MetadataStore, deu: Deu) -> None:
        self._store, self._deu = store, deu
        self._type_id = store.put_execution_type(
            metadata_store_pb2.ExecutionType(name=IMPORT_TYPE)
        )
        self._executions: list[metadata_store_pb2.Execution] = []
        self._artifacts: list[metadata_store_pb2.Artifact] = []
        self._edges: list[tuple[int, int, metadata_store_pb2.Event]] = []

    def add(
        self,
        arrival: _Arrival,
        parent: metadata_store_pb2.Artifact | None,
    ) -> None:
        """Adds the arrival of a personality, with its parent and what it learned from."""
        self._executions.append(
            metadata_store_pb2.Execution(
                type_id=self._type_id,
                last_known_state=metadata_store_pb2.Execution.COMPLETE,
            )
        )
        self._edge(arrival.artifact, _Event(type=_Event.OUTPUT))
        if parent is not None:
            self._edge(parent, input_event("parent"))
        if arrival.entry is not None and arrival.entry.takes:
            self._edge(_examples(self._store, arrival.entry), input_event("examples"))

    def put(self) -> None:
        """Writes all of it in one transaction."""
        contexts = self._store.get_contexts_by_id(
            [deu_context(self._store, self._deu.name)]
        )
        self._store.put_lineage_subgraph(
            self._executions,
            self._artifacts,
            contexts,
            self._edges,
            reuse_context_if_already_exist=True,
        )

    def _edge(
        self, artifact: metadata_store_pb2.Artifact, event: metadata_store_pb2.Event
    ) -> None:
        places = [i for i, known in enumerate(self._artifacts) if known is artifact]
        if not places:
            self._artifacts.append(artifact)
        place = places[0] if places else len(self._artifacts) - 1
        self._edges.append((len(self._executions) - 1, place, event))


def _pedigree(
    voice_path: Path, personality: personality_pb2.Personality
) -> Pedigree | None:
    """Reads what came with a voice; it was checked when it came, and is left out if it was damaged since."""
    with contextlib.suppress(BundleError):
        return find_pedigree(voice_path, personality)
    return None


def _ancestor(
    store: ml_metadata.MetadataStore, deu: Deu, entry: Entry
) -> metadata_store_pb2.Artifact:
    """Makes the record of an ancestor that was never held here: it has neither a number here nor files."""
    artifact = metadata_store_pb2.Artifact(
        type_id=_personality_type(store),
        uri="",
        state=metadata_store_pb2.Artifact.REFERENCE,
        name=unique_name(deu, f"0/{entry.digest}"),
    )
    properties = artifact.custom_properties
    properties["deu"].string_value = deu.name
    properties["generation"].int_value = 0
    properties[IMPORTED_PROPERTY].int_value = 1
    for name in ("digest", "parent_digest", "practice"):
        properties[name].string_value = getattr(entry, name)
    for name, metric in entry.metrics.items():
        properties[METRIC_PREFIX + name].double_value = metric
    return artifact


def _tell_birth(artifact: metadata_store_pb2.Artifact, entry: Entry) -> None:
    properties = artifact.custom_properties
    properties["born_deu"].string_value = entry.deu
    properties["born_generation"].int_value = entry.generation
    properties["born_kind"].string_value = entry.kind
    # MySQL's whole numbers end at 2**31
    properties["born_ms"].double_value = entry.created_ms


def _examples(
    store: ml_metadata.MetadataStore, entry: Entry
) -> metadata_store_pb2.Artifact:
    artifact = metadata_store_pb2.Artifact(
        type_id=_find_type(
            store, EXAMPLES_TYPE, metadata_store_pb2.ArtifactType.DATASET
        ),
        state=metadata_store_pb2.Artifact.REFERENCE,
    )
    artifact.custom_properties[IMPORTED_PROPERTY].int_value = 1
    artifact.custom_properties["takes"].string_value = takes_json(entry.takes)
    return artifact


def unique_name(deu: Deu, what: str) -> str:
    """Names an artifact so that ML Metadata takes it once; a deu made anew begins anew."""
    return f"{deu.name} of {deu.created_at}: {what}"


def input_event(key: str) -> metadata_store_pb2.Event:
    """Makes an event of an input, such as `parent`."""
    event = _Event(type=_Event.INPUT)
    event.path.steps.add(key=key)
    event.path.steps.add(index=0)
    return event


def describe(
    store: ml_metadata.MetadataStore,
    personality: personality_pb2.Personality,
    voice_path: Path,
    mlmd_uuid: str,
) -> metadata_store_pb2.Artifact:
    """Makes the artifact of a generation, not yet written."""
    artifact = metadata_store_pb2.Artifact(
        type_id=_personality_type(store),
        uri=str(voice_path),
        state=metadata_store_pb2.Artifact.LIVE,
    )
    properties = artifact.custom_properties
    properties["generation"].int_value = personality.generation
    properties["mlmd_uuid"].string_value = mlmd_uuid
    for name in ("deu", "digest", "parent_digest", "practice"):
        properties[name].string_value = getattr(personality, name)
    for name, metric in personality.metrics.items():
        if math.isfinite(metric):
            properties[METRIC_PREFIX + name].double_value = metric
    return artifact


def _personality_type(store: ml_metadata.MetadataStore) -> int:
    return _find_type(store, PERSONALITY_TYPE, metadata_store_pb2.ArtifactType.MODEL)


def _find_type(store: ml_metadata.MetadataStore, name: str, base_type: int) -> int:
    """Finds the type that TFX has registered, or registers it as TFX would."""
    try:
        return store.get_artifact_type(name).id
    except NotFoundError:
        kind = metadata_store_pb2.ArtifactType(name=name, base_type=base_type)
        return store.put_artifact_type(kind)


def deu_context(
    store: ml_metadata.MetadataStore, name: str, *, kind: str = DEU_CONTEXT_TYPE
) -> int:
    """Finds the context of a deu, or of a practice, or makes it: type and name together are unique."""
    known = store.get_context_by_type_and_name(kind, name)
    if known is not None:
        return known.id
    context = metadata_store_pb2.Context(
        type_id=store.put_context_type(metadata_store_pb2.ContextType(name=kind)),
        name=name,
    )
    (context_id,) = store.put_contexts([context])
    return context_id
