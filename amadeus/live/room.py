"""The learned reverb as it is played: any number of samples at a time, without latency.

Uniformly partitioned convolution by overlap-save. What earlier blocks still ring of is summed once a block, as a
spectrum; what has come of the present block is added whenever more of it comes, so nothing is waited for.

Reference: Wefers, "Partitioned convolution algorithms for real-time auralization", 2014, chapter 5.
"""

import numpy as np

BLOCK_SAMPLES = 256


class Room:
    """Adds the learned reverb to a mono stream; blocks joined equal `Voice.render`'s reverb."""

    def __init__(self, impulse_response: np.ndarray) -> None:
        """Takes the response.

        Args:
          impulse_response: Its first tap stands for the dry sound and is not heard. Float32, shape [n_taps].
        """
        n = self._n = BLOCK_SAMPLES
        n_parts = max(1, -(-len(impulse_response) // n))
        taps = np.zeros(n_parts * n, np.float32)
        taps[: len(impulse_response)] = impulse_response
        taps[:1] = 0.0
        self._parts = np.fft.rfft(taps.reshape(-1, n), 2 * n).astype(np.complex64)
        # Spectra of whole blocks, the newest first. A ring that is written twice, so that any turn of it is one slice.
        self._past = np.zeros((2 * n_parts, n + 1), np.complex64)
        self._newest = 0
        self._ringing = np.zeros(n + 1, np.complex64)  # what they ring over this block
        self._samples = np.zeros(2 * n, np.float32)  # the block before, and this one
        self._n_filled = 0
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
        if audio.any():
            self._n_rest = self.n_taps + len(audio)
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

    def _ramp(self, mix: float, n_samples: int) -> np.ndarray | np.float32:
        """A mix that is turned goes there over the block, so that nothing clicks."""
        before, self._mix = mix if self._mix is None else self._mix, mix
        if before == mix:
            return np.float32(mix)
        return np.linspace(before, mix, n_samples + 1, dtype=np.float32)[1:]

    def _convolve(self, audio: np.ndarray) -> np.ndarray:
        begin, end = self._n + self._n_filled, self._n + self._n_filled + len(audio)
        self._samples[begin:end] = audio
        spectrum = np.fft.rfft(self._samples)
        # samples that are not there yet lie behind all that is taken
        wet = np.fft.irfft(spectrum * self._parts[0] + self._ringing)[begin:end]
        self._n_filled += len(audio)
        if self._n_filled == self._n:
            self._turn(spectrum)
        return wet

    def _turn(self, spectrum: np.ndarray) -> None:
        """Begins the next block."""
        n_parts = len(self._parts)
        self._newest = (self._newest - 1) % n_parts
        self._past[self._newest] = self._past[self._newest + n_parts] = spectrum
        past = self._past[self._newest : self._newest + n_parts - 1]
        self._ringing = np.einsum("pf,pf->f", past, self._parts[1:])
        self._samples[: self._n] = self._samples[self._n :]
        self._samples[self._n :] = 0.0
        self._n_filled = 0
