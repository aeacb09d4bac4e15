"""Runs as a server tells of them: scene by scene, with nodes as Argo has them."""

import datetime
import uuid
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Scene:
    """How a run stands from one look to the next.

    Attributes:
      tasks: By component: a state, `CACHED`, or the states of its attempts.
      state: Of the run.
      logs: By component and attempt, such as `trainer-0`.
      events: What Kubernetes says of a pod, by the same names.
      does: Is called when the scene begins.
    """

    tasks: dict = field(default_factory=dict)
    state: str = "RUNNING"
    logs: dict = field(default_factory=dict)
    events: dict = field(default_factory=dict)
    does: Any = None


def details(run, tasks):
    """Writes nodes as Argo has them: a driver, a task, and its executor with its attempts."""
    yield node(run, "root-driver", "SUCCEEDED")
    yield node(run, "root", "RUNNING", children=[f"{name}-driver" for name in tasks])
    for number, (name, told) in enumerate(tasks.items()):
        run = {**run, "began": number + 1}
        attempts = told if isinstance(told, list) else []
        state = attempts[-1] if attempts else told
        if state == "DRIVING":
            yield node(run, f"{name}-driver", "RUNNING")
            continue
        yield node(run, f"{name}-driver", "SUCCEEDED", children=[name])
        if state == "SKIPPED":
            yield node(run, name, "SKIPPED")
            continue
        is_over = state in ("SUCCEEDED", "FAILED", "CACHED")
        shown = {"CACHED": "SUCCEEDED"}.get(state, state if is_over else "RUNNING")
        if not attempts:
            yield node(run, name, shown, children=[f"{name}-0"])
            skipped = "SKIPPED" if state == "CACHED" else state
            yield node(run, "executor", skipped, pod=f"{name}-0")
            continue
        pods = [f"{name}-{number}" for number in range(len(attempts))]
        yield node(run, name, shown, children=[f"{name}-tries"])
        yield node(run, "executor", shown, pod=f"{name}-tries", children=pods)
        for number, (pod, attempt) in enumerate(zip(pods, attempts, strict=True)):
            yield node(run, f"executor({number})", attempt, pod=pod)


def _later(run, seconds):
    """A moment of the run: each component begins a minute after the one before."""
    began = datetime.datetime.fromisoformat(run["created_at"])
    after = datetime.timedelta(minutes=run.get("began", 0) - 1, seconds=seconds)
    return (began + after).isoformat()


def node(run, name, state, *, pod=None, children=()):
    is_open = state in ("PENDING", "RUNNING")
    return {
        "run_id": run["run_id"],
        "task_id": str(
            uuid.uuid5(uuid.NAMESPACE_OID, f"{run['run_id']}/{pod or name}")
        ),
        "display_name": name,
        "state": state,
        "create_time": run["created_at"],
        "start_time": _later(run, 60),
        "end_time": "1970-01-01T00:00:00Z" if is_open else _later(run, 90),
        "pod_name": pod_of(run, pod or name),
        "child_tasks": [{"pod_name": pod_of(run, child)} for child in children],
    }


def pod_of(run, name):
    return f"run-{run['run_id'][:8]}-{name}"
