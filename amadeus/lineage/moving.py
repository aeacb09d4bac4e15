"""Moving all that is recorded from one store to another: types, contexts, artifacts, executions, events and their ties.

Numbers may change, what lineage answers does not. Each thing is known in the target by the `external_id` it had, or
gets one made of the source and its number there; so a move that broke off goes on where it stopped, one that is done
again does nothing, and what was practised since is added. ML Metadata stamps what it is given with the present: when a
thing was made and changed comes along as custom properties (`times.py`). What changed in the source since it was moved,
such as a generation that was pruned, is not told again.

What does not come along: system metadata, which upstream keeps for itself; and TFX finds a step in its cache by the
very record of its inputs, times and all, so the first practice after a move computes once more what has inputs.
"""

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import ml_metadata
from ml_metadata.errors import NotFoundError
from ml_metadata.proto import metadata_store_pb2

from amadeus.errors import HomeError
from amadeus.lineage.times import (
    CREATED_PROPERTY,
    UPDATED_PROPERTY,
    created_ms,
    updated_ms,
)

KINDS = ("context", "artifact", "execution")

_BATCH = 200
_MAX_NAMED = 3
_MAX_INT = 2**31 - 1  # in MySQL
_Store = ml_metadata.MetadataStore


class Count(NamedTuple):
    """How much there is of something.

    Attributes:
      n_all: In the source.
      n_there: Of these, in the target already.
    """

    n_all: int
    n_there: int


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a move would do.

    Attributes:
      counts: By kind: contexts, artifacts, executions.
      n_strangers: By kind, what the target holds of others.
      clashes: Names that are taken in the target by others.
    """

    counts: Mapping[str, Count]
    n_strangers: Mapping[str, int]
    clashes: Sequence[str]


def make_plan(source: _Store, target: _Store | None) -> Plan:
    """Finds out what a move would do, writing nothing.

    Args:
      source: Where all is.
      target: Where it goes; None: it is not there yet.
    """
    named = _name_source(source)
    counts, strangers, clashes = {}, {}, []
    for kind in KINDS:
        nodes = _all(source, kind)
        known = _known(target, kind, nodes, named) if target is not None else {}
        counts[kind] = Count(len(nodes), len(known))
        theirs = [] if target is None else _all(target, kind)
        ours = set(known.values())
        others = [node for node in theirs if node.id not in ours]
        strangers[kind] = len(others)
        taken = {(node.type, node.name) for node in others if node.name}
        wanted = [n for n in nodes if n.name and _key(n, kind, named) not in known]
        clashes += [f"{n.type} {n.name!r}" for n in wanted if (n.type, n.name) in taken]
    return Plan(counts=counts, n_strangers=strangers, clashes=clashes)


def check(plan: Plan, place: str, *, may_merge: bool) -> None:
    """Refuses a target that holds other things, or things of the same names.

    Raises:
      HomeError: It does.
    """
    if not any(plan.n_strangers.values()):
        return
    held = _say(plan.n_strangers)
    if plan.clashes:
        some = ", ".join(plan.clashes[:_MAX_NAMED])
        more = f" and {len(plan.clashes) - _MAX_NAMED} more" if plan.clashes[_MAX_NAMED:] else ""  # fmt: skip
        raise HomeError(
            f"{place} holds {held} of others, among them {some}{more}, which are here too: one name is one thing "
            "there, so these two cannot be put together; name an empty place."
        )
    if not may_merge:
        raise HomeError(
            f"{place} holds {held} of others already: name an empty place, or say --merge to put both together there."
        )


def move(source: _Store, target: _Store) -> Plan:
    """Moves all that is not there yet; doing it again changes nothing.

    Returns:
      What was done.
    """
    plan = make_plan(source, target)
    named = _name_source(source)
    ids = {kind: _move_nodes(source, target, kind, named) for kind in KINDS}
    _move_events(source, target, ids)
    _tie(source, target, ids)
    return plan


def _name_source(source: _Store) -> str:
    """Names a store by the first of its things, which no one takes away."""
    digest = hashlib.sha256()
    for kind in KINDS:
        first = min(_all(source, kind), key=lambda node: node.id, default=None)
        if first is not None:
            digest.update(f"{first.type} {first.name} {created_ms(first)} ".encode())
    return digest.hexdigest()[:16]


def _key(node: Any, kind: str, named: str) -> str:
    return node.external_id or f"moved:{named}:{kind}:{node.id}"


def _all(store: _Store, kind: str) -> list[Any]:
    """Reads all of a kind, oldest first, each with the name of its type."""
    nodes = getattr(store, f"get_{kind}s")()
    names = {one.id: one.name for one in getattr(store, f"get_{kind}_types")()}
    for node in nodes:
        node.type = names[node.type_id]
    return sorted(nodes, key=lambda node: node.id)


def _known(
    target: _Store, kind: str, nodes: Sequence[Any], named: str
) -> dict[str, int]:
    """Finds what is in the target already: numbers there by key."""
    find = getattr(target, f"get_{kind}s_by_external_ids")
    known: dict[str, int] = {}
    for batch in _batches([_key(node, kind, named) for node in nodes]):
        with contextlib.suppress(
            NotFoundError
        ):  # it says so where there is none at all
            known |= {node.external_id: node.id for node in find(batch)}
    return known


def _move_types(source: _Store, target: _Store, kind: str) -> dict[int, int]:
    """Moves the types of a kind; returns their numbers there by those here."""
    ids = [one.id for one in getattr(source, f"get_{kind}_types")()]
    types = getattr(source, f"get_{kind}_types_by_id")(ids) if ids else []
    numbers = {}
    for one in types:
        here = one.id
        one.ClearField("id")
        put = getattr(target, f"put_{kind}_type")
        numbers[here] = put(one, can_add_fields=True, can_omit_fields=True)
    return numbers


def _move_nodes(
    source: _Store, target: _Store, kind: str, named: str
) -> dict[int, int]:
    """Moves what is missing, oldest first, so that what was first stays first."""
    types = _move_types(source, target, kind)
    nodes = _all(source, kind)
    known = _known(target, kind, nodes, named)
    missing = [node for node in nodes if _key(node, kind, named) not in known]
    put = getattr(target, f"put_{kind}s")
    for batch in _batches(missing):
        moved = [_copy(node, types[node.type_id], _key(node, kind, named)) for node in batch]  # fmt: skip
        known |= {m.external_id: n for m, n in zip(moved, put(moved), strict=True)}
    return {node.id: known[_key(node, kind, named)] for node in nodes}


def _copy(node: Any, type_id: int, key: str) -> Any:
    copy = type(node)()
    copy.CopyFrom(node)
    for field in ("id", "type", "system_metadata"):
        copy.ClearField(field)
    copy.ClearField("create_time_since_epoch")
    copy.ClearField("last_update_time_since_epoch")
    copy.type_id, copy.external_id = type_id, key
    for value in copy.custom_properties.values():
        if abs(value.int_value) > _MAX_INT:
            value.double_value = value.int_value
    copy.custom_properties[CREATED_PROPERTY].double_value = created_ms(node)
    copy.custom_properties[UPDATED_PROPERTY].double_value = updated_ms(node)
    return copy


def _move_events(
    source: _Store, target: _Store, ids: Mapping[str, Mapping[int, int]]
) -> None:
    for batch in _batches(list(ids["execution"])):
        events = source.get_events_by_execution_ids(batch)
        there = target.get_events_by_execution_ids([ids["execution"][n] for n in batch])
        known = {_mark(event) for event in there}
        for event in events:
            event.artifact_id = ids["artifact"][event.artifact_id]
            event.execution_id = ids["execution"][event.execution_id]
        missing = [event for event in events if _mark(event) not in known]
        if missing:
            target.put_events(missing)


def _mark(event: metadata_store_pb2.Event) -> tuple[int, int, int]:
    return event.artifact_id, event.execution_id, event.type


def _tie(source: _Store, target: _Store, ids: Mapping[str, Mapping[int, int]]) -> None:
    """Ties contexts to what is in them, and to their parents."""
    for here, there in ids["context"].items():
        attributions = [
            metadata_store_pb2.Attribution(
                artifact_id=ids["artifact"][artifact.id], context_id=there
            )
            for artifact in source.get_artifacts_by_context(here)
        ]
        associations = [
            metadata_store_pb2.Association(
                execution_id=ids["execution"][execution.id], context_id=there
            )
            for execution in source.get_executions_by_context(here)
        ]
        target.put_attributions_and_associations(attributions, associations)
        _put_parents(source, target, here, ids["context"])


def _put_parents(
    source: _Store, target: _Store, here: int, ids: Mapping[int, int]
) -> None:
    parents = [ids[one.id] for one in source.get_parent_contexts_by_context(here)]
    if not parents:
        return
    known = {one.id for one in target.get_parent_contexts_by_context(ids[here])}
    missing = [
        metadata_store_pb2.ParentContext(parent_id=parent, child_id=ids[here])
        for parent in parents
        if parent not in known
    ]
    if missing:
        target.put_parent_contexts(missing)


def _batches(things: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(things), _BATCH):
        yield things[start : start + _BATCH]


def _say(counts: Mapping[str, int]) -> str:
    said = [f"{n} {kind}{'s' if n > 1 else ''}" for kind, n in counts.items() if n]
    return _join(said)


def _join(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
