"""How fast notes begin, heard in the sound itself: features are too coarse for milliseconds.

A note begins where its envelope last rises through -20 dB, and its attack ends where it first reaches
-3 dB, both against the loudest level of the note's first half second. Two sounds are compared note by
note, each against its own level, so a softer answer is no slower one.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import signal

from amadeus.audio import AudioSpec
from amadeus.features.notes import Note

ONSET_DB, ARRIVAL_DB = -20.0, -3.0

_SMOOTHING_S = 0.02  # two periods of 100 Hz: no ripple of the wave itself
_STEP_S = 0.001
_LOOK_BACK_S = 0.3  # trackers hear a pitch later than its onset
_SWELL_S = 0.5
_TINY = 1e-12  # power of digital silence, -120 dBFS


class Attack(NamedTuple):
    """Where one note begins, in s from the start of the sound.

    Attributes:
      onset_s: When the envelope rises through -20 dB.
      arrival_s: When it reaches -3 dB.
    """

    onset_s: float
    arrival_s: float

    @property
    def duration_s(self) -> float:
        """From onset to arrival."""
        return self.arrival_s - self.onset_s


class AttackErrors(NamedTuple):
    """How far the attacks of a sound are from those of its original, note by note. Shapes [n_notes].

    Attributes:
      duration_ms: Difference of the attacks' durations, without its sign.
      onset_ms: Difference of the onsets, positive where the sound comes late.
    """

    duration_ms: np.ndarray
    onset_ms: np.ndarray


def compare_attacks(
    original: np.ndarray, answer: np.ndarray, notes: Sequence[Note], *, spec: AudioSpec
) -> AttackErrors:
    """Compares the attacks of the original's notes with those of an answer to it.

    Notes that are slurred, or whose original shows no rise from -20 dB, have no attack and are left out. Where
    the answer shows none, its attack lasts from as early as one looks.

    Args:
      original: Shape [n_samples].
      answer: Aligned with it. Shape [n_samples].
      notes: Of the original.
      spec: The clock of the sounds and of the notes' frames.
    """
    envelopes_db = [
        envelope_db(a, sample_rate=spec.sample_rate) for a in (original, answer)
    ]
    durations_ms, onsets_ms = [], []
    for index, note in enumerate(notes):
        before = notes[index - 1].end_frame / spec.frame_rate if index else 0.0
        truth = find_attack(envelopes_db[0], note, spec=spec, not_before_s=before)
        if note.is_legato or truth is None:
            continue
        found = find_attack(envelopes_db[1], note, spec=spec, not_before_s=before)
        if found is None:
            found = Attack(_first_look_s(note, spec, before), truth.arrival_s)
        durations_ms.append(1e3 * abs(found.duration_s - truth.duration_s))
        onsets_ms.append(1e3 * (found.onset_s - truth.onset_s))
    return AttackErrors(np.array(durations_ms), np.array(onsets_ms))


def find_attack(
    level_db: np.ndarray, note: Note, *, spec: AudioSpec, not_before_s: float = 0.0
) -> Attack | None:
    """Finds where a note begins; None where nothing rises.

    Args:
      level_db: As `envelope_db` gives it.
      note: Where to look.
      spec: The clock of the note's frames.
      not_before_s: End of the note before.
    """
    first = round(_first_look_s(note, spec, not_before_s) / _STEP_S)
    start = round(note.start_frame / spec.frame_rate / _STEP_S)
    last = min(
        round(note.end_frame / spec.frame_rate / _STEP_S),
        start + round(_SWELL_S / _STEP_S),
    )
    rise = level_db[first:last]
    if not len(rise):
        return None
    rise = rise - rise.max()
    arrival = int(np.argmax(rise >= ARRIVAL_DB))
    below = np.flatnonzero(rise[:arrival] < ONSET_DB)
    if not len(below):
        return None
    onset = int(below[-1])
    return Attack(
        _STEP_S * (first + _cross(rise, onset, ONSET_DB)),
        _STEP_S * (first + _cross(rise, arrival - 1, ARRIVAL_DB)),
    )


def envelope_db(audio: np.ndarray, *, sample_rate: int) -> np.ndarray:
    """Measures the power of a sound, smoothed over 20 ms, each millisecond.

    Returns:
      Level in dBFS, at least -120. Value i is that around i ms. Shape [ceil(duration in ms)].
    """
    window = signal.windows.hann(round(_SMOOTHING_S * sample_rate) | 1)
    power = np.square(np.asarray(audio, np.float64))
    smooth = signal.fftconvolve(power, window / window.sum(), mode="same")
    centres = np.arange(0, len(audio) / sample_rate, _STEP_S) * sample_rate
    at_steps = smooth[np.minimum(np.rint(centres).astype(int), len(audio) - 1)]
    return np.asarray(10 * np.log10(np.maximum(at_steps, _TINY)))


def _first_look_s(note: Note, spec: AudioSpec, not_before_s: float) -> float:
    return max(not_before_s, note.start_frame / spec.frame_rate - _LOOK_BACK_S, 0.0)


def _cross(rise: np.ndarray, index: int, level_db: float) -> float:
    """Where between `index` and the next the level is crossed, as a fractional index."""
    low, high = rise[index], rise[index + 1]
    return index + float(np.clip((level_db - low) / max(high - low, 1e-9), 0.0, 1.0))
