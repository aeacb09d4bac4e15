"""Pitch by SwiftF0, a small convolutional network on 16 kHz audio.

The network answers every 256 samples (62.5 times a second), its frame j centred on sample
256 j. These answers are laid onto the frames of the voice's clock.

Reference: Nieradzik, "SwiftF0: Fast and Accurate Monophonic Pitch Detection", 2025.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from amadeus.audio import AudioSpec
from amadeus.errors import ConfigError
from amadeus.features.types import Pitch

F0_MIN_HZ = 46.875
F0_MAX_HZ = 2_093.75

_SAMPLE_RATE = 16_000
_HOP = 256
_N_THREADS = 2
# The network's receptive field in frames, as swift_f0 0.3.0 states it in core.py: with these
# around a window its answers are those of the whole.
_LEFT_FRAMES, _RIGHT_FRAMES = 11, 10
_WINDOW_FRAMES = 480  # at most, 7.7 s: longer is slower and takes more memory
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
        low, high = _usable_range(f0_min_hz, f0_max_hz)
        audio_16k = _resample(audio, spec.sample_rate)
        # Two more hops of silence, so that an answer lies on either side of the last frame.
        padded = np.pad(audio_16k, (0, 2 * _HOP))
        f0_hz, confidence = self._answer(padded, low, high)
        positions = np.arange(spec.n_frames(len(audio))) * (
            _SAMPLE_RATE / _HOP / spec.frame_rate
        )
        return lay_onto(positions, f0_hz, confidence)

    def _answer(
        self, audio: np.ndarray, low: float, high: float
    ) -> tuple[np.ndarray, np.ndarray]:
        n_frames = len(audio) // _HOP
        # As many windows on every thread, each about as long as the others.
        n_rounds = -(-n_frames // (_WINDOW_FRAMES * self._n_threads))
        size = -(-n_frames // (n_rounds * self._n_threads))

        def answer_window(start: int) -> tuple[np.ndarray, np.ndarray]:
            end = min(start + size, n_frames)
            left = max(0, start - _LEFT_FRAMES)
            right = len(audio) if end == n_frames else (end + _RIGHT_FRAMES) * _HOP
            window = audio[left * _HOP : right]
            found = self._detector.detect(window, _SAMPLE_RATE, low, high)
            wanted = slice(start - left, end - left)
            return found.pitch_hz[wanted], found.confidence[wanted]

        with ThreadPoolExecutor(self._n_threads) as pool:
            answers = list(pool.map(answer_window, range(0, n_frames, size)))
        f0_hz, confidence = zip(*answers, strict=True)
        return np.concatenate(f0_hz), np.concatenate(confidence)


def lay_onto(
    positions: np.ndarray, f0_hz: np.ndarray, f0_confidence: np.ndarray
) -> Pitch:
    """Interpolates pitch and confidence at fractional frames.

    Pitch moves in the logarithm between two voiced answers; beside an unvoiced answer the voiced
    one is kept as it is, so that no pitch is mixed with a guess.

    Args:
      positions: Where to look, in frames of `f0_hz`. Shape [n_frames].
      f0_hz: Positive. Shape [n_answers].
      f0_confidence: In [0, 1]. Shape [n_answers].

    Returns:
      Pitch, arrays of shape [n_frames].
    """
    left = np.clip(np.floor(positions).astype(int), 0, len(f0_hz) - 1)
    right = np.minimum(left + 1, len(f0_hz) - 1)
    share = np.clip(positions - left, 0.0, 1.0)
    voiced = f0_confidence >= _VOICED
    pitch_share = np.where(voiced[left] & ~voiced[right], 0.0, share)
    pitch_share = np.where(~voiced[left] & voiced[right], 1.0, pitch_share)
    log_f0 = np.log(f0_hz)
    f0 = np.exp((1 - pitch_share) * log_f0[left] + pitch_share * log_f0[right])
    confidence = (1 - share) * f0_confidence[left] + share * f0_confidence[right]
    return Pitch(f0.astype(np.float32), confidence.astype(np.float32))


def _usable_range(f0_min_hz: float, f0_max_hz: float) -> tuple[float, float]:
    low, high = max(f0_min_hz, F0_MIN_HZ), min(f0_max_hz, F0_MAX_HZ)
    if high < low * _BAND_RATIO:
        raise ConfigError(
            f"f0_min_hz={f0_min_hz:g} to f0_max_hz={f0_max_hz:g} leaves SwiftF0 no pitch to find: it knows "
            f"{F0_MIN_HZ:g} to {F0_MAX_HZ:g} Hz in steps of {_BAND_RATIO - 1:.0%}, so widen the range or choose "
            "f0_tracker=crepe_full."
        )
    return low, high


def _resample(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    if sample_rate == _SAMPLE_RATE:
        return np.asarray(audio, np.float32)
    import soxr

    resampled = soxr.resample(np.asarray(audio, np.float32), sample_rate, _SAMPLE_RATE)
    return np.asarray(resampled)
