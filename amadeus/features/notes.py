"""From features to notes: where each begins and ends, its pitch and its loudness.

A voiced stretch is cut where its pitch moves to another level and where its loudness dips and
comes back. Levels are the exact best fit of a pitch that stays and seldom moves (a Potts
model); vibrato of up to 70 cents either way at 4.5 Hz, and more when it is faster, stays one note.
"""

import itertools
from typing import NamedTuple

import numpy as np
from scipy import signal

from amadeus.audio import AudioSpec
from amadeus.features.types import Features
from amadeus.features.voicing import runs, voiced_mask

_MIN_NOTE_S = 0.06
_LEVEL_SEMITONES = 1 / 3  # grid of pitch levels
_DEVIATION_SEMITONES = 0.5  # how far a pitch strays from its level
_MAX_COST = 8.0  # of one frame, at 2 semitones: an outlier is not worth a note
_MOVE_COST = 8.0  # at 100 frames a second: 40 ms at a semitone's distance
_DIP_DB = 8.0  # a re-attack rises this much; amplitude vibrato seldom does
_REATTACK_S = 0.08  # in which it has risen by most of that


class Note(NamedTuple):
    """A played note.

    Attributes:
      start_frame: First frame with its pitch.
      end_frame: First frame after it.
      pitch_midi: Median pitch as a fractional MIDI note number.
      loudness_db: Peak loudness in dB.
      is_legato: Whether it follows the note before by pitch alone, without a break.
    """

    start_frame: int
    end_frame: int
    pitch_midi: float
    loudness_db: float
    is_legato: bool


def detect_notes(
    features: Features, *, spec: AudioSpec, threshold: float
) -> list[Note]:
    """Finds the notes of a monophonic performance.

    Args:
      features: Of the performance.
      spec: The clock of `features`.
      threshold: Confidence in [0, 1] from which a frame is voiced.

    Returns:
      Notes in order of time; they do not overlap and last at least 60 ms.
    """
    pitch_midi = hz_to_midi(features.f0_hz)
    notes: list[Note] = []
    for start, end in runs(voiced_mask(features, threshold=threshold)):
        notes += _cut_stretch(
            start, pitch_midi[start:end], features.loudness_db[start:end], spec
        )
    return notes


def hz_to_midi(f0_hz: np.ndarray) -> np.ndarray:
    """Converts Hz to fractional MIDI note numbers (69 is 440 Hz)."""
    return 69.0 + 12.0 * np.log2(np.asarray(f0_hz, np.float64) / 440.0)


def _cut_stretch(
    offset: int, pitch_midi: np.ndarray, loudness_db: np.ndarray, spec: AudioSpec
) -> list[Note]:
    """Cuts one voiced stretch, which begins at frame `offset`, into notes."""
    min_frames = max(2, round(_MIN_NOTE_S * spec.frame_rate))
    if len(pitch_midi) < min_frames:
        return []
    levels = steady_levels(pitch_midi, move_cost=_MOVE_COST * spec.frame_rate / 100)
    moves = set((np.flatnonzero(np.diff(levels)) + 1).tolist())
    dips = _reattacks(loudness_db, spec)
    cuts = _drop_short({0, *moves, *dips}, len(pitch_midi), min_frames)
    return [
        Note(
            start_frame=offset + start,
            end_frame=offset + end,
            pitch_midi=float(np.median(pitch_midi[start:end])),
            loudness_db=float(loudness_db[start:end].max()),
            is_legato=start > 0 and not _near(start, dips, min_frames),
        )
        for start, end in itertools.pairwise(cuts)
    ]


def steady_levels(pitch_midi: np.ndarray, *, move_cost: float) -> np.ndarray:
    """Fits a pitch that stays on a level and moves at a price; the fit is the cheapest there is.

    Args:
      pitch_midi: Shape [n_frames].
      move_cost: Price of one move, in squared deviations halved.

    Returns:
      Level of each frame as an index. Int, shape [n_frames].
    """
    low, high = pitch_midi.min(), pitch_midi.max()
    grid = np.arange(low, high + _LEVEL_SEMITONES, _LEVEL_SEMITONES)
    distance = (pitch_midi[:, None] - grid) / _DEVIATION_SEMITONES
    costs = np.minimum(distance**2 / 2, _MAX_COST)
    moved = np.zeros(costs.shape, bool)
    origin = np.zeros(len(costs), np.int64)
    total = costs[0]
    for frame in range(1, len(costs)):
        origin[frame] = total.argmin()
        ceiling = total[origin[frame]] + move_cost
        moved[frame] = total > ceiling
        total = np.minimum(total, ceiling) + costs[frame]
    levels = np.empty(len(costs), np.int64)
    levels[-1] = total.argmin()
    for frame in range(len(costs) - 1, 0, -1):
        level = levels[frame]
        levels[frame - 1] = origin[frame] if moved[frame, level] else level
    return levels


def _reattacks(loudness_db: np.ndarray, spec: AudioSpec) -> list[int]:
    """Lists the bottoms of dips out of which the loudness rises quickly."""
    bottoms, _ = signal.find_peaks(-loudness_db, prominence=_DIP_DB)
    n_rise = max(1, round(_REATTACK_S * spec.frame_rate))
    return [
        int(bottom)
        for bottom in bottoms
        if loudness_db[bottom : bottom + n_rise + 1].max() - loudness_db[bottom]
        >= 0.75 * _DIP_DB
    ]


def _drop_short(cuts: set[int], n_frames: int, min_frames: int) -> list[int]:
    """Orders cuts and drops those that would leave less than `min_frames` before the next."""
    kept: list[int] = []
    for cut in sorted(cuts):
        if not kept or cut - kept[-1] >= min_frames:
            kept.append(cut)
    while len(kept) > 1 and n_frames - kept[-1] < min_frames:
        kept.pop()
    return [*kept, n_frames]


def _near(frame: int, others: list[int], reach: int) -> bool:
    return any(abs(frame - other) < reach for other in others)
