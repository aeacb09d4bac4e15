"""How one note is shaped in time: attack, decay, sustain, release, vibrato, legato.

Everything is measured on the loudness and the pitch of centred frames; what a note does not show
(no room to fade, too short to sustain) is NaN.
"""

import math
from typing import NamedTuple

import numpy as np

from amadeus.audio import AudioSpec
from amadeus.features.notes import Note
from amadeus.features.vibrato import MIN_NOTE_S, find_vibrato

NEAR_PEAK_DB = 3.0
FADE_DB = 40.0

_LOOK_BACK_S = 0.3  # for the onset, before the pitch is known
_SWELL_S = 0.5  # after the first frame with pitch; what still rises then is no attack
_LOOK_AHEAD_S = 3.0  # for the end of the release
_BACKGROUND_DB = 3.0  # above the quietest frame begins what belongs to the note
_MIN_RISE_DB = 6.0  # less is no attack
_MIN_FALL_DB = 12.0  # less says nothing of a release
_MIN_SUSTAIN_S = 0.4
_MIN_MIDDLE_S = 0.15
_BODY_DB = 12.0
_MIN_LEGATO_SEMITONES = 0.8
_LEGATO_REACH_S = 0.12


class NoteShape(NamedTuple):
    """One note's shape; NaN where it could not be seen. Durations in s, depths in dB, positive."""

    attack_duration_s: float = math.nan
    attack_depth_db: float = math.nan
    decay_duration_s: float = math.nan
    decay_depth_db: float = math.nan
    sustain_slope_db_per_s: float = math.nan
    sustain_duration_s: float = math.nan  # over which the slope was measured
    release_duration_s: float = math.nan
    vibrato_rate_hz: float = math.nan
    vibrato_depth_cents: float = math.nan  # 0 where a note long enough has none
    vibrato_delay_s: float = math.nan
    legato_duration_s: float = math.nan


def measure_note(
    index: int,
    notes: list[Note],
    *,
    pitch_midi: np.ndarray,
    loudness_db: np.ndarray,
    spec: AudioSpec,
) -> NoteShape:
    """Measures the shape of one note among its neighbours.

    Args:
      index: Which of `notes`.
      notes: All notes in order of time.
      pitch_midi: Of all frames. Shape [n_frames].
      loudness_db: Of all frames. Shape [n_frames].
      spec: The clock of the frames.
    """
    note = notes[index]
    before = notes[index - 1].end_frame if index else 0
    after = notes[index + 1].start_frame if index + 1 < len(notes) else len(loudness_db)
    next_is_legato = index + 1 < len(notes) and notes[index + 1].is_legato
    shape = NoteShape()
    if note.is_legato:
        duration_s = _legato(notes[index - 1], note, pitch_midi, spec)
        shape = shape._replace(legato_duration_s=duration_s)
    else:
        shape = _attack(shape, note, before, loudness_db, spec)
    shape = _sustain(shape, note, loudness_db, spec)
    if not next_is_legato:
        duration_s = _release(note, after, loudness_db, spec)
        shape = shape._replace(release_duration_s=duration_s)
    return _vibrato(shape, note, pitch_midi, spec)


def _attack(
    shape: NoteShape,
    note: Note,
    before: int,
    loudness_db: np.ndarray,
    spec: AudioSpec,
) -> NoteShape:
    look_back = round(_LOOK_BACK_S * spec.frame_rate)
    first = max(before, note.start_frame - look_back)
    swell = note.start_frame + round(_SWELL_S * spec.frame_rate)
    early = note._replace(end_frame=min(note.end_frame, swell))
    rise = loudness_db[first : _peak_frame(early, loudness_db) + 1]
    peak_db = rise[-1]
    near = int(np.argmax(rise >= peak_db - NEAR_PEAK_DB))
    floor_db = max(rise[: near + 1].min() + _BACKGROUND_DB, peak_db - FADE_DB)
    below = np.flatnonzero(rise[: near + 1] <= floor_db)
    onset = int(below[-1]) if len(below) else 0
    depth_db = min(FADE_DB, float(peak_db - rise[onset]))
    if depth_db < _MIN_RISE_DB:
        return shape
    return shape._replace(
        attack_duration_s=(near - onset) / spec.frame_rate, attack_depth_db=depth_db
    )


def _sustain(
    shape: NoteShape, note: Note, loudness_db: np.ndarray, spec: AudioSpec
) -> NoteShape:
    """Decay to, and slope of, the middle of a note whose body is long enough to have one."""
    begin, end = _body(note, loudness_db)
    n_frames = end - begin
    if n_frames < _MIN_SUSTAIN_S * spec.frame_rate:
        return shape
    peak = _peak_frame(note, loudness_db)
    first, last = max(begin + n_frames * 3 // 10, peak), begin + n_frames * 8 // 10
    if last - first < _MIN_MIDDLE_S * spec.frame_rate:
        return shape  # it swells to its end
    middle = loudness_db[first:last]
    sustained_db = float(np.median(middle))
    fallen = loudness_db[peak:end] <= sustained_db + 1.0
    return shape._replace(
        decay_duration_s=float(np.argmax(fallen)) / spec.frame_rate,
        decay_depth_db=max(0.0, float(loudness_db[peak]) - sustained_db),
        sustain_slope_db_per_s=_slope(middle) * spec.frame_rate,
        sustain_duration_s=len(middle) / spec.frame_rate,
    )


def _release(note: Note, after: int, loudness_db: np.ndarray, spec: AudioSpec) -> float:
    """Time in s to fall 40 dB, carried on at the same speed where less room is left."""
    first, last = _body(note, loudness_db)
    level_db = float(np.median(loudness_db[(first + last) // 2 : last]))
    stop = min(after, note.end_frame + round(_LOOK_AHEAD_S * spec.frame_rate))
    tail = loudness_db[first:stop]
    begin = int(np.flatnonzero(tail >= level_db - NEAR_PEAK_DB)[-1])
    fall = tail[begin] - tail[begin:]
    depth_db = min(FADE_DB, float(fall.max()) - _BACKGROUND_DB)
    if depth_db < _MIN_FALL_DB:
        return math.nan
    n_fall = int(np.argmax(fall >= depth_db))
    return n_fall / spec.frame_rate * FADE_DB / depth_db


def _body(note: Note, loudness_db: np.ndarray) -> tuple[int, int]:
    """First frame of, and first after, what lies within 12 dB of the peak.

    A tracker hears pitch far into the tail of a note; the tail is no part of its sustain.
    """
    frames = loudness_db[note.start_frame : note.end_frame]
    loud = np.flatnonzero(frames >= frames.max() - _BODY_DB)
    return note.start_frame + int(loud[0]), note.start_frame + int(loud[-1]) + 1


def _slope(values: np.ndarray) -> float:
    """Slope of the straight line of least squares, per element."""
    steps = np.arange(len(values)) - (len(values) - 1) / 2
    return float(steps @ values / (steps @ steps))


def _vibrato(
    shape: NoteShape, note: Note, pitch_midi: np.ndarray, spec: AudioSpec
) -> NoteShape:
    if note.end_frame - note.start_frame < MIN_NOTE_S * spec.frame_rate:
        return shape
    found = find_vibrato(pitch_midi[note.start_frame : note.end_frame], spec=spec)
    if found is None:
        return shape._replace(vibrato_depth_cents=0.0)
    return shape._replace(
        vibrato_rate_hz=found.rate_hz,
        vibrato_depth_cents=found.depth_cents,
        vibrato_delay_s=found.delay_s,
    )


def _legato(
    previous: Note, note: Note, pitch_midi: np.ndarray, spec: AudioSpec
) -> float:
    """Time in s of the pitch's way, from a tenth to nine tenths of it, made whole."""
    interval = note.pitch_midi - previous.pitch_midi
    if abs(interval) < _MIN_LEGATO_SEMITONES:
        return math.nan
    reach = round(_LEGATO_REACH_S * spec.frame_rate)
    first = max(previous.start_frame, note.start_frame - reach)
    last = min(note.end_frame, note.start_frame + reach)
    way = (pitch_midi[first:last] - previous.pitch_midi) / interval
    arrived = int(np.argmax(way >= 0.9))
    left = np.flatnonzero(way[:arrived] <= 0.1)
    if not arrived or not len(left):
        return math.nan
    start = int(left[-1])
    begin = start + (0.1 - way[start]) / (way[start + 1] - way[start])
    final = arrived - (way[arrived] - 0.9) / (way[arrived] - way[arrived - 1])
    return float((final - begin) / 0.8 / spec.frame_rate)


def _peak_frame(note: Note, loudness_db: np.ndarray) -> int:
    frames = loudness_db[note.start_frame : note.end_frame]
    return note.start_frame + int(np.argmax(frames))
