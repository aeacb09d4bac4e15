"""The tables of a report, worded: plain data for the page to lay out."""

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from amadeus.audio.recordings import to_path
from amadeus.errors import legible
from amadeus.report import wording
from amadeus.report.session import Session
from amadeus.v1.personality_pb2 import Statistics


class MetricRow(NamedTuple):
    """A metric, the parent's, and what changed."""

    label: str
    meaning: str
    value: str
    parent: str
    change: str


class CostRow(NamedTuple):
    """What a part of the practice cost, and its share of the whole."""

    name: str
    duration: str
    share: float
    remark: str


def metrics_of(session: Session) -> Mapping[str, float]:
    """Finds the metrics of the new voice; none if it was not evaluated."""
    if session.evaluated is not None:
        return session.evaluated.metrics
    return session.result.get("metrics") or {}


def metric_rows(session: Session) -> list[MetricRow]:
    """Words the metrics beside the parent's."""
    metrics = metrics_of(session)
    parent = session.evaluated.parent_metrics if session.evaluated is not None else {}
    return [
        MetricRow(
            label=wording.metric_label(name),
            meaning=wording.METRICS[name].meaning if name in wording.METRICS else "",
            value=wording.metric_value(name, metrics[name]),
            parent=wording.metric_value(name, parent[name]) if name in parent else "",
            change=_say_change(name, metrics[name], parent[name])
            if name in parent
            else "",
        )
        for name in wording.sorted_metrics(metrics)
    ]


def recording_names(session: Session) -> list[str]:
    """Names the recordings as they were called, else without the folder they share."""
    if session.request is None:
        return []
    uris, names = session.request.recordings.uri, session.request.recordings.name
    if names:
        return list(names)
    paths = [to_path(uri) for uri in uris]
    folder = os.path.commonpath([path.parent for path in paths]) if paths else ""
    return [
        legible(os.path.relpath(path, folder) if folder else str(path))
        for path in paths
    ]


def statistics_rows(statistics: Statistics | None) -> list[tuple[str, str]]:
    """Words what was heard in the training takes."""
    if statistics is None:
        return []
    rows = [
        ("sounding time", wording.duration(statistics.sounding_duration_s)),
        ("with a confident pitch", wording.duration(statistics.voiced_duration_s)),
        ("pitch", _say_pitches(statistics.pitch_quantiles_midi)),
        ("loudness", _say_range_db(statistics.loudness_quantiles_db)),
        ("background", wording.decibels(statistics.silence_loudness_db)),
    ]
    train, held_out = (statistics.take_count[split] for split in ("train", "eval"))
    return [*rows, ("takes", f"{train} to learn from, {held_out} held out")]


def note_rows(statistics: Statistics | None) -> list[tuple[str, str]]:
    """Words the typical note."""
    if statistics is None or not statistics.note_shape.note_count:
        return []
    shape = statistics.note_shape
    attack_db, decay_db = shape.attack_depth_db, shape.decay_depth_db
    soft, loud = map(wording.decibels, (shape.soft_loudness_db, shape.loud_loudness_db))
    slope = wording.decibels(shape.sustain_slope_db_per_s, 1)
    rows = [
        ("notes found", str(shape.note_count)),
        (
            "attack",
            f"{_ms(shape.attack_duration_s)} from {attack_db:.0f} dB below the peak",
        ),
        ("decay", f"{_ms(shape.decay_duration_s)} to {decay_db:.1f} dB below the peak"),
        ("sustain", f"{slope} a second"),
        ("release", f"{_ms(shape.release_duration_s)} for 40 dB"),
        ("peaks", f"{soft} when soft, {loud} when loud"),
    ]
    if shape.vibrato_rate_hz:
        depth = f"{shape.vibrato_rate_hz:.1f} Hz, {shape.vibrato_depth_cents:.0f} cents"
        rows.append(("vibrato", f"{depth}, after {_ms(shape.vibrato_delay_s)}"))
    return rows


def cost_rows(session: Session) -> list[CostRow]:
    """Words what each part of the practice cost, training first."""
    costs = session.costs(session.elapsed_s)
    longest = max((cost.duration_s for cost in costs), default=0.0) or 1.0
    return [
        CostRow(
            cost.name,
            wording.duration(cost.duration_s),
            100 * cost.duration_s / longest,
            cost.remark,
        )
        for cost in costs
    ]


def _say_pitches(pitches_midi: Sequence[float]) -> str:
    if not pitches_midi:
        return "none found"
    from amadeus.listen.text import note_name  # scipy, which takes a while to import

    shares = (wording.LOW_SHARE, 0.5, wording.HIGH_SHARE)
    low, middle, high = (
        note_name(wording.quantile(pitches_midi, share)) for share in shares
    )
    return f"{low} to {high}, half of it below {middle}"


def _say_range_db(levels_db: Sequence[float]) -> str:
    if not levels_db:
        return "none found"
    low, high = (
        wording.decibels(wording.quantile(levels_db, share))
        for share in (wording.LOW_SHARE, wording.HIGH_SHARE)
    )
    return f"{low} to {high}"


def _say_change(name: str, value: float, before: float) -> str:
    if not before or value == before:
        return "the same" if value == before else ""
    way = "lower" if value < before else "higher"
    if name in wording.LEVELS:  # of a level no percents can be told
        return f"{abs(value - before):.1f} dB {way}"
    return f"{abs(100 * (value / before - 1)):.1f} % {way}"


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms"
