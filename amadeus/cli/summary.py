"""What a practice came to: the verdict, the numbers, the cost and what to do next."""

from collections.abc import Iterator

from amadeus.home import Deu
from amadeus.report.session import Session
from amadeus.report.wording import (
    duration,
    metric_label,
    metric_value,
    sorted_metrics,
)


def summarise(deu: Deu, session: Session, *, wall_s: float) -> Iterator[str]:
    """Sums up a practice that has a result.

    Args:
      deu: Who practised.
      session: What happened.
      wall_s: Seconds from starting the worker to its end.
    """
    yield from say_result(deu.name, session, wall_s=wall_s)
    yield from _say_next(deu, session)


def say_result(deu_name: str, session: Session, *, wall_s: float) -> Iterator[str]:
    """Sums up a practice that has a result, wherever it was: the verdict, the numbers, the cost.

    Args:
      deu_name: Who practised.
      session: What happened.
      wall_s: Seconds it took in all.
    """
    yield ""
    yield from _say_verdict(deu_name, session)
    yield from _say_metrics(session)
    yield from _say_cost(session, wall_s)


def _say_verdict(deu_name: str, session: Session) -> Iterator[str]:
    finished, verdict = session.finished, session.evaluated
    reason = f": {verdict.reason}" if verdict is not None and verdict.reason else ""
    if finished.is_new:
        yield f"{deu_name} plays generation {finished.generation} now{reason}"
        yield f"  digest  {finished.digest}"
    elif finished.generation and verdict is not None and verdict.blessed:
        yield f"nothing new: {deu_name} plays generation {finished.generation}, which is what came out{reason}"
    elif finished.generation and verdict is None:  # nothing was taught
        yield f"nothing changes: generation {finished.generation} of {deu_name} is like that already, and plays"
    elif finished.generation:
        yield f"not blessed{reason}"
        yield f"  {deu_name} still plays generation {finished.generation}"
    else:
        yield f"not blessed{reason}"
        yield f"  {deu_name} has no voice yet"


def _say_metrics(session: Session) -> Iterator[str]:
    if session.evaluated is None:
        return
    new, parent = session.evaluated.metrics, session.evaluated.parent_metrics
    yield "on held-out takes"
    for name in sorted_metrics(new):
        before = (
            f"  (before: {metric_value(name, parent[name])})" if name in parent else ""
        )
        yield f"  {metric_label(name):<18} {metric_value(name, new[name])}{before}"


def _say_cost(session: Session, wall_s: float) -> Iterator[str]:
    yield f"time: {duration(wall_s)}"
    for cost in session.costs(wall_s):
        remark = f"  ({cost.remark})" if cost.remark else ""
        yield f"  {cost.name:<18} {cost.duration_s:7.1f} s{remark}"


def _say_next(deu: Deu, session: Session) -> Iterator[str]:
    yield "next"
    if session.finished.generation:
        yield f"  amadeus perform {deu.name} tune.mid -o tune.wav"
    else:
        yield f"  amadeus practice imitate {deu.name} RECORDINGS --minutes 10"
    yield f"  amadeus report {deu.name}"
    yield f"  amadeus lineage {deu.name}"
