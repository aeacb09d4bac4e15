"""What sounds in the gaps between notes, against the original's same gaps.

A gap lasts 80 ms or more and lies between the end of one note and the start of the next. Its level is
that of all sound in it above 40 Hz, the rumble of a room below being heard by none; its buzz is the part
that stands out of the spectrum as lines, whatever their pitch.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import ndimage, signal

from amadeus.audio import AudioSpec
from amadeus.features.notes import Note

MIN_GAP_S = 0.08
FLOOR_DBFS = -90.0  # below this neither is heard, and the louder of the two no fault

_RUMBLE_HZ = 40.0
_EDGE_S = 0.008
_WINDOW_S = 0.064
_SPAN_HZ = 400.0  # over which the floor of a spectrum is sought
_FLOOR_SHARE = 0.25  # lines 65 Hz apart leave a quarter of the bins to the floor
_PROMINENCE = (
    20.0  # noise, whose power is exponentially distributed, exceeds it in 0.3 % of bins
)


class GapExcess(NamedTuple):
    """How much louder an answer is in the gaps than the original, in dB. Shapes [n_gaps].

    Attributes:
      level_db: Of all sound.
      buzz_db: Of the lines in its spectrum.
    """

    level_db: np.ndarray
    buzz_db: np.ndarray


def compare_gaps(
    original: np.ndarray, answer: np.ndarray, notes: Sequence[Note], *, spec: AudioSpec
) -> GapExcess:
    """Compares an answer with its original between the original's notes.

    Args:
      original: Shape [n_samples].
      answer: Aligned with it. Shape [n_samples].
      notes: Of the original.
      spec: The clock of the sounds and of the notes' frames.
    """
    original, answer = (
        _without_rumble(a, spec.sample_rate) for a in (original, answer)
    )
    levels, buzzes = [], []
    for start, end in find_gaps(
        notes, spec=spec, n_samples=min(len(original), len(answer))
    ):
        truth, found = original[start:end], answer[start:end]
        levels.append(_excess(_power(truth), _power(found)))
        buzzes.append(
            _excess(
                *(tonal_power(s, sample_rate=spec.sample_rate) for s in (truth, found))
            )
        )
    return GapExcess(np.array(levels), np.array(buzzes))


def find_gaps(
    notes: Sequence[Note], *, spec: AudioSpec, n_samples: int
) -> list[tuple[int, int]]:
    """Lists (first sample, sample after the last) of the gaps, 8 ms off each edge."""
    edge = round(_EDGE_S * spec.sample_rate)
    gaps = []
    for before, after in itertools.pairwise(notes):
        n_frames = after.start_frame - before.end_frame
        start, end = before.end_frame * spec.hop_size, after.start_frame * spec.hop_size
        if n_frames >= MIN_GAP_S * spec.frame_rate and end <= n_samples:
            gaps.append((start + edge, end - edge))
    return gaps


def tonal_power(audio: np.ndarray, *, sample_rate: int) -> float:
    """Measures the power of what stands out of the spectrum as lines, in parts of full scale squared."""
    size = min(round(_WINDOW_S * sample_rate), len(audio))
    frames = np.lib.stride_tricks.sliding_window_view(audio, size)[:: max(1, size // 2)]
    window = np.hanning(size + 1)[:-1]
    power = np.square(np.abs(np.fft.rfft(frames * window)))
    power *= 2 / (size * np.square(window).sum())  # Parseval: sums to the mean square
    n_bins = 1 + 2 * round(_SPAN_HZ / (sample_rate / size) / 2)
    floor = ndimage.percentile_filter(power, 100 * _FLOOR_SHARE, size=(1, n_bins))
    lines = np.where(power > _PROMINENCE * floor, power - floor, 0.0)
    return float(lines.sum(axis=1).mean())


def _without_rumble(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    high_pass = signal.butter(4, _RUMBLE_HZ, "highpass", fs=sample_rate, output="sos")
    return signal.sosfiltfilt(high_pass, audio)


def _power(audio: np.ndarray) -> float:
    return float(np.mean(np.square(np.asarray(audio, np.float64))))


def _excess(truth: float, found: float) -> float:
    floor = 10 ** (FLOOR_DBFS / 10)
    return float(10 * np.log10(max(found, floor) / max(truth, floor)))
