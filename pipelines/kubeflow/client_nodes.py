"""The components of a run among the nodes that carry it out.

Kubeflow makes of each task three nodes or more, and tells of them as of equals: a driver `<task>-driver`, the task
itself, its `executor`, and, where it may be tried again, an `executor(0)`, `executor(1)` ... for each attempt. A task
that came from the cache has ended well and its executor was skipped.

Source: kubeflow/pipelines, backend/src/v2/compiler/argocompiler/container.go.
"""

import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Literal, NamedTuple

from pipelines.kubeflow.client_messages import Run, Task

State = Literal["waiting", "running", "done", "cached", "skipped", "failed"]

_ROOT, _DRIVER, _EXECUTOR = "root", "-driver", "executor"
_FAILED = {"FAILED", "ERROR"}
_SKIPPED = {"SKIPPED", "OMITTED"}
_MAX_DEPTH = 3  # of an attempt below its task


class Component(NamedTuple):
    """How a component of a run stands.

    Attributes:
      name: That of its class, such as `AudioExampleGen`.
      state: Where it stands.
      started_at: When it began; None while it has not.
      ended_at: When it ended; None while it has not.
      attempts: Pods of its attempts, the first one first; the last may be at work.
      failed: Those of them that have failed.
      text: What the API says of its failure; mostly empty.
    """

    name: str
    state: State
    started_at: datetime | None
    ended_at: datetime | None
    attempts: tuple[str, ...]
    failed: tuple[str, ...]
    text: str


def components(run: Run) -> list[Component]:
    """Finds the components of a run that it has come to, in the order in which they began."""
    nodes = {task.name: task for task in run.tasks}
    by_pod = {task.pod: task for task in run.tasks if task.pod}
    drivers = {
        name: driver
        for node, driver in nodes.items()
        if (name := node.removesuffix(_DRIVER)) not in (node, _ROOT)
    }
    in_order = sorted(drivers, key=lambda name: _began(drivers[name]))
    return [
        _component(name, drivers[name], nodes.get(name), by_pod) for name in in_order
    ]


def _began(task: Task) -> float:
    return task.started_at.timestamp() if task.started_at else math.inf


def _component(
    name: str, driver: Task, task: Task | None, by_pod: Mapping[str, Task]
) -> Component:
    attempts = _attempts(task, by_pod) if task else []
    return Component(
        name=_title(name),
        state=_state(driver, task, attempts),
        started_at=task.started_at if task else None,
        ended_at=task.ended_at if task else None,
        attempts=tuple(one.pod for one in attempts),
        failed=tuple(one.pod for one in attempts if one.state in _FAILED),
        text=next(
            (one.text for one in (task, driver, *attempts) if one and one.text), ""
        ),
    )


def _state(driver: Task, task: Task | None, attempts: list[Task]) -> State:
    if driver.state in _FAILED:
        return "failed"
    if task is None:
        return "waiting"
    if task.state == "SUCCEEDED":
        is_cached = attempts and all(one.state in _SKIPPED for one in attempts)
        return "cached" if is_cached else "done"
    if task.state in _SKIPPED:
        return "skipped"
    if task.state in _FAILED:
        return "failed"
    # Without nodes below it, a task that runs is all that is known.
    at_work = attempts[-1].state if attempts else task.state
    return "running" if at_work == "RUNNING" else "waiting"


def _attempts(task: Task, by_pod: Mapping[str, Task]) -> list[Task]:
    """Lists what carries a task out: its executor, or the attempts below it."""
    return [
        one
        for one in _below(task, by_pod, _MAX_DEPTH)
        if one.name.startswith(_EXECUTOR)
    ]


def _below(task: Task, by_pod: Mapping[str, Task], depth: int) -> Iterator[Task]:
    children = [by_pod[pod] for pod in task.children if pod in by_pod]
    # A driver's children are the tasks that come after it: only executors are parts of a task.
    parts = [child for child in children if child.name.startswith(_EXECUTOR)]
    for part in sorted(parts, key=lambda one: one.name) if depth else ():
        deeper = list(_below(part, by_pod, depth - 1))
        yield from deeper or [part]


def _title(task_name: str) -> str:
    """Names the component of a task: `audio-example-gen` is of AudioExampleGen."""
    return "".join(word.capitalize() for word in task_name.split("-"))
