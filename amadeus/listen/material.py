"""What a voice can learn from: seconds by pitch and level, and the notes that were played.

A moment counts with the level it is played at: the greatest loudness within a quarter of a second,
so that the attack and the end of a loud note are no soft playing, while a slow swell counts by its
course.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from amadeus.audio import AudioSpec
from amadeus.features.notes import Note, hz_to_midi
from amadeus.features.types import Features
from amadeus.features.vibrato import MIN_NOTE_S, find_vibrato

N_PITCHES = 128  # MIDI notes
LOWEST_DB, HIGHEST_DB = -80, 20  # loudness, in bins of 1 dB

_PLAYED_S = 0.25  # either way
_REPEAT_S = 0.3  # the longest gap before a repeated note
_REPEAT_SEMITONES = 0.6

NOTE_FIELDS = [
    ("pitch_midi", "f8"),
    ("duration_s", "f8"),
    ("loudness_db", "f8"),
    ("is_legato", "?"),
    ("is_repeat", "?"),
    ("vibrato_cents", "f8"),  # 0: none; NaN: too short to tell
]


class Material(NamedTuple):
    """What can be learned from some sound.

    Attributes:
      seconds: By pitch and played level. Shape [N_PITCHES, HIGHEST_DB - LOWEST_DB].
      notes: Structured by `NOTE_FIELDS`. Shape [n_notes].
    """

    seconds: np.ndarray
    notes: np.ndarray


def no_material() -> Material:
    """Returns the material of silence."""
    shape = (N_PITCHES, HIGHEST_DB - LOWEST_DB)
    return Material(np.zeros(shape), np.zeros(0, NOTE_FIELDS))


def measure_material(
    features: Features, notes: list[Note], *, pitched: np.ndarray, spec: AudioSpec
) -> Material:
    """Measures one passage.

    Args:
      features: Of the passage.
      notes: Detected in it.
      pitched: Frames that count. Bool, shape [n_frames].
      spec: The clock of the frames.
    """
    pitch_midi = hz_to_midi(features.f0_hz)
    reach = 2 * round(_PLAYED_S * spec.frame_rate) + 1
    level_db = ndimage.maximum_filter1d(features.loudness_db, reach)
    seconds = no_material().seconds
    rows = np.clip(np.round(pitch_midi[pitched]).astype(int), 0, N_PITCHES - 1)
    columns = np.floor(level_db[pitched]).astype(int) - LOWEST_DB
    columns = np.clip(columns, 0, seconds.shape[1] - 1)
    np.add.at(seconds, (rows, columns), 1 / spec.frame_rate)
    kept = [n for n in notes if pitched[n.start_frame : n.end_frame].mean() > 0.5]
    return Material(seconds, _tabulate(kept, pitch_midi, spec))


def join(parts: list[Material], *, scales: list[float] | None = None) -> Material:
    """Adds materials, each with the weight its sound stands for."""
    scales = scales or [1.0] * len(parts)
    whole = no_material()
    weighted = [scale * part.seconds for part, scale in zip(parts, scales, strict=True)]
    return Material(
        np.sum([whole.seconds, *weighted], axis=0),
        np.concatenate([whole.notes, *(part.notes for part in parts)]),
    )


def _tabulate(notes: list[Note], pitch_midi: np.ndarray, spec: AudioSpec) -> np.ndarray:
    table = np.zeros(len(notes), NOTE_FIELDS)
    previous: Note | None = None
    for row, note in zip(table, notes, strict=True):
        frames = pitch_midi[note.start_frame : note.end_frame]
        row["pitch_midi"] = note.pitch_midi
        row["duration_s"] = len(frames) / spec.frame_rate
        row["loudness_db"] = note.loudness_db
        row["is_legato"] = note.is_legato
        row["is_repeat"] = previous is not None and _repeats(previous, note, spec)
        row["vibrato_cents"] = np.nan
        if row["duration_s"] >= MIN_NOTE_S:
            found = find_vibrato(frames, spec=spec)
            row["vibrato_cents"] = found.depth_cents if found else 0.0
        previous = note
    return table


def _repeats(previous: Note, note: Note, spec: AudioSpec) -> bool:
    gap_s = (note.start_frame - previous.end_frame) / spec.frame_rate
    is_near = abs(note.pitch_midi - previous.pitch_midi) < _REPEAT_SEMITONES
    return not note.is_legato and is_near and gap_s <= _REPEAT_S
