"""From notes to control curves: what a voice is told, frame by frame.

Conventions:
  - Control i is reached at the end of block i: it says what sounds at (i + 1) / frame_rate.
  - f0_hz < 0 is an unvoiced frame that keeps |f0_hz|; silence is unvoiced.
  - Velocity 1..127 spans the learned soft..loud loudness linearly in dB.
  - Each note rises, decays, sustains and releases as the notes of the practice did (`style`).
    A learned attack takes at most half of a note, so that short notes are heard.
  - A note that follows another of its part without a gap is slurred: it glides there in the
    learned time without a new attack, unless it repeats the pitch or the instrument is struck.
  - Volume (CC7) and expression (CC11) add 40 log10(value / full) dB, pressure up to half of the
    loudness range; the sum never exceeds the loudest the voice has heard. The modulation wheel
    adds up to 50 cents of vibrato. All of them rest once a note has ended.
  - No two notes are quite alike: level and vibrato vary a little, by a seed.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from amadeus.audio import AudioSpec
from amadeus.play.envelope import Opening, envelope, release, smooth_step
from amadeus.play.lines import LEGATO_GAP_S, MAX_LINES, allocate_lines, is_same_part
from amadeus.play.notation import Channel, Note, Score
from amadeus.play.style import Style, settle_style
from amadeus.v1 import personality_pb2, profiles_pb2

WHEEL_DEPTH_CENTS = 50.0  # at full modulation, as General MIDI 2 has it
LEVEL_VARIATION_DB = 0.5
VIBRATO_VARIATION = 0.1  # share of rate and depth
MIN_NOTE_S = 0.03
RANGE_MARGIN_SEMITONES = (
    0.5  # a note this far outside the learned range still counts as inside
)

_VIBRATO_FADE_S = 0.25  # from first sign to full depth
_VIBRATO_STOP_S = 0.05  # it calms down before a slur
_F0_MIN_HZ = 8.0


class Controls(NamedTuple):
    """What a voice plays.

    Attributes:
      f0_hz: Pitch in Hz, negative where unvoiced. Float32, shape [n_frames].
      loudness_db: Loudness in dB. Float32, shape [n_frames].
    """

    f0_hz: np.ndarray
    loudness_db: np.ndarray


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
    allocation = allocate_lines(score.notes)
    fall_s = (style.max_db - style.silence_db) / 40 * style.release_s
    n_frames = int(np.ceil((score.duration_s + MIN_NOTE_S + fall_s) * spec.frame_rate))
    times_s = np.arange(1, n_frames + 2) / spec.frame_rate
    desk = _Desk(style, player_profile, score.channels, spec, times_s)
    lines = [
        _play_line(notes, desk, np.random.default_rng([seed, number]))
        for number, notes in enumerate(allocation.lines)
    ]
    notices = _range_notices(score.notes, style, player_profile.pitch_shift_semitones)
    if allocation.cut_count:
        notices.append(
            f"{allocation.cut_count} notes were cut short: at most {MAX_LINES} sound at once."
        )
    return Playing(_trim(lines), notices)


def _play_line(
    notes: Sequence[Note], desk: _Desk, rng: np.random.Generator
) -> Controls:
    n_frames = len(desk.times_s)
    curves = _Curves(
        np.full(n_frames, float(notes[0].pitch_midi)),
        np.zeros(n_frames),
        np.full(n_frames, desk.style.silence_db),
    )
    before: _Played | None = None
    for number, note in enumerate(notes):
        after = notes[number + 1] if number + 1 < len(notes) else None
        before = _play_note(note, before, after, desk, curves, rng.uniform(-1, 1, 3))
    _glide(notes, desk, curves)
    return _finish_line(notes, desk, curves)


class _Played(NamedTuple):
    """A note that was played and where it left the line."""

    note: Note
    end_s: float
    level_db: float  # at its end


def _play_note(
    note: Note,
    before: _Played | None,
    after: Note | None,
    desk: _Desk,
    curves: _Curves,
    variation: np.ndarray,
) -> _Played:
    style = desk.style
    stop_s = after.start_s if after else np.inf
    end_s = min(max(note.end_s, note.start_s + MIN_NOTE_S), stop_s)
    frames = slice(_first_frame(note.start_s, desk), _first_frame(stop_s, desk))
    times_s = desk.times_s[frames]
    peak_db = _peak_db(note.velocity, style) + LEVEL_VARIATION_DB * variation[0]
    opening = _open(note, before, peak_db, style)
    held_s = np.minimum(times_s, end_s) - note.start_s
    level_db = envelope(held_s, end_s - note.start_s, peak_db, opening, style)
    end_level_db = float(
        envelope(
            np.array([end_s - note.start_s]),
            end_s - note.start_s,
            peak_db,
            opening,
            style,
        )[0]
    )
    level_db = level_db - release(times_s - end_s, style)

    channel = desk.channels.get(note.channel, Channel())
    held_times_s = np.minimum(times_s, end_s)
    level_db = level_db + _controllers_db(channel, held_times_s, style)
    curves.level_db[frames] = np.minimum(level_db, style.max_db)
    curves.pitch_midi[frames] = note.pitch_midi
    slurred_after = after is not None and _is_slurred(note, end_s, after, style)
    curves.ornament_semitones[frames] = _bend(
        channel, held_times_s, desk.profile.bend_range_semitones
    ) + _vibrato(
        times_s - note.start_s,
        channel.modulation_unit.at(held_times_s),
        style,
        variation[1:],
        stop_s=stop_s - note.start_s if slurred_after else np.inf,
    )
    return _Played(note, end_s, end_level_db)


def _first_frame(time_s: float, desk: _Desk) -> int:
    """The first control at or after a time; a time within 1 us of a control is on it."""
    return int(np.searchsorted(desk.times_s, time_s - 1e-6))


def _peak_db(velocity: int, style: Style) -> float:
    return style.soft_db + (style.loud_db - style.soft_db) * (velocity - 1) / 126


def _open(note: Note, before: _Played | None, peak_db: float, style: Style) -> Opening:
    if before is None:
        return Opening(depth_db=style.attack_depth_db)
    if _is_slurred(before.note, before.end_s, note, style):
        return Opening(slurred_from_db=before.level_db)
    tail_db = before.level_db - float(
        release(np.array([note.start_s - before.end_s]), style)[0]
    )
    # A string or reed that still sounds is not silenced first: the attack starts from there.
    return Opening(
        depth_db=float(np.clip(peak_db - tail_db, 6.0, style.attack_depth_db))
    )


def _is_slurred(before: Note, end_s: float, note: Note, style: Style) -> bool:
    return (
        not style.is_struck
        and note.start_s - end_s <= LEGATO_GAP_S
        and note.pitch_midi != before.pitch_midi
        and is_same_part(before, note)
    )


def _controllers_db(channel: Channel, times_s: np.ndarray, style: Style) -> np.ndarray:
    swell_db = channel.pressure_unit.at(times_s) * (style.loud_db - style.soft_db) / 2
    return channel.volume_db.at(times_s) + channel.expression_db.at(times_s) + swell_db


def _bend(channel: Channel, times_s: np.ndarray, default_range: float) -> np.ndarray:
    reach = channel.bend_range_semitones.at(times_s)
    reach = np.where(np.isnan(reach), default_range, reach)
    return channel.bend_unit.at(times_s) * reach


def _vibrato(
    ages_s: np.ndarray,
    wheel_unit: np.ndarray,
    style: Style,
    variation: np.ndarray,
    *,
    stop_s: float,
) -> np.ndarray:
    """Vibrato in semitones at `ages_s` after the onset; both start from the middle."""
    rate_hz = style.vibrato_rate_hz * (1 + VIBRATO_VARIATION * variation[0])
    depth = style.vibrato_depth_cents * (1 + VIBRATO_VARIATION * variation[1])
    grown = np.clip((ages_s - style.vibrato_delay_s) / _VIBRATO_FADE_S, 0, 1)
    depth_cents = depth * grown + WHEEL_DEPTH_CENTS * wheel_unit
    depth_cents *= np.clip((stop_s - ages_s) / _VIBRATO_STOP_S, 0, 1)
    swing = np.sin(2 * np.pi * rate_hz * ages_s)
    return style.vibrato_scale * depth_cents / 100 * swing


def _glide(notes: Sequence[Note], desk: _Desk, curves: _Curves) -> None:
    """Bends the written pitch around every slur, half of the way before it and half after."""
    for before, note in zip(notes, notes[1:], strict=False):
        end_s = max(before.end_s, min(before.start_s + MIN_NOTE_S, note.start_s))
        if not _is_slurred(before, end_s, note, desk.style):
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


def _finish_line(notes: Sequence[Note], desk: _Desk, curves: _Curves) -> Controls:
    style, profile = desk.style, desk.profile
    level_db = curves.level_db + profile.loudness_offset_db
    voiced = (curves.level_db > style.silence_db) & (level_db > style.silence_db)
    pitch_midi = curves.pitch_midi + curves.ornament_semitones
    pitch_midi = np.where(voiced, pitch_midi, _coming_pitch(notes, desk))
    semitones = pitch_midi - 69 + profile.pitch_shift_semitones
    f0_hz = profile.a4_hz * np.exp2(semitones / 12)
    f0_hz = np.clip(f0_hz, _F0_MIN_HZ, 0.49 * desk.spec.sample_rate)
    return Controls(
        np.where(voiced, f0_hz, -f0_hz).astype(np.float32),
        np.where(voiced, level_db, style.silence_db).astype(np.float32),
    )


def _coming_pitch(notes: Sequence[Note], desk: _Desk) -> np.ndarray:
    """In silence a line already holds its next pitch, so that no onset begins with a glide."""
    starts_s = np.array([note.start_s for note in notes])
    coming = np.searchsorted(starts_s, desk.times_s, side="left")
    pitches = np.array([float(note.pitch_midi) for note in notes])
    return pitches[np.minimum(coming, len(notes) - 1)]


def _trim(lines: list[Controls]) -> list[Controls]:
    """Ends all lines one silent frame after the last sound."""
    n_frames = len(lines[0].f0_hz)
    last = max(int(np.flatnonzero(line.f0_hz > 0).max(initial=0)) for line in lines)
    n_kept = min(last + 2, n_frames)
    return [Controls(line.f0_hz[:n_kept], line.loudness_db[:n_kept]) for line in lines]


def _range_notices(notes: Sequence[Note], style: Style, shift: float) -> list[str]:
    if style.low_midi is None or style.high_midi is None:
        return []
    pitches = np.array([note.pitch_midi for note in notes]) + shift
    low, high = style.low_midi, style.high_midi
    outside = (pitches < low - RANGE_MARGIN_SEMITONES) | (
        pitches > high + RANGE_MARGIN_SEMITONES
    )
    if not outside.any():
        return []
    return [
        f"{int(outside.sum())} of {len(pitches)} notes lie outside the range the voice learned, {name_pitch(low)} to "
        f"{name_pitch(high)}: the score goes from {name_pitch(pitches.min())} to {name_pitch(pitches.max())} and may "
        f"sound strange there; pitch_shift_semitones={_best_shift(pitches, style) + shift:+g} would suit it better."
    ]


def _best_shift(pitches: np.ndarray, style: Style) -> int:
    """Whole octaves that bring most notes inside, the fewest of those."""

    def outside(octaves: int) -> tuple[int, int]:
        moved = pitches + 12 * octaves
        below = moved < style.low_midi - RANGE_MARGIN_SEMITONES
        above = moved > style.high_midi + RANGE_MARGIN_SEMITONES
        return int((below | above).sum()), abs(octaves)

    return 12 * min(range(-4, 5), key=outside)


def name_pitch(pitch_midi: float) -> str:
    """Names a pitch, such as `A4`, to the nearest semitone."""
    number = round(float(pitch_midi))
    names = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
    return f"{names[number % 12]}{number // 12 - 1}"
