"""Slips of a tracker by an octave, found out by listening again.

A tracker that leaps by an octave may follow a player who leaps, or slip. The sound tells: where it
does not repeat at the period it is said to have but does at twice that, the pitch is an octave lower;
where it repeats at half of the period too, the pitch is an octave higher.
"""

import itertools

import numpy as np
from scipy import signal

from amadeus.audio import AudioSpec
from amadeus.features.voicing import runs
from amadeus.features.yin import compute_difference

_LEAP_OCTAVES = 10 / 12
_ALIKE = 0.1  # share of the power that may change from period to period
_UNALIKE = 0.2
_ODD_POWER = 0.02  # of a sound, in its odd harmonics: 20 dB below, less is noise
_ODD_SHARE = 0.25  # of the change that is left at twice the period
_MIN_PERIOD = 32  # samples
_FINER = 4  # times, so that whole lags tell high pitches apart too
_N_PERIODS = 2  # in a frame, of the longest period asked about
_LOOK_FRAMES = 32  # a slip shows in any part of it


def repair_octave_slips(
    f0_hz: np.ndarray, voiced: np.ndarray, audio: np.ndarray, *, spec: AudioSpec
) -> np.ndarray:
    """Moves stretches beside a leap of an octave to the octave that the sound has.

    Args:
      f0_hz: Positive. Shape [n_frames].
      voiced: Bool, shape [n_frames].
      audio: What was tracked. Shape [n_samples].
      spec: The clock of the audio and of the frames.

    Returns:
      f0 in Hz, shape [n_frames].
    """
    repaired = np.array(f0_hz)
    octaves = np.log2(f0_hz)
    leaps = np.abs(np.diff(octaves)) > _LEAP_OCTAVES
    for first, last in runs(voiced):
        cuts = np.flatnonzero(leaps[first : last - 1]) + first + 1
        if not len(cuts):
            continue
        for start, end in itertools.pairwise([first, *cuts.tolist(), last]):
            heard = octave_heard(f0_hz[start:end], start, audio, spec=spec)
            if heard and _joins(octaves, start, end, heard, (first, last)):
                repaired[start:end] *= 2.0**heard
    return repaired


def octave_heard(
    f0_hz: np.ndarray, first_frame: int, audio: np.ndarray, *, spec: AudioSpec
) -> int:
    """Says by how many octaves a stretch of pitch lies off what the sound has.

    Args:
      f0_hz: Of the stretch. Shape [n_frames].
      first_frame: Where it begins.
      audio: The whole sound. Shape [n_samples].
      spec: The clock of the audio and of the frames.

    Returns:
      -1 where the pitch is an octave lower, 1 where it is higher, 0 where it is right or unclear.
    """
    looked = np.unique(np.linspace(0, len(f0_hz) - 1, _LOOK_FRAMES).astype(int))
    periods = spec.sample_rate / f0_hz[looked]
    size = int(_N_PERIODS * 2 * periods.max()) + 4
    frames = _frames_at((first_frame + looked) * spec.hop_size, audio, size)
    difference = compute_difference(frames.astype(np.float64), size // 2 + 2)
    power = np.maximum(2 * frames.var(axis=1), np.finfo(np.float32).tiny)
    changes = [
        np.median(_lowest_near(difference, periods * factor) / power)
        for factor in (0.5, 1.0, 2.0)
    ]
    is_feigned = changes[0] > _ODD_POWER and changes[1] < _ODD_SHARE * changes[0]
    if changes[0] < _ALIKE and not is_feigned:
        return 1
    return -1 if changes[1] > _UNALIKE and changes[2] < _ALIKE else 0


def lower_pitch_shows(
    frames: np.ndarray, period: np.ndarray, times: np.ndarray
) -> np.ndarray:
    """Whether a sound that repeats at a period repeats far better at a multiple of it.

    Then a strong harmonic feigns the higher pitch; what lies between its multiples gives it away.

    Args:
      frames: At least twice as long as the longest multiple of a period. Shape [n_frames, frame_size].
      period: In samples. Shape [n_frames].
      times: The multiple, 2 for an octave. Shape [n_frames].

    Returns:
      Bool, shape [n_frames]; False for a period below 8 samples, where lags are too coarse to tell.
    """
    fine = signal.resample_poly(np.asarray(frames, np.float64), _FINER, 1, axis=1)
    size = fine.shape[1]
    difference = compute_difference(fine, size // 2 + 2)
    power = np.maximum(2 * fine.var(axis=1), np.finfo(np.float32).tiny)
    once = _lowest_near(difference, _FINER * period) / power
    later = _lowest_near(difference, _FINER * times * period) / power
    told = (period >= _MIN_PERIOD / _FINER) & (_FINER * times * period + 3 < size // 2)
    return np.asarray(told & (once > _ODD_POWER) & (later < _ODD_SHARE * once))


def _frames_at(centres: np.ndarray, audio: np.ndarray, size: int) -> np.ndarray:
    """Cuts frames around samples, silence beyond the ends. Shape [n_centres, size]."""
    first, last = int(centres[0]) - size // 2, int(centres[-1]) + size
    before = max(0, -first)
    piece = audio[max(0, first) : max(0, last)]
    piece = np.pad(piece, (before, max(0, last - first - before - len(piece))))
    starts = centres - centres[0]
    return np.stack([piece[start : start + size] for start in starts])


def _joins(
    octaves: np.ndarray, start: int, end: int, shift: int, run: tuple[int, int]
) -> bool:
    """Whether a stretch, shifted, continues the pitch before or after it within a tone."""
    joins_before = start > run[0] and (
        abs(octaves[start] + shift - octaves[start - 1]) < 2 / 12
    )
    joins_after = end < run[1] and abs(octaves[end - 1] + shift - octaves[end]) < 2 / 12
    return bool(joins_before or joins_after)


def _lowest_near(difference: np.ndarray, lag: np.ndarray) -> np.ndarray:
    """The bottom of the parabola through the lowest of the lags beside a fractional one."""
    centre = np.clip(np.rint(lag).astype(int), 2, difference.shape[1] - 3)
    around = centre[:, None] + np.arange(-2, 3)
    values = np.take_along_axis(difference, around, axis=1)
    lowest = np.clip(values.argmin(axis=1), 1, 3)[:, None]
    left, middle, right = (
        np.take_along_axis(values, lowest + step, axis=1)[:, 0] for step in (-1, 0, 1)
    )
    bend = left - 2 * middle + right
    drop = (right - left) ** 2 / (8 * np.where(bend > 0, bend, np.inf))
    return np.maximum(np.minimum(middle, middle - drop), 0.0)
