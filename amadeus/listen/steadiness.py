"""Whether pitch rests, as in music, or glides all the time, as in speech."""

import numpy as np

from amadeus.features.voicing import runs

_VIBRATO_S = 0.17  # one turn of the slowest usual vibrato: its mean is what rests
_REST_SEMITONES_PER_S = 6.0
_SHORT_REST_S = 0.09  # the shortest notes of fast passages
_SHORT_REST_SEMITONES = 0.5


def steady_mask(
    f0_hz: np.ndarray, voiced: np.ndarray, *, frame_rate: int
) -> np.ndarray:
    """Finds the frames whose pitch rests.

    Pitch rests where it stays within half a semitone for 90 ms, or where its mean over a turn of
    vibrato moves by less than 6 semitones a second.

    Args:
      f0_hz: Shape [n_frames].
      voiced: Bool, shape [n_frames].
      frame_rate: In Hz.

    Returns:
      Bool, False where unvoiced. Shape [n_frames].
    """
    steady = np.zeros(len(f0_hz), bool)
    for start, end in runs(voiced):
        pitch = 12 * np.log2(f0_hz[start:end])
        steady[start:end] = _is_centred(pitch, frame_rate) | _is_flat(pitch, frame_rate)
    return steady


def _is_centred(pitch: np.ndarray, frame_rate: int) -> np.ndarray:
    width = max(1, round(_VIBRATO_S * frame_rate)) | 1
    if len(pitch) < max(width, 3):
        return np.zeros(len(pitch), bool)
    mean = np.convolve(
        np.pad(pitch, width // 2, "edge"), np.ones(width) / width, "valid"
    )
    return np.abs(np.gradient(mean)) * frame_rate < _REST_SEMITONES_PER_S


def _is_flat(pitch: np.ndarray, frame_rate: int) -> np.ndarray:
    width = max(2, round(_SHORT_REST_S * frame_rate))
    flat = np.zeros(len(pitch), bool)
    if len(pitch) < width:
        return flat
    windows = np.lib.stride_tricks.sliding_window_view(pitch, width)
    rests = np.ptp(windows, axis=1) < _SHORT_REST_SEMITONES
    return np.convolve(rests, np.ones(width), "full") > 0.5
