"""Which frames have a pitch, and what the others hold.

All functions are deterministic and pure.
"""

import itertools

import numpy as np

from amadeus.features.types import Features, Pitch

MIN_VOICED_FRAMES = 3  # shorter stretches of confidence are blips
_BODY_SEMITONES = 2.0  # of a vibrato or a scoop at most
_HYSTERESIS = 0.6  # a voiced stretch goes on down to this share of the threshold


def voiced_mask(
    features: Features | Pitch,
    *,
    threshold: float,
    min_frames: int = MIN_VOICED_FRAMES,
) -> np.ndarray:
    """Decides which frames are voiced.

    A stretch is voiced while confidence stays at 0.6 times the threshold or more, if it reaches
    the threshold somewhere and holds at least `min_frames` frames.

    Args:
      features: Features or Pitch.
      threshold: Confidence in [0, 1].
      min_frames: Shortest voiced stretch.

    Returns:
      Bool, shape [n_frames].
    """
    confidence = np.asarray(features.f0_confidence)
    # Digital silence has confidence 0 and is unvoiced whatever the threshold.
    candidate = (confidence >= _HYSTERESIS * threshold) & (confidence > 0)
    sure = (confidence >= threshold) & candidate
    mask = np.zeros(len(confidence), bool)
    for start, end in runs(candidate):
        mask[start:end] = end - start >= min_frames and sure[start:end].any()
    return mask


def signed_f0(features: Features, *, threshold: float) -> np.ndarray:
    """Marks unvoiced frames by a negative sign, as a voice expects them.

    Args:
      features: Features.
      threshold: Confidence in [0, 1].

    Returns:
      f0 in Hz, negative where unvoiced. Float32, shape [n_frames].
    """
    mask = voiced_mask(features, threshold=threshold)
    return np.where(mask, features.f0_hz, -features.f0_hz).astype(np.float32)


def fill_unvoiced(
    f0_hz: np.ndarray, voiced: np.ndarray, *, otherwise: float
) -> np.ndarray:
    """Gives unvoiced frames a pitch: log-linear between voiced neighbours, held at the ends.

    Args:
      f0_hz: Positive where voiced. Shape [n_frames].
      voiced: Bool, shape [n_frames].
      otherwise: Pitch in Hz of every frame when none is voiced.

    Returns:
      f0 in Hz. Float32, shape [n_frames].
    """
    if not voiced.any():
        return np.full(len(f0_hz), otherwise, np.float32)
    frames = np.flatnonzero(voiced)
    filled = np.exp(np.interp(np.arange(len(f0_hz)), frames, np.log(f0_hz[frames])))
    filled[frames] = f0_hz[frames]
    return np.asarray(filled, np.float32)


def repair_octave_spikes(
    f0_hz: np.ndarray, voiced: np.ndarray, *, max_frames: int
) -> np.ndarray:
    """Moves short excursions by an octave or two back to the pitch around them.

    Only stretches of up to `max_frames` voiced frames are touched whose neighbours on both sides
    agree within a tone and that lie within a semitone of 1 or 2 octaves from them: a tracker's
    slip, not a player's leap.

    Args:
      f0_hz: Positive. Shape [n_frames].
      voiced: Bool, shape [n_frames].
      max_frames: Longest excursion to repair.

    Returns:
      f0 in Hz, shape [n_frames].
    """
    octaves = np.log2(f0_hz)
    leaps = np.abs(np.diff(octaves)) > 10 / 12
    edges = np.flatnonzero(leaps & voiced[1:] & voiced[:-1]) + 1
    repaired = np.array(f0_hz)
    position = 0
    for start, end in itertools.pairwise(edges):
        if start < position or end - start > max_frames:
            continue
        if not voiced[start:end].all():
            continue
        before, after = octaves[start - 1], octaves[end]
        shift = np.median(octaves[start:end]) - (before + after) / 2
        is_octave = (
            abs(shift - np.round(shift)) < 1 / 12 and 1 <= abs(round(shift)) <= 2
        )
        if abs(before - after) < 2 / 12 and is_octave:
            repaired[start:end] *= 2.0 ** -np.round(shift)
            position = (
                int(end) + 1
            )  # the far edge is spent: it is no start of an excursion
    return repaired


def repair_note_edges(
    f0_hz: np.ndarray,
    voiced: np.ndarray,
    *,
    max_frames: int,
    max_octave_frames: int,
    leap_semitones: float,
) -> np.ndarray:
    """Gives the first and last frames of a note, where a tracker stumbled, the pitch of its body.

    A stumble is a short piece at either end of a voiced stretch, parted by a leap from a body that
    is at least twice as long and steady where it begins. A glide has no leap; it is left alone.

    Args:
      f0_hz: Positive. Shape [n_frames].
      voiced: Bool, shape [n_frames].
      max_frames: Longest stumble to repair.
      max_octave_frames: The same for one that lies an octave or two from the body.
      leap_semitones: From frame to frame; less is a glide.

    Returns:
      f0 in Hz, shape [n_frames].
    """
    repaired = np.array(f0_hz)
    limits = max_frames, max_octave_frames, leap_semitones
    for start, end in runs(voiced):
        stretch = repaired[start:end]  # a view
        for note in (stretch, stretch[::-1]):
            n_stumbles = _stumble(12 * np.log2(note), *limits)
            note[:n_stumbles] = note[n_stumbles]
    return repaired


def _stumble(
    pitch: np.ndarray, max_frames: int, max_octave_frames: int, leap_semitones: float
) -> int:
    """Counts the frames before a note's body; `pitch` in semitones, [n_frames]."""
    leaps = np.flatnonzero(np.abs(np.diff(pitch)) > leap_semitones) + 1
    leaps = leaps[leaps <= max(max_frames, max_octave_frames)]
    # The last leap that will do: a tracker may stumble twice.
    for n_frames in leaps[::-1].tolist():
        n_body = max(2 * n_frames, MIN_VOICED_FRAMES)
        body = pitch[n_frames : n_frames + n_body]
        if len(body) < n_body or np.ptp(body) > _BODY_SEMITONES:
            continue
        away = np.abs(np.median(body) - pitch[:n_frames])
        off_octave = np.abs(away - 12 * np.round(away / 12))
        is_octave = bool((off_octave < 1).all() and (away > 6).all())
        if n_frames <= (max_octave_frames if is_octave else max_frames):
            return n_frames
    return 0


def runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """Lists the stretches of True as (start, end), end excluded."""
    padded = np.concatenate(([False], mask, [False]))
    edges = np.flatnonzero(padded[1:] != padded[:-1])
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
