"""How it is played: long and short, tied and separate, with and without vibrato; and how it is tuned."""

import math
from dataclasses import dataclass

import numpy as np

LONG_S = 1.0
SHORT_S = 0.25

_TIED_SEMITONES = 0.8  # less is the same note, wavering
_TUNING_NOTE_S = 0.15  # shorter notes are not in tune with anything
_MIN_TUNING_NOTES = 5


@dataclass(frozen=True, kw_only=True)
class Playing:
    """The variety of the notes; shares are NaN where there was nothing to share.

    Attributes:
      n_notes: Heard; not scaled where only a sample of the recordings was.
      longest_s: The longest note.
      long_s: Seconds in notes of at least `LONG_S`.
      long_share: Of the time, in such notes.
      short_share: Of the notes, shorter than `SHORT_S`.
      n_tied: Notes that follow the one before by pitch alone (legato).
      n_separate: Notes with an attack of their own.
      n_repeated: Of these, on the pitch of the note just before.
      n_vibrato, n_plain: Notes of at least 0.5 s with vibrato, and without.
    """

    n_notes: int
    longest_s: float
    long_s: float
    long_share: float
    short_share: float
    n_tied: int
    n_separate: int
    n_repeated: int
    n_vibrato: int
    n_plain: int

    @property
    def tied_share(self) -> float:
        """Of the notes, tied to the one before."""
        return self.n_tied / self.n_notes if self.n_notes else math.nan

    @property
    def vibrato_share(self) -> float:
        """Of the notes long enough to tell, with vibrato."""
        n_told = self.n_vibrato + self.n_plain
        return self.n_vibrato / n_told if n_told else math.nan


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """How notes lie beside the equal temperament that fits them best.

    Attributes:
      a4_hz: Pitch of A4 in that temperament, within a quarter tone of 440 Hz.
      spread_cents: Standard deviation of the notes around it, weighted by their length.
      n_notes: That were long enough.
    """

    a4_hz: float
    spread_cents: float
    n_notes: int


def describe_playing(notes: np.ndarray) -> Playing:
    """Counts notes by how they are played.

    Args:
      notes: Structured by `material.NOTE_FIELDS`, in order of time within each passage.
    """
    durations_s = notes["duration_s"]
    is_long = durations_s >= LONG_S
    interval = np.abs(np.diff(notes["pitch_midi"], prepend=np.nan))
    is_tied = notes["is_legato"] & ~(interval < _TIED_SEMITONES)
    told = notes["vibrato_cents"][~np.isnan(notes["vibrato_cents"])]
    total_s = float(durations_s.sum())
    return Playing(
        n_notes=len(notes),
        longest_s=float(durations_s.max(initial=0.0)),
        long_s=float(durations_s[is_long].sum()),
        long_share=float(durations_s[is_long].sum()) / total_s if total_s else math.nan,
        short_share=float(np.mean(durations_s < SHORT_S)) if len(notes) else math.nan,
        n_tied=int(is_tied.sum()),
        n_separate=int(np.count_nonzero(~notes["is_legato"])),
        n_repeated=int(notes["is_repeat"].sum()),
        n_vibrato=int(np.count_nonzero(told > 0)),
        n_plain=int(np.count_nonzero(told == 0)),
    )


def estimate_tuning(notes: np.ndarray) -> Tuning | None:
    """Estimates the pitch of A4 from where notes lie between the semitones.

    Args:
      notes: Structured by `material.NOTE_FIELDS`.

    Returns:
      The tuning; None from fewer than five notes.
    """
    told = notes[notes["duration_s"] >= _TUNING_NOTE_S]
    if len(told) < _MIN_TUNING_NOTES:
        return None
    # Cents between semitones go round in a circle: +50 is -50.
    turns = np.exp(2j * np.pi * told["pitch_midi"])
    mean = np.average(turns, weights=told["duration_s"])
    offset = float(np.angle(mean)) / (2 * math.pi)  # semitones
    away = np.angle(turns * np.exp(-2j * np.pi * offset)) / (2 * np.pi)
    variance = float(np.average(np.square(away), weights=told["duration_s"]))
    return Tuning(
        a4_hz=440 * 2 ** (offset / 12),
        spread_cents=100 * math.sqrt(variance),
        n_notes=len(told),
    )
