"""How numbers are said: notes, durations, metrics and knobs, the same in a terminal and on a page."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from amadeus.personality.profiles import (
    LEARNER_KNOBS,
    PLAYER_KNOBS,
    Knob,
    Profile,
    spell,
)
from amadeus.report.session import Session
from amadeus.v1 import profiles_pb2

# Where ranges end: a frame in fifty may be an error of the tracker.
LOW_SHARE, HIGH_SHARE = 0.02, 0.98


class MetricName(NamedTuple):
    """How a metric is called and counted; all of them are better when lower."""

    label: str
    unit: str
    meaning: str


METRICS = {
    "spectral_loss": MetricName(
        "spectral loss",
        "",
        "multi-scale spectral distance, linear and logarithmic, FFT 2048 to 64",
    ),
    "loudness_error_db": MetricName(
        "loudness error", "dB", "mean distance of the loudness curves"
    ),
    "f0_error_semitones": MetricName(
        "pitch error",
        "semitones",
        "mean distance of the pitch, found again in the resynthesis",
    ),
    "f0_outlier_ratio": MetricName(
        "pitch outliers",
        "%",
        "share of 4 s excerpts whose pitch is lost or more than an octave off",
    ),
    "silent_leak_db": MetricName(
        "sound in silence", "dB", "loudness of the voice where the original is silent"
    ),
    "silence_level_dbfs": MetricName(
        "level in silence",
        "dBFS",
        "level of the voice where the original stays below \N{MINUS SIGN}70 dBFS for 0.3 s or more",
    ),
    "attack_error_ms": MetricName(
        "attack error",
        "ms",
        "difference in the time a note takes to rise from 20 to 3 dB below its peak, the median note",
    ),
}

LEVELS = {"silent_leak_db", "silence_level_dbfs"}  # decibels, not distances in decibels


class Setting(NamedTuple):
    """A knob as it stands in a profile."""

    name: str
    value: str
    unit: str
    default: str
    is_default: bool


def duration(seconds: float) -> str:
    """Says a duration as `4.2 s`, `3:07 min` or `1:02:03 h`."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d} h"


def quantile(values: Sequence[float], share: float) -> float:
    """Reads evenly spaced quantiles: the value below which a share of the frames lies."""
    position = share * (len(values) - 1)
    below = min(int(position), len(values) - 2) if len(values) > 1 else 0
    above = min(below + 1, len(values) - 1)
    return values[below] + (position - below) * (values[above] - values[below])


def decibels(level_db: float, digits: int = 0) -> str:
    """Says a level with a minus sign worthy of the name."""
    return f"{level_db:.{digits}f} dB".replace("-", "\N{MINUS SIGN}")


def metric_label(name: str) -> str:
    """Calls a metric by its plain name."""
    return METRICS[name].label if name in METRICS else name.replace("_", " ")


def metric_value(name: str, value: float | None) -> str:
    """Says a metric with its unit; `—` where it is not known."""
    if value is None or not math.isfinite(value):
        return "—"
    unit = METRICS[name].unit if name in METRICS else ""
    if unit == "%":
        return f"{100 * value:.1f} %"
    digits = 2 if abs(value) >= 0.1 else 3
    return f"{value:.{digits}f} {unit}".strip()


def sorted_metrics(metrics: Mapping[str, float]) -> list[str]:
    """Orders metrics: the known ones first, as they are listed here."""
    known = [name for name in METRICS if name in metrics]
    return known + sorted(set(metrics) - set(known))


def settings(profile: profiles_pb2.LearnerProfile) -> list[Setting]:
    """Lists all knobs of a learner profile, with what differs from the default marked."""
    return [_setting(profile, name, knob) for name, knob in LEARNER_KNOBS.items()]


def player_settings(profile: profiles_pb2.PlayerProfile) -> list[Setting]:
    """Lists all knobs of a player profile likewise; those of before a knob was there play by its default."""
    return [_setting(profile, name, knob) for name, knob in PLAYER_KNOBS.items()]


def outcome(session: Session) -> str:
    """Says in one line how a practice ended."""
    finished, failed, verdict = session.finished, session.failed, session.evaluated
    if finished is not None and finished.is_new:
        return f"made generation {finished.generation}"
    if finished is not None:
        reason = f": {verdict.reason}" if verdict is not None else ""
        return f"made no new generation{reason}"
    if failed is not None:
        return f"stopped: {failed.text}" if failed.exit_status == 130 else failed.text
    return "has no end: it is running, or it was killed"


def _setting(profile: Profile, name: str, knob: Knob) -> Setting:
    value = getattr(profile, name) if profile.HasField(name) else knob.default
    text, default = spell(profile, name, value), spell(profile, name, knob.default)
    return Setting(name, text, knob.unit, default, text == default)
