"""From notes to control curves: what a voice is told, frame by frame.

Conventions:
  - Control i is reached at the end of block i: it says what sounds at (i + 1) / frame_rate.
  - f0_hz < 0 is an unvoiced frame that keeps |f0_hz|; silence is unvoiced.
  - A release falls at its learned speed to silence (-80 dB or less), and the loudness offset counts in
    full as far as there. Below the softest pitched sound it was taught, a voice plays that sound softer
    by the rest, so nothing breaks off there.
  - Velocity 1..127 spans the learned soft..loud loudness, linearly in dB but for the loudness curve.
  - Each note rises, decays, sustains and releases as the notes of the practice did (`style`).
    A learned attack takes at most a third of a note, so that short notes are heard.
  - A note that follows another of its part without a gap is slurred: it glides there in the
    learned time without a new attack, unless it repeats the pitch or the instrument is struck.
  - In mono mode a part sings one note at a time (`mono`). A glide then takes the time of the
    portamento, where one is set, from the instant of the new note on.
  - Volume (CC7) and expression (CC11) add 40 log10(value / full) dB, pressure up to half of the
    loudness range; the sum never exceeds the loudest the voice has heard. The modulation wheel
    adds vibrato, and CC74 brightness. All of them rest once a note has ended.
  - No two notes are quite alike: level and vibrato vary a little, by a seed.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from amadeus.audio import AudioSpec
from amadeus.play.dynamics import peak_db
from amadeus.play.envelope import RELEASE_DB, Opening, envelope, release, smooth_step
from amadeus.play.gestures import bend, brightness, controllers_db, glide, vibrato
from amadeus.play.lines import LEGATO_GAP_S, allocate_lines, is_same_part
from amadeus.play.mono import sing_in_turn
from amadeus.play.notation import Channel, Controls, Note, Score
from amadeus.play.ranges import range_notices
from amadeus.play.style import (
    Style,
    settle_pitch_offset,
    settle_style,
    settle_timbre,
)
from amadeus.v1 import personality_pb2, profiles_pb2

LEVEL_VARIATION_DB = 0.5
MIN_NOTE_S = 0.03

_F0_MIN_HZ = 8.0


class Playing(NamedTuple):
    """The lines of a score as controls of equal length, and what the ama should know of them."""

    lines: list[Controls]
    notices: list[str]


class _Desk(NamedTuple):
    """What every line of a performance shares."""

    style: Style
    profile: profiles_pb2.PlayerProfile
    channels: dict[int, Channel]
    spec: AudioSpec
    times_s: np.ndarray  # [n_frames]


class _Curves(NamedTuple):
    """The curves of a line in the making. Shapes [n_frames]."""

    pitch_midi: np.ndarray  # of the notes as written, slurs included
    ornament_semitones: np.ndarray  # bend and vibrato
    level_db: np.ndarray
    brightness: np.ndarray


def play_score(
    score: Score,
    *,
    statistics: personality_pb2.Statistics,
    player_profile: profiles_pb2.PlayerProfile,
    spec: AudioSpec,
    seed: int = 0,
) -> Playing:
    """Turns a score into controls, one line per simultaneous note.

    Args:
      score: At least one note.
      statistics: What the voice learned from; may be poor.
      player_profile: Complete.
      spec: The clock of the voice.
      seed: Of the small differences between notes.
    """
    style = settle_style(statistics, player_profile)
    allocation = allocate_lines(
        _voices(score.notes, player_profile), n_lines_max=player_profile.voice_count
    )
    top_db = style.max_db + max(player_profile.loudness_offset_db, 0)
    fall_s = (top_db - style.silence_db) / RELEASE_DB * style.release_s
    n_frames = int(np.ceil((score.duration_s + MIN_NOTE_S + fall_s) * spec.frame_rate))
    times_s = np.arange(1, n_frames + 2) / spec.frame_rate
    desk = _Desk(style, player_profile, score.channels, spec, times_s)
    lines = [
        _play_line(notes, desk, np.random.default_rng([seed, number]))
        for number, notes in enumerate(allocation.lines)
    ]
    notices = range_notices(score.notes, style, player_profile.pitch_shift_semitones)
    if allocation.cut_count:
        notices.append(
            f"notes cut short, for at most {player_profile.voice_count} sound at once: {allocation.cut_count}."
        )
    return Playing(_trim(lines, _first_frame(score.duration_s, desk)), notices)


def _voices(
    notes: Sequence[Note], profile: profiles_pb2.PlayerProfile
) -> Sequence[Note]:
    if profile.voice_mode == profiles_pb2.VOICE_MODE_MONO:
        return sing_in_turn(notes, priority=profile.note_priority)
    return notes


def _play_line(
    notes: Sequence[Note], desk: _Desk, rng: np.random.Generator
) -> Controls:
    notes = _settle_ends(notes)
    n_frames = len(desk.times_s)
    curves = _Curves(
        np.full(n_frames, float(notes[0].pitch_midi)),
        np.zeros(n_frames),
        np.full(n_frames, -np.inf),
        np.full(n_frames, desk.style.brightness),
    )
    end_level_db = desk.style.silence_db
    for before, note, after in zip(
        [None, *notes], notes, [*notes[1:], None], strict=False
    ):
        stop_s = after.start_s if after else np.inf
        frames = slice(_first_frame(note.start_s, desk), _first_frame(stop_s, desk))
        variation = rng.uniform(-1, 1, 3)
        top_db = peak_db(note.velocity, desk.style) + LEVEL_VARIATION_DB * variation[0]
        opening = _open(before, end_level_db, note, top_db, desk.style)
        curves.level_db[frames], end_level_db = _level(
            note, desk.times_s[frames], top_db, opening, desk
        )
        curves.pitch_midi[frames] = note.pitch_midi
        curves.ornament_semitones[frames] = _ornament(
            note, after, desk.times_s[frames], variation[1:], desk
        )
        curves.brightness[frames] = _brightness(note, desk.times_s[frames], desk)
    _glide(notes, desk, curves)
    return _finish_line(notes, desk, curves)


def _settle_ends(notes: Sequence[Note]) -> list[Note]:
    """Gives every note a moment to sound, but never past the start of the next."""
    nexts_s = [note.start_s for note in notes[1:]] + [np.inf]
    return [
        note._replace(end_s=min(max(note.end_s, note.start_s + MIN_NOTE_S), next_s))
        for note, next_s in zip(notes, nexts_s, strict=True)
    ]


def _level(
    note: Note, times_s: np.ndarray, top_db: float, opening: Opening, desk: _Desk
) -> tuple[np.ndarray, float]:
    """Level of a note and of its release [n], and its own level at its end."""
    duration_s = note.end_s - note.start_s
    held_s = _held(times_s, note)
    ages_s = np.append(np.minimum(times_s, note.end_s) - note.start_s, duration_s)
    own_db = envelope(ages_s, duration_s, top_db, opening, desk.style)
    channel = desk.channels.get(note.channel, Channel())
    level_db = own_db[:-1] + controllers_db(channel, held_s, desk.style)
    level_db = np.minimum(level_db, desk.style.max_db)
    return level_db - release(times_s - note.end_s, desk.style), float(own_db[-1])


def _ornament(
    note: Note,
    after: Note | None,
    times_s: np.ndarray,
    variation: np.ndarray,
    desk: _Desk,
) -> np.ndarray:
    """Bend and vibrato of a note in semitones [n]."""
    channel = desk.channels.get(note.channel, Channel())
    held_s = _held(times_s, note)
    stop_s = np.inf
    if after is not None and _is_slurred(note, after, desk.style):
        stop_s = after.start_s - note.start_s
    swing = vibrato(
        times_s - note.start_s,
        channel.modulation_unit.at(held_s),
        desk.style,
        variation,
        stop_s=stop_s,
    )
    return bend(channel, held_s, desk.profile.bend_range_semitones) + swing


def _brightness(note: Note, times_s: np.ndarray, desk: _Desk) -> np.ndarray:
    channel = desk.channels.get(note.channel, Channel())
    return brightness(channel.timbre_unit.at(_held(times_s, note)), desk.style)


def _held(times_s: np.ndarray, note: Note) -> np.ndarray:
    """Times to read controllers at: what they do from the note's end on is for the next."""
    return np.minimum(times_s, note.end_s - 1e-6)


def _first_frame(time_s: float, desk: _Desk) -> int:
    """The first control at or after a time; a time within 1 us of a control is on it."""
    return int(np.searchsorted(desk.times_s, time_s - 1e-6))


def _open(
    before: Note | None, end_level_db: float, note: Note, top_db: float, style: Style
) -> Opening:
    if before is None:
        return Opening(depth_db=style.attack_depth_db)
    if _is_slurred(before, note, style):
        return Opening(slurred_from_db=end_level_db)
    # A string or reed that still sounds is not silenced first: the attack starts from there.
    fallen_db = release(np.array([note.start_s - before.end_s]), style)[0]
    depth_db = np.clip(top_db - end_level_db + fallen_db, 6.0, style.attack_depth_db)
    return Opening(depth_db=float(depth_db))


def _is_slurred(before: Note, note: Note, style: Style) -> bool:
    return (
        (note.is_legato or not style.is_struck)
        and note.start_s - before.end_s <= LEGATO_GAP_S
        and note.pitch_midi != before.pitch_midi
        and is_same_part(before, note)
    )


def _glide(notes: Sequence[Note], desk: _Desk, curves: _Curves) -> None:
    """Bends the written pitch around every slur, half of the way before it and half after.

    A portamento is a gesture of its own: it sets out with the new note, from wherever the pitch is then.
    """
    nexts_s = [note.start_s for note in notes[2:]] + [np.inf]
    for (before, note), next_s in zip(itertools.pairwise(notes), nexts_s, strict=False):
        if not _is_slurred(before, note, desk.style):
            continue
        if desk.style.portamento_s:
            _slide(note, next_s, desk, curves)
            continue
        shorter_s = min(note.start_s - before.start_s, note.end_s - note.start_s)
        glide_s = max(min(desk.style.legato_s, shorter_s), 1e-3)
        frames = slice(
            _first_frame(note.start_s - glide_s / 2, desk),
            _first_frame(note.start_s + glide_s / 2, desk),
        )
        way = (desk.times_s[frames] - note.start_s) / glide_s + 0.5
        interval = note.pitch_midi - before.pitch_midi
        curves.pitch_midi[frames] = before.pitch_midi + interval * smooth_step(way)


def _slide(note: Note, next_s: float, desk: _Desk, curves: _Curves) -> None:
    first, end = (_first_frame(time_s, desk) for time_s in (note.start_s, next_s))
    curves.pitch_midi[first:end] = glide(
        desk.times_s[first:end] - note.start_s,
        curves.pitch_midi[max(first - 1, 0)],
        note.pitch_midi,
        desk.style.portamento_s,
    )


def _finish_line(notes: Sequence[Note], desk: _Desk, curves: _Curves) -> Controls:
    style, profile = desk.style, desk.profile
    silence_db = np.float32(style.silence_db)
    level_db = (curves.level_db + profile.loudness_offset_db).astype(np.float32)
    level_db = np.maximum(level_db, silence_db)
    voiced = level_db > silence_db
    pitch_midi = curves.pitch_midi + curves.ornament_semitones
    pitch_midi = np.where(voiced, pitch_midi, _coming_pitch(notes, desk))
    semitones = pitch_midi - 69 + settle_pitch_offset(profile)
    f0_hz = profile.a4_hz * np.exp2(semitones / 12)
    f0_hz = np.clip(f0_hz, _F0_MIN_HZ, 0.49 * desk.spec.sample_rate)
    return Controls(
        np.where(voiced, f0_hz, -f0_hz).astype(np.float32),
        level_db,
        settle_timbre(curves.brightness, profile),
    )


def _coming_pitch(notes: Sequence[Note], desk: _Desk) -> np.ndarray:
    """In silence a line already holds its next pitch, so that no onset begins with a glide."""
    starts_s = np.array([note.start_s for note in notes])
    coming = np.searchsorted(starts_s, desk.times_s, side="left")
    pitches = np.array([float(note.pitch_midi) for note in notes])
    return pitches[np.minimum(coming, len(notes) - 1)]


def _trim(lines: list[Controls], end_frame: int) -> list[Controls]:
    """Ends all lines one silent frame after the last sound, not before the score's end."""
    lasts = [int(np.flatnonzero(line.f0_hz > 0).max(initial=0)) for line in lines]
    n_kept = max(end_frame, *lasts) + 2
    return [line.cut(slice(n_kept)) for line in lines]
