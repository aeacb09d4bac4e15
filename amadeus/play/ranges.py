"""Where a score lies against the range a voice learned."""

from collections.abc import Sequence

import numpy as np

from amadeus.play.notation import Note
from amadeus.play.style import Style

# Notes this far outside the learned range still count as inside.
RANGE_MARGIN_SEMITONES = 1.0


def range_notices(notes: Sequence[Note], style: Style, shift: float) -> list[str]:
    """Says how many notes, moved by `shift` semitones, the voice never learned to play."""
    if style.low_midi is None or style.high_midi is None:
        return []
    pitches = np.array([note.pitch_midi for note in notes]) + shift
    low, high = style.low_midi, style.high_midi
    outside = (pitches < low - RANGE_MARGIN_SEMITONES) | (
        pitches > high + RANGE_MARGIN_SEMITONES
    )
    if not outside.any():
        return []
    octaves = _best_octaves(pitches, low, high)
    advice = (
        f"; pitch_shift_semitones={shift + 12 * octaves:+g} would suit it better"
        if octaves
        else ""
    )
    return [
        f"{int(outside.sum())} of {len(pitches)} notes lie outside the range the voice learned, {name_pitch(low)} to "
        f"{name_pitch(high)}: the score goes from {name_pitch(pitches.min())} to {name_pitch(pitches.max())} and may "
        f"sound strange there{advice}."
    ]


def _best_octaves(pitches: np.ndarray, low: float, high: float) -> int:
    """How many octaves up bring most notes inside; the fewest that do."""

    def outside(octaves: int) -> tuple[int, int]:
        moved = pitches + 12 * octaves
        below = moved < low - RANGE_MARGIN_SEMITONES
        above = moved > high + RANGE_MARGIN_SEMITONES
        return int((below | above).sum()), abs(octaves)

    return min(range(-4, 5), key=outside)


def name_pitch(pitch_midi: float) -> str:
    """Names a pitch, such as `A4`, to the nearest semitone."""
    number = round(float(pitch_midi))
    names = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
    return f"{names[number % 12]}{number // 12 - 1}"
