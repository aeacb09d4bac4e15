"""What a score is, and what a voice is told: notes and controllers, and control curves.

Conventions: times are seconds from the start of the score; pitches are MIDI note numbers; channels
count from 0.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np


class Note(NamedTuple):
    """A note as written: when, which key, how hard, and who wrote it."""

    start_s: float
    end_s: float
    pitch_midi: int
    velocity: int  # 1..127
    channel: int = 0
    track: int = 1
    is_legato: bool = (
        False  # sung on from the note before it in its part, whatever the instrument
    )


def score_order(note: Note) -> tuple[float, int, float]:
    """Sorts notes by start, then from low to high."""
    return note.start_s, note.pitch_midi, note.end_s


class Steps(NamedTuple):
    """A controller over time: `initial`, then `values[i]` from `times_s[i]` on."""

    times_s: np.ndarray
    values: np.ndarray
    initial: float

    def at(self, times_s: np.ndarray) -> np.ndarray:
        """Reads the controller. Shape of `times_s` and of the result: [n]."""
        if not len(self.values):
            return np.full(len(times_s), self.initial)
        values = np.concatenate([[self.initial], self.values])
        return values[np.searchsorted(self.times_s, times_s, side="right")]


def constant(value: float) -> Steps:
    """A controller nobody touches."""
    return Steps(np.zeros(0), np.zeros(0), value)


class Channel(NamedTuple):
    """The controllers of one MIDI channel."""

    bend_unit: Steps = constant(0.0)  # [-1, 1)
    bend_range_semitones: Steps = constant(np.nan)  # NaN until RPN 0 says otherwise
    modulation_unit: Steps = constant(0.0)  # CC1, [0, 1]
    volume_db: Steps = constant(0.0)  # CC7, 0 dB at 100
    expression_db: Steps = constant(0.0)  # CC11, 0 dB at 127
    pressure_unit: Steps = constant(0.0)  # channel pressure, [0, 1]
    timbre_unit: Steps = constant(0.0)  # CC74, [-1, 1], 0 at 64


@dataclass(frozen=True)
class Score:
    """What a voice is to play.

    Attributes:
      notes: In order of start, then pitch.
      channels: Controllers by channel; a channel without any is absent.
      notices: What the ama should know about the reading of the file.
    """

    notes: tuple[Note, ...]
    channels: dict[int, Channel] = field(default_factory=dict)
    notices: tuple[str, ...] = ()

    @property
    def duration_s(self) -> float:
        """Time until the last note ends."""
        return max((note.end_s for note in self.notes), default=0.0)


class Timbre(NamedTuple):
    """How a voice is bent while it plays; zeros leave it as it was taught.

    Attributes:
      harmonic_gain_db: Gain of the harmonic part in dB. Float32, shape [n_frames].
      noise_gain_db: Gain of the noise part in dB. Float32, shape [n_frames].
      brightness: Tilt of the harmonics in units of 6 dB an octave. Float32, shape [n_frames].
    """

    harmonic_gain_db: np.ndarray
    noise_gain_db: np.ndarray
    brightness: np.ndarray


class Controls(NamedTuple):
    """What a voice plays.

    Attributes:
      f0_hz: Pitch in Hz, negative where unvoiced. Float32, shape [n_frames].
      loudness_db: Loudness in dB. Float32, shape [n_frames].
      timbre: None where the voice plays as it was taught.
    """

    f0_hz: np.ndarray
    loudness_db: np.ndarray
    timbre: Timbre | None = None

    def cut(self, frames: slice) -> "Controls":
        """The controls of some frames."""
        timbre = self.timbre and Timbre(*(curve[frames] for curve in self.timbre))
        return Controls(self.f0_hz[frames], self.loudness_db[frames], timbre)
