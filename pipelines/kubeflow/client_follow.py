"""Follows a run to its end: each thing that happens is told once, and an API that goes away for a while is waited for.

What Kubeflow tells of a run are states. What a container tells of itself (`telling.py`) is in its log, which is read
where it is to be had: while the trainer trains, and when a component has ended.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from amadeus.errors import ClusterError
from amadeus.personality.quoting import tame
from amadeus.v1 import practice_pb2
from amadeus.v1.practice_pb2 import PracticeEvent
from pipelines.kubeflow.client import Cluster
from pipelines.kubeflow.client_messages import Run
from pipelines.kubeflow.client_nodes import Component, components
from pipelines.kubeflow.client_patience import Patience
from pipelines.kubeflow.telling import read_events

PATIENCE_S = 600.0  # without a word from the API

_IMAGE_WORDS = ("pull", "image", "Image")
_WORDLESS = (
    "its container ended without a word, as when its machine is taken away or its "
    "memory is full"
)
_IDLE = 10.0  # pauses for each time that a look at a log takes
_TOLD_HERE = ("component_started", "component_finished")
_BEGUN = ("running", "done", "failed")
_ENDED = ("done", "cached", "failed")


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How often to look.

    Attributes:
      poll_s: Shortest and longest pause between two looks at a run: it is long where nothing happens.
      log_s: Pause between two looks at the log of a component at work.
      wait_s: How long a component may wait for a machine before somebody is asked why; and between two questions.
    """

    poll_s: tuple[float, float] = (0.5, 10.0)
    log_s: float = 10.0
    wait_s: float = 90.0


class Listener(Protocol):
    """Who is told how a run goes."""

    def stands(self, run: Run) -> None:
        """Hears how the run stands: when first seen, and whenever its state changes."""

    def happened(self, event: PracticeEvent) -> None:
        """Hears of an event, each once."""

    def waits(self, component: str, reason: str) -> None:
        """Hears why a component does not begin; the reason is empty where nobody knows."""

    def lost(self, error: ClusterError, pause_s: float) -> None:
        """Hears that the API went away, and when it is tried again."""


def follow(
    cluster: Cluster,
    run_id: str,
    listener: Listener,
    *,
    pace: Pace | None = None,
    patience_s: float = PATIENCE_S,
) -> Run:
    """Follows a run to its end.

    Args:
      cluster: Where it is.
      run_id: Which.
      listener: Is told how it goes.
      pace: How often to look.
      patience_s: How long to wait for an API that has gone away.

    Returns:
      How it stands at its end.

    Raises:
      ClusterError: There is no such run, access is refused, or nobody has answered for `patience_s`.
    """
    follower = _Follower(cluster, listener, pace or Pace())
    pause_s, longest_s = follower.pace.poll_s
    while True:
        run = cluster.run(run_id, Patience(patience_s, listener.lost))
        if follower.take_in(run):
            pause_s = follower.pace.poll_s[0]
        if run.is_over:
            return run
        time.sleep(pause_s)
        pause_s = min(1.5 * pause_s, longest_s)


class _Follower:
    """What was told of a run already."""

    def __init__(self, cluster: Cluster, listener: Listener, pace: Pace) -> None:
        self.pace = pace
        self._cluster, self._listener = cluster, listener
        self._run_state = ""
        self._states: dict[str, str] = {}
        self._begun: set[str] = set()
        self._n_failed: dict[str, int] = {}
        self._told_s: dict[str, float] = {}  # by the clock of a pod
        self._due_at: dict[str, float] = {}  # the next look at its log
        self._waits_since: dict[str, float] = {}
        self._reasons: set[tuple[str, str]] = set()

    def take_in(self, run: Run) -> bool:
        """Tells what is new, and whether anything is."""
        is_new = run.state != self._run_state
        if is_new:
            self._run_state = run.state
            self._listener.stands(run)
        for one in components(run):
            is_new |= self._take_in(run, one)
        return is_new

    def _take_in(self, run: Run, one: Component) -> bool:
        before = self._states.get(one.name)
        self._states[one.name] = one.state
        is_new = before != one.state
        if one.state in _BEGUN and one.name not in self._begun:
            self._begun.add(one.name)
            started = practice_pb2.ComponentStarted(component=one.name)
            self._tell(run, one, component_started=started)
        self._tell_attempts(run, one)
        if one.state == "waiting":
            self._ask_why(one)
        else:
            self._waits_since.pop(one.name, None)
        if one.state == "running":
            self._read_log(run, one, is_last=False)
        if is_new and one.state in _ENDED:
            self._end(run, one)
        return is_new

    def _end(self, run: Run, one: Component) -> None:
        if one.state in ("done", "failed"):
            self._read_log(run, one, is_last=True)
        if one.state in ("done", "cached"):
            duration_s = 0.0
            if one.started_at and one.ended_at:
                duration_s = (one.ended_at - one.started_at).total_seconds()
            done = practice_pb2.ComponentFinished(
                component=one.name,
                cached=one.state == "cached",
                duration_s=max(duration_s, 0.0),
            )
            self._tell(run, one, component_finished=done)

    def _tell_attempts(self, run: Run, one: Component) -> None:
        """Says that a component begins again, after an attempt that came to nothing."""
        n_told = self._n_failed.get(one.name, 0)
        self._n_failed[one.name] = len(one.failed)
        if one.state == "failed":
            return  # which is said otherwise
        for number, pod in enumerate(one.failed[n_told:], n_told + 1):
            reason = self._last_words(run, pod) if pod else _WORDLESS
            text = (
                f"attempt {number} at {one.name} failed ({reason}); it is tried again."
            )
            self._tell(run, one, warning=practice_pb2.Warning(text=text))

    def _last_words(self, run: Run, pod: str) -> str:
        said = ""
        for event in read_events(self._cluster.read_log(run.run_id, pod)):
            if event.HasField("failed"):
                said = event.failed.text
        if said:
            return said.rstrip(".")
        return _WORDLESS

    def _ask_why(self, one: Component) -> None:
        now = time.monotonic()
        if now - self._waits_since.setdefault(one.name, now) < self.pace.wait_s:
            return
        self._waits_since[one.name] = now
        pod = one.attempts[-1] if one.attempts else ""
        warned = self._cluster.read_events(pod) if pod else []
        # Of an image that cannot be pulled Kubernetes says first why, and then for ever that it waits.
        about_images = [text for text in warned if any(w in text for w in _IMAGE_WORDS)]
        reason = tame((about_images or warned[-1:] or [""])[0])
        if (one.name, reason) not in self._reasons:
            self._reasons.add((one.name, reason))
            self._listener.waits(one.name, reason)

    def _read_log(self, run: Run, one: Component, *, is_last: bool) -> None:
        pod = one.attempts[-1] if one.attempts else ""
        began_at = time.monotonic()
        is_due = began_at >= self._due_at.get(pod, float("-inf"))
        if not pod or not (is_due or is_last):
            return
        for event in self._new_events(run, pod, is_last=is_last):
            if event.WhichOneof("event") not in _TOLD_HERE:
                event.elapsed_s += _elapsed_s(run, one.started_at)
                self._listener.happened(event)
        ended_at = time.monotonic()  # a long log is looked at more seldom
        pause_s = max(self.pace.log_s, _IDLE * (ended_at - began_at))
        self._due_at[pod] = ended_at + pause_s

    def _new_events(
        self, run: Run, pod: str, *, is_last: bool
    ) -> Iterator[PracticeEvent]:
        # They are told apart by the clock of their pod, and not by their place in its log: of a long one a node throws
        # the beginning away.
        told_s = self._told_s.get(pod, float("-inf"))
        for event in read_events(self._cluster.read_log(run.run_id, pod)):
            # An attempt that has failed may be followed by another: it is no last word before the state says so.
            if event.elapsed_s > told_s and (is_last or not event.HasField("failed")):
                self._told_s[pod] = told_s = event.elapsed_s
                yield event

    def _tell(self, run: Run, one: Component, **event: Any) -> None:
        has_ended = "component_finished" in event and one.ended_at is not None
        elapsed_s = _elapsed_s(run, one.ended_at if has_ended else one.started_at)
        self._listener.happened(PracticeEvent(elapsed_s=elapsed_s, **event))


def _elapsed_s(run: Run, moment: datetime | None) -> float:
    """Counts by the clock of the cluster, so that the clock of this machine is never asked."""
    if run.created_at is None or moment is None:
        return 0.0
    return max((moment - run.created_at).total_seconds(), 0.0)
