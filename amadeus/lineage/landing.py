"""Looks whether a write was done whose answer got lost."""

from collections.abc import Sequence
from typing import Any

import ml_metadata
from ml_metadata.errors import NotFoundError

_Store = ml_metadata.MetadataStore


def find_landed(store: _Store, method: str, request: Any, response: Any) -> bool:
    """Fills the answer to a write from what is in the store; False where what is asked for is not there.

    Args:
      store: Where it was written.
      method: Name of the call.
      request: What was to be written, marked; see `patience.mark`.
      response: The answer, filled here.
    """
    try:
        return _FINDERS[method](store, request, response)
    except (KeyError, NotFoundError):
        return False


def _artifacts(store: _Store, request: Any, response: Any) -> bool:
    response.artifact_ids.extend(_artifact_ids(store, request.artifacts))
    return True


def _executions(store: _Store, request: Any, response: Any) -> bool:
    response.execution_ids.extend(_execution_ids(store, request.executions))
    return True


def _contexts(store: _Store, request: Any, response: Any) -> bool:
    response.context_ids.extend(_context_ids(store, request.contexts))
    return True


def _execution(store: _Store, request: Any, response: Any) -> bool:
    (response.execution_id,) = _execution_ids(store, [request.execution])
    for pair in request.artifact_event_pairs:
        artifact_id = pair.event.artifact_id
        if pair.HasField("artifact"):
            (artifact_id,) = _artifact_ids(store, [pair.artifact])
        response.artifact_ids.append(artifact_id)
    response.context_ids.extend(_context_ids(store, request.contexts))
    return True


def _subgraph(store: _Store, request: Any, response: Any) -> bool:
    response.execution_ids.extend(_execution_ids(store, request.executions))
    response.artifact_ids.extend(_artifact_ids(store, request.artifacts))
    response.context_ids.extend(_context_ids(store, request.contexts))
    return True


def _links(_store: _Store, _request: Any, _response: Any) -> bool:
    return True  # all of them or none are written, and one is there


_FINDERS = {
    "PutArtifacts": _artifacts,
    "PutExecutions": _executions,
    "PutContexts": _contexts,
    "PutExecution": _execution,
    "PutLineageSubgraph": _subgraph,
    "PutEvents": _links,
    "PutParentContexts": _links,
}


def _artifact_ids(store: _Store, nodes: Sequence[Any]) -> list[int]:
    return _ids(nodes, store.get_artifacts_by_external_ids)


def _execution_ids(store: _Store, nodes: Sequence[Any]) -> list[int]:
    return _ids(nodes, store.get_executions_by_external_ids)


def _ids(nodes: Sequence[Any], find: Any) -> list[int]:
    marks = [node.external_id for node in nodes if not node.id]
    known = {node.external_id: node.id for node in (find(marks) if marks else ())}
    return [node.id or known[node.external_id] for node in nodes]


def _context_ids(store: _Store, contexts: Sequence[Any]) -> list[int]:
    ids = []
    for context in contexts:
        found = context
        if not context.id:
            (kind,) = store.get_context_types_by_id([context.type_id])
            found = store.get_context_by_type_and_name(kind.name, context.name)
            if found is None:
                raise KeyError(context.name)
        ids.append(found.id)
    return ids
