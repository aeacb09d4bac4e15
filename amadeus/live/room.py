"""The learned reverb as it is played: any number of samples at a time, without latency.

Uniformly partitioned convolution. What earlier blocks still ring of is made once a partition; the part of a block
that has just come is convolved by itself, so nothing is waited for.

Reference: Wefers, "Partitioned convolution algorithms for real-time auralization", 2014, chapter 5.
"""

import numpy as np

PARTITION_SAMPLES = 256


class Room:
    """Adds the learned reverb to a mono stream; blocks joined equal `Voice.render`'s reverb."""

    def __init__(self, impulse_response: np.ndarray) -> None:
        """Takes the response.

        Args:
          impulse_response: Its first tap stands for the dry sound and is not heard. Float32, shape [n_taps].
        """
        n = self._n = PARTITION_SAMPLES
        n_parts = -(-len(impulse_response) // n)
        taps = np.zeros(max(n_parts, 1) * n, np.float32)
        taps[: len(impulse_response)] = impulse_response
        taps[:1] = 0.0
        self._parts = np.fft.rfft(taps.reshape(-1, n), 2 * n).astype(np.complex64)
        self._past = np.zeros_like(self._parts)  # spectra of whole blocks, a ring
        self._newest = 0
        self._block = np.zeros(2 * n, np.float32)  # the block that is coming in
        self._n_filled = 0
        self._before = np.zeros(n, np.float32)  # of earlier blocks, over this one
        self._overhang = np.zeros(n, np.float32)  # of the block before, over this one
        self._n_rest = 0  # samples until all has rung out
        self._mix: float | None = None  # as it was last
        self.n_taps = len(impulse_response)

    @property
    def is_silent(self) -> bool:
        """Whether nothing rings any more."""
        return self._n_rest <= 0

    def feed(self, audio: np.ndarray, mix: float) -> np.ndarray:
        """Adds `mix` times the reverb. Shape of `audio` and of the result: [n_samples]."""
        if not self.n_taps:
            return audio
        sounding = np.flatnonzero(audio)
        if len(sounding):
            self._n_rest = self.n_taps + int(sounding[-1]) + 1
        elif self.is_silent:  # zeros into a silent room
            return audio
        self._n_rest -= len(audio)
        wet = np.empty_like(audio)
        first = 0
        while first < len(audio):
            n_now = min(self._n - self._n_filled, len(audio) - first)
            wet[first : first + n_now] = self._convolve(audio[first : first + n_now])
            first += n_now
        return audio + self._ramp(mix, len(audio)) * wet

    def _ramp(self, mix: float, n_samples: int) -> np.ndarray:
        """A mix that is turned goes there over the block, so that nothing clicks."""
        before, self._mix = mix if self._mix is None else self._mix, mix
        if before == mix:
            return np.float32(mix)
        return np.linspace(before, mix, n_samples + 1, dtype=np.float32)[1:]

    def _convolve(self, audio: np.ndarray) -> np.ndarray:
        begin, end = self._n_filled, self._n_filled + len(audio)
        self._block[begin:end] = audio
        spectrum = np.fft.rfft(self._block)
        ring = np.fft.irfft(spectrum * self._parts[0]).astype(np.float32)
        wet = ring[begin:end] + self._before[begin:end]
        self._n_filled = end
        if end == self._n:
            self._turn(spectrum.astype(np.complex64), ring)
        return wet

    def _turn(self, spectrum: np.ndarray, ring: np.ndarray) -> None:
        """Begins a block: sums what all whole blocks ring over it."""
        n_parts = len(self._parts)
        self._newest = (self._newest - 1) % n_parts
        self._past[self._newest] = spectrum
        self._block[:] = 0
        self._n_filled = 0
        # block b back rings through partition b + 1 here, and through partition b in its second half
        order = (self._newest + np.arange(n_parts - 1)) % n_parts
        total = np.einsum("pf,pf->f", self._past[order], self._parts[1:])
        rings = np.fft.irfft(total, 2 * self._n).astype(np.float32)
        self._before = ring[self._n :] + rings[: self._n] + self._overhang
        self._overhang = rings[self._n :]
