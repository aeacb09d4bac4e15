"""What the coach says: values only."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from amadeus.listen.coverage import Coverage
from amadeus.listen.instruments import Instrument
from amadeus.listen.material import Material, no_material
from amadeus.listen.playing import Playing, Tuning

if TYPE_CHECKING:
    from amadeus.listen.advice import Advice

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
    "f0_range",
    "skipped",
    "sample_rates",
]

INSIDE = {
    "inside": True
}  # metadata of fields that are for the coach itself, not for readers


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
      bandwidth_hz: Frequency above which the file holds nothing, at most half its sample rate.
      peak: Largest magnitude, 1 is full scale.
      outside_s: With a pitch outside of the profile's f0 range, of what was heard.
      outside_low_midi, outside_high_midi: Range of these pitches.
      places_s: Where in the take a kind of trouble is at its worst, or was looked for.
      material: What can be learned from what was heard.
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
    outside_s: float = 0.0
    outside_low_midi: float = float("nan")
    outside_high_midi: float = float("nan")
    places_s: dict[str, float] = field(default_factory=dict)
    warnings: list[Warning] = field(default_factory=list)
    material: Material = field(
        default_factory=no_material, repr=False, compare=False, metadata=INSIDE
    )

    @property
    def whole_pitched_s(self) -> float:
        """Pitched time in the whole take; estimated where only a part was heard."""
        return self.pitched_s * self.scale

    @property
    def scale(self) -> float:
        """How much of the take stands behind a second that was heard."""
        return self.duration_s / self.heard_s if self.heard_s else 0.0

    @property
    def is_clean(self) -> bool:
        """Whether nothing spoils its sound."""
        spoilt = {"noise", "clipping", "reverb"}
        return not any(warning.kind in spoilt for warning in self.warnings)

    @property
    def usable_s(self) -> float:
        """Pitched time in the whole take, of one note at a time; estimated where only a part was heard."""
        spoilt = {"polyphony", "speech", "unpitched"}
        if any(warning.kind in spoilt for warning in self.warnings):
            return 0.0
        return self.whole_pitched_s


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was heard in all takes; ranges are over the usable ones, or all if none is usable.

    Attributes:
      takes: As they were given.
      duration_s, heard_s, sounding_s, pitched_s: Sums over takes.
      usable_duration_s: Pitched, of one note at a time.
      clean_duration_s: Of that, in takes without noise, clipping or long echo.
      lowest_midi, highest_midi, soft_db, loud_db: The extremes of the takes.
      snr_db, decay_60db_s, bandwidth_hz: Medians over the usable time; NaN where not known.
      clipped_share, polyphonic_share: Means over the time heard.
      instrument: Whose range it is held against; None where nothing was heard.
      coverage: Seconds by region and level; None where nothing is usable.
      playing: Variety of the notes.
      tuning: None from too few notes.
      warnings: Of all takes, then of the whole.
      strengths, weaknesses: What a voice will be good at and bad at, as sentences.
      advice: What to record next, the most useful first; at most three.
    """

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
    snr_db: float
    decay_60db_s: float
    bandwidth_hz: float
    clipped_share: float
    polyphonic_share: float
    clean_duration_s: float
    instrument: Instrument | None
    coverage: Coverage | None
    playing: Playing
    tuning: Tuning | None
    warnings: list[Warning]
    strengths: list[str] = field(default_factory=list)
    weaknesses: list[str] = field(default_factory=list)
    advice: "list[Advice]" = field(default_factory=list)
    material: Material = field(
        default_factory=no_material, repr=False, compare=False, metadata=INSIDE
    )

    @property
    def dynamics_db(self) -> float:
        """Loud notes above soft ones, in dB."""
        return self.loud_db - self.soft_db
