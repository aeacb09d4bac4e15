"""Pitch by SwiftF0, a small convolutional network on 16 kHz audio.

The network answers every 256 samples (62.5 times a second), its frame j centred on sample
256 j. These answers are laid onto the frames of the voice's clock.

Reference: Nieradzik, "SwiftF0: Fast and Accurate Monophonic Pitch Detection", 2025.
"""

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from amadeus.audio import AudioSpec
from amadeus.errors import ConfigError
from amadeus.features.types import Pitch
from amadeus.threads import own_threads

F0_MIN_HZ = 46.875
F0_MAX_HZ = 2_093.75

SAMPLE_RATE = 16_000
HOP = 256  # samples between the network's answers
_N_THREADS = 2
# The network's receptive field in frames, as swift_f0 0.3.0 states it in core.py: with these
# around a window its answers are those of the whole.
_LEFT_FRAMES, _RIGHT_FRAMES = 11, 10
_WINDOW_FRAMES = 480  # at most, 7.7 s: longer is slower and takes more memory
_LEAP = math.log(2) / 3  # a third; between two answers no played glide goes so far
_VOICED = 0.5  # the network's confidence is calibrated to this
_BAND_RATIO = (F0_MAX_HZ / F0_MIN_HZ) ** (1 / 94)  # one of the network's 95 pitch steps


class SwiftF0Tracker:
    """Tracks pitch with SwiftF0; loads its network once."""

    def __init__(self, *, n_threads: int = _N_THREADS) -> None:
        import swift_f0  # here: it loads onnxruntime

        # Windows run side by side on one core each: a quarter faster than one window on all
        # cores, and the order of additions does not depend on the number of cores.
        self._detector: Any = swift_f0.SwiftF0(threads=1, spin=False)
        self._n_threads = n_threads

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
          ConfigError: The range of pitch lies outside of what the network knows.
        """
        answers = self.answer(
            resample(audio, spec.sample_rate), f0_min_hz=f0_min_hz, f0_max_hz=f0_max_hz
        )
        return lay_onto(frame_positions(len(audio), spec), answers)

    def answer(self, audio: np.ndarray, *, f0_min_hz: float, f0_max_hz: float) -> Pitch:
        """Asks the network, on its own clock.

        Args:
          audio: At 16 kHz, of `resample`. Shape [n_samples].
          f0_min_hz: Lowest pitch that may be reported.
          f0_max_hz: Highest pitch that may be reported.

        Returns:
          Pitch at sample 256 j for every whole hop; arrays of shape [n_samples // 256].

        Raises:
          ConfigError: The range of pitch lies outside of what the network knows.
        """
        low, high = _usable_range(f0_min_hz, f0_max_hz)
        n_frames = len(audio) // HOP
        # As many windows on every thread, each about as long as the others.
        n_rounds = -(-n_frames // (_WINDOW_FRAMES * self._n_threads))
        size = -(-n_frames // (n_rounds * self._n_threads))

        def answer_window(start: int) -> tuple[np.ndarray, np.ndarray]:
            end = min(start + size, n_frames)
            left = max(0, start - _LEFT_FRAMES)
            right = len(audio) if end == n_frames else (end + _RIGHT_FRAMES) * HOP
            window = audio[left * HOP : right]
            found = self._detector.detect(window, SAMPLE_RATE, low, high)
            wanted = slice(start - left, end - left)
            return found.pitch_hz[wanted], found.confidence[wanted]

        # The windows do not depend on how many threads there are to answer them.
        with ThreadPoolExecutor(own_threads(self._n_threads)) as pool:
            answers = list(pool.map(answer_window, range(0, n_frames, size)))
        f0_hz, confidence = zip(*answers, strict=True)
        return Pitch(np.concatenate(f0_hz), np.concatenate(confidence))


def frame_positions(n_samples: int, spec: AudioSpec) -> np.ndarray:
    """Lists where the frames of a sound lie, counted in the network's answers."""
    return np.arange(spec.n_frames(n_samples)) * (SAMPLE_RATE / HOP / spec.frame_rate)


def lay_onto(positions: np.ndarray, answers: Pitch) -> Pitch:
    """Interpolates pitch and confidence at fractional frames.

    Pitch moves in the logarithm between two voiced answers; beside an unvoiced answer, and across
    more than a third, the nearer or the voiced one is kept as it is, so that no pitch is mixed with
    a guess or with another note.

    Args:
      positions: Where to look, in frames of `answers`. Shape [n_frames].
      answers: Of a tracker. Shape [n_answers].

    Returns:
      Pitch, arrays of shape [n_frames].
    """
    f0_hz, f0_confidence = answers
    left = np.clip(np.floor(positions).astype(int), 0, len(f0_hz) - 1)
    right = np.minimum(left + 1, len(f0_hz) - 1)
    share = np.clip(positions - left, 0.0, 1.0)
    voiced = f0_confidence >= _VOICED
    log_f0 = np.log(f0_hz)
    is_leap = np.abs(log_f0[left] - log_f0[right]) > _LEAP
    pitch_share = np.where(is_leap, np.round(share), share)
    pitch_share = np.where(voiced[left] & ~voiced[right], 0.0, pitch_share)
    pitch_share = np.where(~voiced[left] & voiced[right], 1.0, pitch_share)
    f0 = np.exp((1 - pitch_share) * log_f0[left] + pitch_share * log_f0[right])
    confidence = (1 - share) * f0_confidence[left] + share * f0_confidence[right]
    return Pitch(f0.astype(np.float32), confidence.astype(np.float32))


def resample(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    """Brings a sound to the network's 16 kHz, with silence for an answer on either side of its end."""
    audio = np.asarray(audio, np.float32)
    if sample_rate != SAMPLE_RATE:
        import soxr

        audio = soxr.resample(audio, sample_rate, SAMPLE_RATE)
    return np.pad(audio, (0, 2 * HOP))


def _usable_range(f0_min_hz: float, f0_max_hz: float) -> tuple[float, float]:
    low, high = max(f0_min_hz, F0_MIN_HZ), min(f0_max_hz, F0_MAX_HZ)
    if high < low * _BAND_RATIO:
        raise ConfigError(
            f"f0_min_hz={f0_min_hz:g} to f0_max_hz={f0_max_hz:g} leaves SwiftF0 no pitch to find: it knows "
            f"{F0_MIN_HZ:g} to {F0_MAX_HZ:g} Hz in steps of {_BAND_RATIO - 1:.0%}, so widen the range or choose "
            "f0_tracker=crepe_full."
        )
    return low, high
