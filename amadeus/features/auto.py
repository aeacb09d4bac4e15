"""Pitch by SwiftF0, examined again where it is in doubt.

YIN, which shares neither weights nor method with SwiftF0, listens along at little cost. Where the two
disagree, or the pitch leaps by most of an octave, CREPE tiny is asked, and of three opinions two win.
One dispute needs no judge: YIN on a harmonic of SwiftF0's pitch while the sound itself shows the lower pitch.
CREPE is drawn to such a harmonic too, where a string or a room makes it the loudest.
Where all three differ, CREPE full was tried as a fourth: 0.1 % more frames were right on the melodies of
benchmarks/pitch.py, at thirty times the price a frame, so it is left out.

Everything happens on SwiftF0's clock, so it costs the same at any frame rate.
"""

import logging
from typing import NamedTuple

import numpy as np

from amadeus.audio import AudioSpec
from amadeus.features import crepe, octaves, swift_f0, yin
from amadeus.features.types import Pitch

_AGREE_OCTAVES = 50 / 1200
_LEAP_OCTAVES = 9 / 12
_HEARD = 0.3  # SwiftF0's confidence below which its pitch matters only if YIN is sure
_HIGHEST_FEIGNED = 5  # harmonic that is taken for the pitch
_SURE = 0.5  # half of confidence is where all three trackers put the border

_logger = logging.getLogger(__name__)


class Examination(NamedTuple):
    """What came of examining a sound.

    Attributes:
      answers: The pitch on SwiftF0's clock. Shapes [n_answers].
      is_doubted: Where CREPE was asked. Bool, shape [n_answers].
      is_changed: Where SwiftF0 did not have the last word. Bool, shape [n_answers].
    """

    answers: Pitch
    is_doubted: np.ndarray
    is_changed: np.ndarray


class AutoTracker:
    """Tracks pitch with SwiftF0, YIN and, where these differ, CREPE tiny."""

    def __init__(self) -> None:
        self._first = swift_f0.SwiftF0Tracker()
        self._judge = crepe.CrepeTracker("tiny", viterbi=False)

    def track(
        self,
        audio: np.ndarray,
        *,
        spec: AudioSpec,
        f0_min_hz: float,
        f0_max_hz: float,
    ) -> Pitch:
        """Tracks pitch on the frames of `spec`; see `PitchTracker`.

        Raises:
          ConfigError: The range of pitch lies outside of what SwiftF0 or CREPE knows.
        """
        audio_16k = swift_f0.resample(audio, spec.sample_rate)
        found = self.examine(audio_16k, f0_min_hz=f0_min_hz, f0_max_hz=f0_max_hz)
        _logger.info(
            "pitch: CREPE examined %.1f %% of %.1f s again and SwiftF0 was overruled in %.1f %%",
            100 * found.is_doubted.mean(),
            len(audio) / spec.sample_rate,
            100 * found.is_changed.mean(),
        )
        positions = swift_f0.frame_positions(len(audio), spec)
        return swift_f0.lay_onto(positions, found.answers)

    def examine(
        self, audio: np.ndarray, *, f0_min_hz: float, f0_max_hz: float
    ) -> Examination:
        """Tracks pitch on SwiftF0's clock and tells where it was in doubt.

        Args:
          audio: At 16 kHz, of `swift_f0.resample`. Shape [n_samples].
          f0_min_hz: Lowest pitch that may be reported.
          f0_max_hz: Highest pitch that may be reported.

        Raises:
          ConfigError: The range of pitch lies outside of what SwiftF0 or CREPE knows.
        """
        limits = {"f0_min_hz": f0_min_hz, "f0_max_hz": f0_max_hz}
        first = self._first.answer(audio, **limits)
        n_answers = len(first.f0_hz)
        second = _listen_along(audio, n_answers, f0_min_hz, f0_max_hz)
        is_doubted = find_doubts(first, second)
        long = _frames(audio, n_answers, _yin_size(f0_min_hz, f0_max_hz))
        is_doubted &= ~_feigned(long, first, second)
        frames = _frames(audio, n_answers, crepe.FRAME_SIZE)[is_doubted]
        third = self._judge.answer(frames, **limits)
        ours = _pick(first, is_doubted)
        settled = settle(ours, _pick(second, is_doubted), third)
        stays = _feigned(long[is_doubted], ours, settled)
        answers = Pitch(np.array(first.f0_hz), np.array(first.f0_confidence))
        for answer, mine, found in zip(answers, ours, settled, strict=True):
            answer[is_doubted] = np.where(stays, mine, found)
        is_changed = ~_agree(answers.f0_hz, first.f0_hz)
        return Examination(answers, is_doubted, is_changed)


def find_doubts(first: Pitch, second: Pitch) -> np.ndarray:
    """Finds where two trackers disagree on what is heard, or the first leaps, and what is beside it.

    Args:
      first: SwiftF0's answers. Shapes [n_answers].
      second: YIN's. Shapes [n_answers].

    Returns:
      Bool, shape [n_answers].
    """
    leaps = np.abs(np.diff(np.log2(first.f0_hz))) > _LEAP_OCTAVES
    doubted = ~_agree(first.f0_hz, second.f0_hz)
    doubted[1:] |= leaps
    doubted[:-1] |= leaps
    doubted &= (first.f0_confidence >= _HEARD) | (second.f0_confidence >= _SURE)
    spread = np.array(doubted)  # an answer's sound overlaps with that of the next
    spread[1:] |= doubted[:-1]
    spread[:-1] |= doubted[1:]
    return spread


def settle(first: Pitch, second: Pitch, third: Pitch) -> Pitch:
    """Lets two of three opinions win; where there are three, only a third that is sure is heard.

    Args:
      first: SwiftF0's answers. Shapes [n_answers].
      second: YIN's. Shapes [n_answers].
      third: CREPE's. Shapes [n_answers].

    Returns:
      Pitch; what nobody agrees on has less than half of confidence. Shapes [n_answers].
    """
    with_first = _agree(third.f0_hz, first.f0_hz)
    with_second = ~with_first & _agree(third.f0_hz, second.f0_hz)
    alone = ~with_first & ~with_second & ~_agree(first.f0_hz, second.f0_hz)
    heard = alone & (third.f0_confidence > _SURE)
    f0_hz = np.where(with_second, second.f0_hz, first.f0_hz)
    f0_hz = np.where(heard, third.f0_hz, f0_hz)
    together = np.maximum(second.f0_confidence, third.f0_confidence)
    confidence = np.where(with_second, together, first.f0_confidence)
    confidence = np.where(alone, np.minimum(confidence, 0.9 * _SURE), confidence)
    confidence = np.where(heard, third.f0_confidence, confidence)
    return Pitch(f0_hz.astype(np.float32), confidence.astype(np.float32))


def _listen_along(
    audio: np.ndarray, n_answers: int, f0_min_hz: float, f0_max_hz: float
) -> Pitch:
    """YIN's answers on SwiftF0's clock."""
    frames = _frames(audio, n_answers, _yin_size(f0_min_hz, f0_max_hz))
    return yin.find_pitch(
        frames,
        f0_min_hz=f0_min_hz,
        f0_max_hz=f0_max_hz,
        sample_rate=swift_f0.SAMPLE_RATE,
    )


def _yin_size(f0_min_hz: float, f0_max_hz: float) -> int:
    return yin.frame_size_for(f0_min_hz, f0_max_hz, sample_rate=swift_f0.SAMPLE_RATE)


def _feigned(frames: np.ndarray, lower: Pitch, upper: Pitch) -> np.ndarray:
    """Where a harmonic was taken for the pitch: the sound shows that the lower opinion is right."""
    times = np.rint(upper.f0_hz / lower.f0_hz)
    feigned = (times >= 2) & (times <= _HIGHEST_FEIGNED)
    feigned &= _agree(upper.f0_hz, np.maximum(times, 1) * lower.f0_hz)
    feigned[feigned] = octaves.lower_pitch_shows(
        frames[feigned], swift_f0.SAMPLE_RATE / upper.f0_hz[feigned], times[feigned]
    )
    return feigned


def _frames(audio: np.ndarray, n_answers: int, size: int) -> np.ndarray:
    """Views of the sound around each answer, shape [n_answers, size]."""
    padded = np.pad(audio, (size // 2, size))
    views = np.lib.stride_tricks.sliding_window_view(padded, size)
    return views[:: swift_f0.HOP][:n_answers]


def _pick(pitch: Pitch, where: np.ndarray) -> Pitch:
    return Pitch(pitch.f0_hz[where], pitch.f0_confidence[where])


def _agree(f0_hz: np.ndarray, other_hz: np.ndarray) -> np.ndarray:
    return np.asarray(np.abs(np.log2(f0_hz / other_hz)) < _AGREE_OCTAVES)
