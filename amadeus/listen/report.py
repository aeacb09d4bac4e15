"""What the coach says: values only."""

from dataclasses import dataclass, field
from typing import Literal

WarningKind = Literal[
    "polyphony",
    "noise",
    "clipping",
    "reverb",
    "silence",
    "unpitched",
    "speech",
    "short",
    "bandwidth",
]


@dataclass(frozen=True)
class Warning:
    """Something that stands in the way of learning.

    Attributes:
      kind: What it is about.
      text: One sentence with the numbers behind it.
      numbers: The same numbers by name; the unit is the suffix.
      take: Name of the take; empty when it is about all of them.
    """

    kind: WarningKind
    text: str
    numbers: dict[str, float]
    take: str = ""


@dataclass(frozen=True, kw_only=True)
class TakeReport:
    """What was heard in one take; NaN where nothing could be measured.

    Attributes:
      name: File name.
      path: Where it lies.
      duration_s: Of the whole file.
      heard_s: Listened to; less than `duration_s` when only a sample was.
      silent_s: Silence that is left out, of what was heard.
      sounding_s: Loud enough to be judged, of what was heard.
      pitched_s: With a confident pitch, of what was heard.
      lowest_midi, highest_midi: Pitch range, 2nd and 98th percentile, fractional MIDI notes.
      soft_db, loud_db: Loudness of soft and loud notes, 10th and 90th percentile over note peaks, in dB.
      polyphonic_share: Of the tonal frames, with strong partials of more than one note.
      steady_share: Of the pitched frames, with a pitch that rests or swings around one that rests.
      snr_db: Sound above the background.
      decay_60db_s: Time that partials take to fall by 60 dB at their quicker endings.
      clipped_share: Of the samples, flat at the ceiling.
      bandwidth_hz: Frequency above which a steep edge leaves nothing; NaN without such an edge.
      peak: Largest magnitude, 1 is full scale.
    """

    name: str
    path: str
    duration_s: float
    heard_s: float
    silent_s: float
    sounding_s: float
    pitched_s: float
    lowest_midi: float
    highest_midi: float
    soft_db: float
    loud_db: float
    polyphonic_share: float
    steady_share: float
    snr_db: float
    decay_60db_s: float
    clipped_share: float
    bandwidth_hz: float
    peak: float
    warnings: list[Warning] = field(default_factory=list)

    @property
    def usable_s(self) -> float:
        """Pitched time in the whole take, of one note at a time; estimated where only a part was heard."""
        spoilt = {"polyphony", "speech", "unpitched"}
        if any(warning.kind in spoilt for warning in self.warnings):
            return 0.0
        return self.pitched_s * self.duration_s / self.heard_s if self.heard_s else 0.0


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was heard in all takes; ranges are over the usable ones, or all if none is usable."""

    takes: list[TakeReport]
    duration_s: float
    heard_s: float
    sounding_s: float
    pitched_s: float
    usable_duration_s: float
    lowest_midi: float
    highest_midi: float
    soft_db: float
    loud_db: float
    warnings: list[Warning]

    @property
    def dynamics_db(self) -> float:
        """Loud notes above soft ones, in dB."""
        return self.loud_db - self.soft_db
