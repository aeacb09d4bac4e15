"""Changing the rate of a sound as it is played, with a delay short enough to play with.

A polyphase filter: each output sample is a window of input samples times the taps of its phase. Libraries that
resample streams hold back tens of milliseconds at these rates; this one holds back half a window, 1.5 ms at 16 kHz.
"""

import functools
import math

import numpy as np

HALF_TAPS = (
    24  # input samples on either side of an output sample, at the lower of both rates
)
STOPBAND_DB = 80.0

_EDGE = 0.9  # of the lower Nyquist frequency: where the passband ends


class Clock:
    """How many samples come of how many.

    Attributes:
      up: Output samples for each `down` input samples.
      down: See above.
      taps: Of the filter, by phase. Float32, shape [up, n_taps].
      n_out: Output samples made so far.
    """

    def __init__(self, *, from_rate: int, to_rate: int) -> None:
        divisor = math.gcd(from_rate, to_rate)
        self.up, self.down = to_rate // divisor, from_rate // divisor
        self.taps = _polyphase(self.up, self.down)
        self.n_out = 0
        self._n_half, self._n_in = self.taps.shape[1] // 2, 0

    @property
    def latency_samples(self) -> int:
        """Output samples that a full window after a sample is waited for."""
        if self.up == self.down:
            return 0
        return math.ceil(self._n_half * self.up / self.down)

    def needed(self, n_out: int) -> int:
        """Input samples still to be given until `n_out` output samples more can be had."""
        if self.up == self.down:
            return n_out
        last = (self.n_out + n_out - 1) * self.down // self.up + self._n_half
        return max(0, last + 1 - self._n_in)

    def take(self, n_in: int) -> int:
        """Takes note of input samples; says how many output samples can be known now that could not before."""
        self._n_in += n_in
        if self.up == self.down:
            return n_in
        n_known = -((self._n_half - self._n_in) * self.up // self.down)
        return max(0, n_known - self.n_out)


class StreamResampler:
    """Resamples a mono stream; blocks joined equal the whole, however they are cut.

    Output sample n lies at the time of input sample n * from_rate / to_rate, `latency_samples` later.
    """

    def __init__(self, *, from_rate: int, to_rate: int) -> None:
        self._clock = clock = Clock(from_rate=from_rate, to_rate=to_rate)
        self._up, self._down, self._taps = clock.up, clock.down, clock.taps
        self._n_half = self._taps.shape[1] // 2
        self._kept = np.zeros(self._n_half, np.float32)  # before the stream: silence
        self._first = -self._n_half  # place in the stream of the first sample kept

    @property
    def latency_samples(self) -> int:
        """See `Clock`."""
        return self._clock.latency_samples

    def needed(self, n_out: int) -> int:
        """See `Clock`."""
        return self._clock.needed(n_out)

    def feed(self, audio: np.ndarray) -> np.ndarray:
        """Takes in samples and hands out those that can be known now.

        Args:
          audio: Float32, shape [n_samples].

        Returns:
          Float32, shape [n_out], the first of a stream standing for its first sample.
        """
        if self._up == self._down:
            return audio
        self._kept = np.concatenate([self._kept, audio.astype(np.float32, copy=False)])
        n_new = self._clock.take(len(audio))
        if n_new <= 0:
            return np.zeros(0, np.float32)
        sound = self._whole(n_new) if self._down == 1 else self._any(n_new)
        self._clock.n_out += n_new
        self._forget()
        return sound

    def _whole(self, n_new: int) -> np.ndarray:
        """Makes samples where each input sample becomes `up` of them: windows and phases are one product."""
        first, phase = divmod(self._clock.n_out, self._up)
        n_windows = -(-(phase + n_new) // self._up)
        rows = self._windows(n_windows, first - self._n_half + 1 - self._first)
        return (rows @ self._taps.T).reshape(-1)[phase : phase + n_new]

    def _any(self, n_new: int) -> np.ndarray:
        numbers = np.arange(self._clock.n_out, self._clock.n_out + n_new)
        places, phases = np.divmod(numbers * self._down, self._up)
        starts = places - (self._n_half - 1 + self._first)
        rows = self._windows(int(starts[-1] - starts[0]) + 1, int(starts[0]))
        return np.einsum("nt,nt->n", rows[starts - starts[0]], self._taps[phases])

    def _windows(self, n_windows: int, start: int) -> np.ndarray:
        """Looks at the samples kept as windows, each one sample further than the one before."""
        kept = self._kept[start:]
        shape, step = (n_windows, self._taps.shape[1]), kept.itemsize
        if n_windows + shape[1] - 1 > len(kept):
            raise ValueError("a window reaches beyond the samples that are kept")
        return np.ndarray(shape, kept.dtype, kept, strides=(step, step))

    def _forget(self) -> None:
        """Drops samples that no later window reaches."""
        next_place = self._clock.n_out * self._down // self._up
        n_done = next_place - self._n_half + 1 - self._first
        if n_done > 0:
            self._kept = self._kept[n_done:]
            self._first += n_done


@functools.cache
def _polyphase(up: int, down: int) -> np.ndarray:
    """Taps of a windowed sinc by phase. Float32, shape [up, n_taps]."""
    lower = min(1.0, up / down)  # cutoff against the input's Nyquist frequency
    n_half = math.ceil(HALF_TAPS / lower)
    beta = 0.1102 * (STOPBAND_DB - 8.7)  # Kaiser's formula
    cutoff = lower * (1 + _EDGE) / 2
    offsets = np.arange(-n_half + 1, n_half + 1)
    away = offsets[None, :] - np.arange(up)[:, None] / up
    window = np.i0(beta * np.sqrt(np.maximum(0, 1 - (away / n_half) ** 2)))
    taps = cutoff * np.sinc(cutoff * away) * window
    return (taps / taps.sum(axis=1, keepdims=True)).astype(np.float32)
