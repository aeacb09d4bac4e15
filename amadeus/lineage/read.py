"""The lineage of a deu as records: its generations, what each learned from, and how.

A generation is a Personality artifact. The way back from it leads from artifact to the execution
that put it out, and from there to that execution's inputs; it ends at the parent, which is a
generation of its own. Many artifacts are read by few calls, whatever their number; what was read of
a long lineage is kept beside the deu (`index.py`), for none of it changes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import ml_metadata
from ml_metadata import ListOptions, OrderByField
from ml_metadata.errors import NotFoundError
from ml_metadata.proto import metadata_store_pb2

from amadeus.errors import NotHeldError
from amadeus.home import Deu, Home
from amadeus.lineage import index
from amadeus.lineage.behind import (
    executions_behind,
    learned_by,
    learned_by_all,
    makers_of,
)
from amadeus.lineage.learned import Learned
from amadeus.lineage.records import GenerationRecord, Kind
from amadeus.lineage.rows import Links, Row, chain_of, choose, make_rows, to_record
from amadeus.lineage.store import (
    PERSONALITY_TYPE,
    Mode,
    find_personalities,
    open_store,
    own_artifacts,
    worded,
)
from amadeus.lineage.times import created_ms

PARENT_KEY = "parent"  # of input events that name one; events of old have none
MAX_HOPS = 200  # one by one; a longer way is read as a whole

_KINDS: Mapping[str, Kind] = {
    "amadeus.Import": "import",
    "amadeus.Tuning": "tuning",
    "amadeus.Feedback": "feedback",
    "amadeus.Repair": "found",
}
_MAX_NAMED = 12
_NEWEST = 64  # artifacts looked at again, for writers may overtake each other by a few
_MAX_NEWEST = 4_096  # if more are new, all is read anew
_Artifact = metadata_store_pb2.Artifact
_Event = metadata_store_pb2.Event
_Store = ml_metadata.MetadataStore


def generations_of(home: Home, deu: Deu) -> list[GenerationRecord]:
    """Reads all generations of a deu, oldest first, without takes and executions: a few calls for any number.

    Raises:
      HomeError: The metadata cannot be read.
    """
    store = open_store(home, mode=Mode.READONLY)
    if store is None:
        return []
    with worded(home):
        rows = _read_rows(home, deu, store)
    by_id = {row.artifact_id: row for row in rows}
    chosen = choose(rows)
    chosen.pop(0, None)  # ancestors elsewhere
    return [to_record(row, by_id) for _, row in sorted(chosen.items())]


def lineage_of(home: Home, deu: Deu) -> list[GenerationRecord]:
    """Reads the lineage of a deu with all takes and executions, oldest generation first.

    Raises:
      HomeError: The metadata cannot be read.
    """
    records = generations_of(home, deu)
    return [detailed(home, record) for record in records]


def detailed(home: Home, record: GenerationRecord) -> GenerationRecord:
    """Reads the takes and executions behind a generation, too.

    Raises:
      HomeError: The metadata cannot be read.
    """
    store = open_store(home, mode=Mode.READONLY)
    if store is None:
        return record
    with worded(home):
        found = store.get_artifacts_by_id([record.artifact_id])
        if not found:
            return record
        learned = learned_by(store, found[0])
        executions = executions_behind(store, record.artifact_id)
    return replace(record, executions=executions, **learned._asdict())


def with_takes(
    home: Home, records: Sequence[GenerationRecord]
) -> list[GenerationRecord]:
    """Reads the takes behind generations, a few calls for any number.

    Raises:
      HomeError: The metadata cannot be read.
    """
    store = open_store(home, mode=Mode.READONLY)
    if store is None or not records:
        return list(records)
    with worded(home):
        ids = [record.artifact_id for record in records]
        learned = learned_by_all(store, store.get_artifacts_by_id(ids))
    nothing = Learned()
    return [
        replace(r, **learned.get(r.artifact_id, nothing)._asdict()) for r in records
    ]


def record_of(home: Home, deu: Deu, generation: int) -> GenerationRecord:
    """Reads one generation, without reading the others.

    Raises:
      NotHeldError: There is no such generation.
      HomeError: The metadata cannot be read.
    """
    return ancestry_of(home, deu, generation, depth=1)[0]


def ancestry_of(
    home: Home, deu: Deu, generation: int, *, depth: int | None = None
) -> list[GenerationRecord]:
    """Reads a generation, its parent and so on, down to the one that grew from nothing.

    Args:
      home: The home.
      deu: Whose generation.
      generation: Its number.
      depth: How many to read at most; None reads all.

    Raises:
      NotHeldError: There is no such generation.
      HomeError: The metadata cannot be read.
    """
    store = open_store(home, mode=Mode.READONLY)
    if store is None:
        raise NotHeldError(_unknown(deu, generation, []))
    with worded(home):
        # one more than asked for, to name the last one's parent
        n_most = MAX_HOPS if depth is None else depth + 1
        chain = _walk(store, deu, generation, n_most)
        if depth is None and len(chain) == MAX_HOPS:  # it may be far
            chain = _look_up(_read_rows(home, deu, store), deu, generation)
    by_id = {row.artifact_id: row for row in chain}
    return [to_record(row, by_id) for row in chain[:depth]]


def _look_up(rows: list[Row], deu: Deu, generation: int) -> list[Row]:
    """Finds a generation and its ancestors among all that there are."""
    chosen = choose(rows)
    if generation not in chosen:
        raise NotHeldError(_unknown(deu, generation, sorted(chosen)))
    return chain_of(chosen[generation], {row.artifact_id: row for row in rows})


def _walk(store: _Store, deu: Deu, generation: int, n_most: int) -> list[Row]:
    """Goes from child to parent by two calls each, so far and no farther."""
    first = _find(store, deu, generation)
    links, chain = Links({}, {}), [first.id]
    while len(chain) < n_most:
        parent = _parent(store, chain[-1], first.type_id, links)
        if parent is None or parent in links.makers:  # no circles
            break
        chain.append(parent)
    by_id = {a.id: a for a in store.get_artifacts_by_id(chain)}
    artifacts = [by_id[number] for number in chain if number in by_id]
    return make_rows(artifacts, links, _kinds_of(store, links))


def _read_rows(home: Home, deu: Deu, store: _Store) -> list[Row]:
    """Reads all personalities of a deu, as far as possible from what was kept of them."""
    kept = index.read(home, deu)
    rows = _read_news(store, deu, kept) if kept is not None else None
    if rows is not None and kept is not None:
        if len(rows.rows) - len(kept.rows) >= _NEWEST:
            index.write(home, deu, rows)
        return rows.rows
    newest = _newest(store, 1)
    personalities = find_personalities(store, deu)
    links = _links(store, personalities)
    made = make_rows(personalities, links, _kinds(store))
    if newest:
        index.write(home, deu, index.Kept(newest[0].id, made))
    return made


def _read_news(store: _Store, deu: Deu, kept: index.Kept) -> index.Kept | None:
    """Adds what was recorded since; None where what was kept is of another store, or too old to be of use."""
    if not _is_of(store, kept):
        return None
    first, n_looked = kept.newest_id - _NEWEST + 1, _NEWEST
    news = _newest(store, n_looked)
    while len(news) == n_looked and news[-1].id > first:
        n_looked *= 4
        if n_looked > _MAX_NEWEST:
            return None
        news = _newest(store, n_looked)
    known = {row.artifact_id for row in kept.rows}
    kind = _type_id(store)
    personalities = sorted(
        (a for a in news if a.type_id == kind and a.id not in known),
        key=lambda a: a.id,
    )
    own = own_artifacts(personalities, deu)
    links = _links_among(store, own, known)
    rows = sorted([*kept.rows, *make_rows(own, links, _kinds_of(store, links))])
    return index.Kept(max([kept.newest_id, *(a.id for a in news)]), rows)


def _is_of(store: _Store, kept: index.Kept) -> bool:
    """Whether rows were read from this store: its first and its last are as they were."""
    ends = [kept.rows[0], kept.rows[-1]]
    found = {
        a.id: a for a in store.get_artifacts_by_id([row.artifact_id for row in ends])
    }
    return all(
        row.artifact_id in found
        and created_ms(found[row.artifact_id]) == row.created_ms
        and found[row.artifact_id].custom_properties["digest"].string_value
        == row.digest
        for row in ends
    )


def _newest(store: _Store, count: int) -> Sequence[_Artifact]:
    return store.get_artifacts(
        list_options=ListOptions(limit=count, order_by=OrderByField.ID, is_asc=False)
    )


def _links(store: _Store, personalities: list[_Artifact]) -> Links:
    """Finds makers and parents by one call: a parent is an input, so its own events name its children."""
    ids = [p.id for p in personalities]
    events = store.get_events_by_artifact_ids(ids) if ids else []
    return _linked(makers_of(events), events)


def _links_among(
    store: _Store, personalities: list[_Artifact], known: set[int]
) -> Links:
    """Finds makers and parents of a few; a parent is one of them, or known."""
    ids = [p.id for p in personalities]
    makers = makers_of(store.get_events_by_artifact_ids(ids)) if ids else {}
    makers = {artifact: maker for artifact, maker in makers.items() if artifact in ids}
    executions = sorted(set(makers.values()))
    events = store.get_events_by_execution_ids(executions) if executions else []
    among = known | set(ids)
    return _linked(makers, [e for e in events if e.artifact_id in among])


def _linked(makers: dict[int, int], events: Sequence[_Event]) -> Links:
    inputs: dict[int, int] = {}
    for event in events:
        if event.type == _Event.INPUT:
            inputs.setdefault(event.execution_id, event.artifact_id)
    parents = {
        artifact: inputs[maker]
        for artifact, maker in makers.items()
        if inputs.get(maker, artifact) != artifact
    }
    return Links(makers, parents)


def _parent(store: _Store, artifact_id: int, type_id: int, links: Links) -> int | None:
    """Finds the parent of one personality by two calls."""
    makers = makers_of(store.get_events_by_artifact_ids([artifact_id]))
    if artifact_id not in makers:
        return None
    links.makers.update(makers)
    events = store.get_events_by_execution_ids([makers[artifact_id]])
    inputs = [e for e in events if e.type == _Event.INPUT]
    named = [e.artifact_id for e in inputs if _key(e) == PARENT_KEY]
    if not named:
        unnamed = [e.artifact_id for e in inputs if not _key(e)]
        found = store.get_artifacts_by_id(unnamed) if unnamed else []
        named = [a.id for a in found if a.type_id == type_id]
    parent = next((number for number in named if number != artifact_id), None)
    if parent is not None:
        links.parents[artifact_id] = parent
    return parent


def _key(event: _Event) -> str:
    return next((step.key for step in event.path.steps if step.key), "")


def _find(store: _Store, deu: Deu, generation: int) -> _Artifact:
    """Finds a generation by where it lies; by looking through all where the home has moved."""
    path = deu.voices_path / str(generation)
    kind = _type_id(store)
    there = [a for a in store.get_artifacts_by_uri(str(path)) if a.type_id == kind]
    own = sorted(own_artifacts(there, deu), key=lambda a: a.id)
    chosen = _choose(own)
    if generation not in chosen:
        chosen = _choose(find_personalities(store, deu))
    if generation not in chosen:
        raise NotHeldError(_unknown(deu, generation, sorted(chosen)))
    return chosen[generation]


def _type_id(store: _Store) -> int:
    try:
        return store.get_artifact_type(PERSONALITY_TYPE).id
    except NotFoundError:
        return -1


def _unknown(deu: Deu, generation: int, known: list[int]) -> str:
    if not known:
        return f"{deu.name} has no lineage yet: no practice of it has pushed a voice."
    named = ", ".join(map(str, known[-_MAX_NAMED:]))
    more = "... " if len(known) > _MAX_NAMED else ""
    return f"the lineage of {deu.name} has no generation {generation}: there are {more}{named}."


def _choose(personalities: list[_Artifact]) -> dict[int, _Artifact]:
    by_id = {p.id: p for p in personalities}
    chosen = choose(make_rows(personalities, Links({}, {}), {}))
    return {number: by_id[row.artifact_id] for number, row in chosen.items()}


def _kinds(store: _Store) -> dict[int, Kind]:
    """Reads which executions were no pipelines."""
    kinds: dict[int, Kind] = {}
    for name, kind in _KINDS.items():
        try:
            executions = store.get_executions_by_type(name)
        except NotFoundError:
            continue
        kinds |= {execution.id: kind for execution in executions}
    return kinds


def _kinds_of(store: _Store, links: Links) -> dict[int, Kind]:
    ids = sorted(set(links.makers.values()))
    executions = store.get_executions_by_id(ids) if ids else []
    return {e.id: _KINDS[e.type] for e in executions if e.type in _KINDS}
