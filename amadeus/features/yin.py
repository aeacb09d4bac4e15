"""Pitch by YIN: the lag at which a sound differs least from itself. No network, little latency.

A frame is compared with itself over the part that overlaps, so its answer belongs to its centre
whatever the pitch. Frames know nothing of each other: a sound pushed in blocks has the same pitch, to
the last bit, as the sound tracked at once.

Reference: de Cheveigné and Kawahara, "YIN, a fundamental frequency estimator for speech and music",
JASA 111 (2002); its steps are named where they are taken.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.fft import next_fast_len

from amadeus.audio import AudioSpec
from amadeus.errors import ConfigError
from amadeus.features.types import Pitch

_N_PERIODS = 2  # of the lowest pitch in a frame; fewer would leave nothing to compare
_TROUGH = 0.15  # step 4: the first lag of so little aperiodicity is the period
_UNVOICED = 0.4  # aperiodicity of no confidence: 0.2, a usual limit, gets one half
_MAX_MULTIPLE = 6  # a short period is measured over up to so many of its kind
_CHUNK_FRAMES = 256  # a chunk takes some 10 MB


class Periods(NamedTuple):
    """How a sound repeats, frame by frame.

    Attributes:
      period_samples: Positive, fractional. Shape [n_frames].
      aperiodicity: Share of the sound that does not repeat, 0 or more. Shape [n_frames].
    """

    period_samples: np.ndarray
    aperiodicity: np.ndarray


class YinTracker:
    """Tracks pitch with YIN."""

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
          ConfigError: The sample rate leaves no lag between the lowest and the highest pitch.
        """
        stream = YinStream(spec=spec, f0_min_hz=f0_min_hz, f0_max_hz=f0_max_hz)
        first, last = stream.push(audio), stream.finish()
        return Pitch(
            np.concatenate([first.f0_hz, last.f0_hz]),
            np.concatenate([first.f0_confidence, last.f0_confidence]),
        )


class YinStream:
    """Tracks the pitch of one sound with YIN while it goes on.

    A frame is answered as soon as `latency_samples` from its centre on have been pushed.
    """

    def __init__(self, *, spec: AudioSpec, f0_min_hz: float, f0_max_hz: float) -> None:
        """Prepares for one sound.

        Args:
          spec: The clock of the audio and of the frames.
          f0_min_hz: Lowest pitch that may be reported; the latency is one period of it.
          f0_max_hz: Highest pitch that may be reported.

        Raises:
          ConfigError: The sample rate leaves no lag between the lowest and the highest pitch.
        """
        self._spec = spec
        self._range = {"f0_min_hz": f0_min_hz, "f0_max_hz": f0_max_hz}
        size = frame_size_for(f0_min_hz, f0_max_hz, sample_rate=spec.sample_rate)
        self._frame_size = max(size, spec.hop_size)  # so that no sample is skipped
        # What the frames to come still need; the first is centred on the first sample.
        self._kept = np.zeros(self._frame_size // 2)
        self._n_pushed = 0
        self._n_answered = 0

    @property
    def latency_samples(self) -> int:
        """Samples from its centre on that a frame waits for."""
        return self._frame_size - self._frame_size // 2

    def push(self, block: np.ndarray) -> Pitch:
        """Takes the next samples.

        Args:
          block: In [-1, 1]. Shape [n_samples], any number.

        Returns:
          Pitch of the frames that became complete; arrays of shape [n_frames], perhaps of none.
        """
        self._n_pushed += len(block)
        return self._answer(np.asarray(block, np.float64))

    def finish(self) -> Pitch:
        """Ends the sound and answers the frames that still wait, as if silence followed.

        Nothing may be pushed afterwards.
        """
        n_waiting = self._spec.n_frames(self._n_pushed) - self._n_answered
        end = (n_waiting - 1) * self._spec.hop_size + self._frame_size
        return self._answer(np.zeros(max(0, end - len(self._kept))))

    def _answer(self, block: np.ndarray) -> Pitch:
        sound = np.concatenate([self._kept, block])
        n_frames = max(0, (len(sound) - self._frame_size) // self._spec.hop_size + 1)
        if not n_frames:  # the usual case where blocks are short
            self._kept = sound
            return Pitch(np.zeros(0, np.float32), np.zeros(0, np.float32))
        views = np.lib.stride_tricks.sliding_window_view(
            np.pad(sound, (0, self._frame_size)), self._frame_size
        )
        frames = views[:: self._spec.hop_size][:n_frames]
        self._n_answered += n_frames
        self._kept = sound[n_frames * self._spec.hop_size :]
        return find_pitch(frames, sample_rate=self._spec.sample_rate, **self._range)


def find_pitch(
    frames: np.ndarray, *, sample_rate: int, f0_min_hz: float, f0_max_hz: float
) -> Pitch:
    """Finds the pitch of each frame.

    Args:
      frames: Of at least `frame_size_for` samples. Shape [n_frames, frame_size].
      sample_rate: Samples per second.
      f0_min_hz: Lowest pitch that may be reported.
      f0_max_hz: Highest pitch that may be reported.

    Returns:
      Pitch, arrays of shape [n_frames].
    """
    lags = lags_within(f0_min_hz, f0_max_hz, sample_rate=sample_rate)
    f0_hz = np.empty(len(frames), np.float32)
    confidence = np.empty(len(frames), np.float32)
    for start in range(0, len(frames), _CHUNK_FRAMES):
        part = slice(start, start + _CHUNK_FRAMES)
        found = find_periods(np.asarray(frames[part], np.float64), lags)
        f0_hz[part] = np.clip(sample_rate / found.period_samples, f0_min_hz, f0_max_hz)
        confidence[part] = np.clip(1.0 - found.aperiodicity / _UNVOICED, 0.0, 1.0)
    return Pitch(f0_hz, confidence)


def frame_size_for(f0_min_hz: float, f0_max_hz: float, *, sample_rate: int) -> int:
    """Samples a frame needs to hold two periods of the lowest pitch."""
    return _N_PERIODS * lags_within(f0_min_hz, f0_max_hz, sample_rate=sample_rate).stop


def lags_within(f0_min_hz: float, f0_max_hz: float, *, sample_rate: int) -> range:
    """Lists the whole lags between the periods of two pitches, both included.

    Raises:
      ConfigError: There are fewer than three.
    """
    lags = range(
        max(2, math.floor(sample_rate / f0_max_hz)),
        math.ceil(sample_rate / f0_min_hz) + 1,
    )
    if len(lags) < 3:
        raise ConfigError(
            f"f0_min_hz={f0_min_hz:g} to f0_max_hz={f0_max_hz:g} leaves YIN no pitch to find at "
            f"sample_rate={sample_rate}: its lags are whole samples, so widen the range or raise the rate."
        )
    return lags


def find_periods(frames: np.ndarray, lags: range) -> Periods:
    """Finds the period of each frame.

    Args:
      frames: Shape [n_frames, frame_size].
      lags: Periods that may be, in samples; at most half of the frame.

    Returns:
      Periods, arrays of shape [n_frames].
    """
    difference = compute_difference(frames, lags.stop + 1)
    relative = normalise(difference)
    lag = choose_lag(relative[:, : lags.stop], lags.start)
    aperiodicity = np.take_along_axis(relative, lag[:, None], axis=1)[:, 0]
    return Periods(_refine(difference, lag, lags.stop), aperiodicity)


def compute_difference(frames: np.ndarray, n_lags: int) -> np.ndarray:
    """Step 2: mean square of what a frame and the same frame shifted by a lag differ in.

    Args:
      frames: Shape [n_frames, frame_size].
      n_lags: At most `frame_size`.

    Returns:
      Shape [n_frames, n_lags], for lags from 0.
    """
    n_frames, size = frames.shape
    centred = frames - frames.mean(axis=1, keepdims=True)
    energy = np.zeros((n_frames, size + 1))  # of the samples before each
    np.cumsum(centred**2, axis=1, out=energy[:, 1:])
    n_fft = next_fast_len(size + n_lags, real=True)
    spectrum = np.fft.rfft(centred, n_fft)
    alike = np.fft.irfft(spectrum.real**2 + spectrum.imag**2, n_fft)[:, :n_lags]
    lags = np.arange(n_lags)
    overlap = energy[:, size - lags] + energy[:, -1:] - energy[:, :n_lags]
    return np.maximum(overlap - 2.0 * alike, 0.0) / (size - lags)


def normalise(difference: np.ndarray) -> np.ndarray:
    """Step 3: divides the difference at each lag by its mean over that and all shorter lags.

    Args:
      difference: Shape [n_frames, n_lags].

    Returns:
      Shape [n_frames, n_lags]; 1 at lag 0, and everywhere in silence.
    """
    total = np.cumsum(difference, axis=1)
    counts = np.arange(difference.shape[1])
    sounding = total > np.finfo(np.float64).tiny
    return np.where(sounding, difference * counts / np.where(sounding, total, 1.0), 1.0)


def choose_lag(relative: np.ndarray, first: int) -> np.ndarray:
    """Step 4: the first trough that is deep enough, or else the deepest lag.

    Args:
      relative: Of `normalise`. Shape [n_frames, n_lags].
      first: Shortest lag that may be chosen.

    Returns:
      Lags. Int, shape [n_frames].
    """
    inner = relative[:, first:-1]
    is_trough = (inner <= relative[:, first - 1 : -2]) & (
        inner < relative[:, first + 1 :]
    )
    is_deep = is_trough & (inner < _TROUGH)
    chosen = np.where(
        is_deep.any(axis=1), is_deep.argmax(axis=1), relative[:, first:].argmin(axis=1)
    )
    return first + chosen


def _refine(difference: np.ndarray, lag: np.ndarray, stop: int) -> np.ndarray:
    """Step 5: the bottom of the parabola, at a multiple of the lag where it is short.

    An error of a fraction of a sample weighs the less the longer the lag it is made in.
    """
    multiple = np.ones(len(lag))
    period = _bottom(difference, lag)
    for _ in range(_MAX_MULTIPLE - 1):
        further = np.rint((multiple + 1) * period).astype(int)
        fits = further < stop
        centre = np.where(fits, further, lag)
        bottom = _bottom(difference, _lowest(difference, centre))
        period = np.where(fits, bottom / (multiple + 1), period)
        multiple += fits
    return period


def _lowest(difference: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """The lowest of three neighbouring lags."""
    around = centre[:, None] + np.arange(-1, 2)
    lowest = np.take_along_axis(difference, around, axis=1).argmin(axis=1)
    return centre - 1 + lowest


def _bottom(difference: np.ndarray, lag: np.ndarray) -> np.ndarray:
    """Where the parabola through a lag and its two neighbours is lowest, at most half a lag away."""
    inner = np.minimum(lag, difference.shape[1] - 2)
    around = np.take_along_axis(difference, inner[:, None] + np.arange(-1, 2), axis=1)
    slope = (around[:, 2] - around[:, 0]) / 2
    bend = around[:, 0] - 2 * around[:, 1] + around[:, 2]
    shift = np.where(bend > 0, -slope / np.where(bend > 0, bend, 1.0), 0.0)
    return lag + np.clip(shift, -0.5, 0.5)
