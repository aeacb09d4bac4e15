"""The learned reverb as it is played: any number of samples at a time, without latency.

Partitioned convolution by overlap-save, in two layers. The first taps are convolved in short blocks, the present one
anew whenever more of it comes, so nothing is waited for. The other taps lie further back than a long block lasts, so
what they ring over the next long block is known when it begins.

References: Gardner, "Efficient convolution without input-output delay", 1995; Wefers, "Partitioned convolution
algorithms for real-time auralization", 2014, chapters 5 and 6.
"""

import functools
from typing import NamedTuple

import numpy as np

SHORT, LONG = 256, 2048  # samples a block


class Response(NamedTuple):
    """A learned reverb, cut into partitions. Rooms share it.

    Attributes:
      n_taps: How long it rings, in samples.
      head: Its first taps, whose first stands for the dry sound and is not heard. Float32, shape [SHORT].
      near: Spectra of the taps up to LONG, cut into blocks of SHORT. Complex64, shape [n_parts, SHORT + 1].
      far: Of those from LONG on, cut into blocks of LONG. Complex64, shape [n_parts, LONG + 1].
    """

    n_taps: int
    head: np.ndarray
    near: np.ndarray
    far: np.ndarray


def prepare(impulse_response: np.ndarray) -> Response:
    """Prepares a reverb, once for all rooms: it takes a millisecond, which who plays may not have.

    Args:
      impulse_response: Float32, shape [n_taps].
    """
    return _prepare(np.asarray(impulse_response, np.float32).tobytes())


@functools.lru_cache(maxsize=32)
def _prepare(content: bytes) -> Response:
    taps = np.frombuffer(content, np.float32).copy()
    taps[:1] = 0.0
    head = np.pad(taps[:SHORT], (0, SHORT - len(taps[:SHORT])))
    near, far = _cut(taps[:LONG], SHORT), _cut(taps[LONG:], LONG)
    return Response(len(taps), head, near, far)


def _cut(taps: np.ndarray, n_block: int) -> np.ndarray:
    n_parts = -(-len(taps) // n_block)
    padded = np.pad(taps, (0, n_parts * n_block - len(taps)))
    spectra = np.fft.rfft(padded.reshape(-1, n_block), 2 * n_block)
    return spectra.astype(np.complex64)


class _Layer:
    """Partitions of one length, and the spectra of the blocks they still sound on."""

    def __init__(self, parts: np.ndarray) -> None:
        n_parts, n_bins = parts.shape
        self.parts = parts
        # The newest first: a ring that is written twice, so that any turn of it is one slice.
        self._past = np.zeros((2 * n_parts, n_bins), np.complex64)
        self._newest = 0

    def turn(self, spectrum: np.ndarray, first_part: int) -> np.ndarray:
        """Takes the spectrum of a block and the one before it; sums what the parts from `first_part` on ring next."""
        n_parts = len(self.parts)
        self._newest = (self._newest - 1) % n_parts
        self._past[self._newest] = self._past[self._newest + n_parts] = spectrum
        past = self._past[self._newest : self._newest + n_parts - first_part]
        return np.einsum("pf,pf->f", past, self.parts[first_part:])


class Rest:
    """How long a room still rings."""

    def __init__(self, n_taps: int) -> None:
        self._n_taps, self._n_left = n_taps, 0

    @property
    def is_over(self) -> bool:
        """Whether nothing rings any more."""
        return self._n_left <= 0

    def hear(self, audio: np.ndarray) -> bool:
        """Takes note of what comes; says whether the room has anything to add to it."""
        if not self._n_taps:
            return False
        if audio.any():
            self._n_left = self._n_taps + len(audio)
        elif self.is_over:  # zeros into a silent room
            return False
        self._n_left -= len(audio)
        return True


class Room:
    """Adds the learned reverb to a mono stream; blocks joined equal `Voice.render`'s reverb."""

    def __init__(self, impulse_response: np.ndarray) -> None:
        """Takes the response.

        Args:
          impulse_response: Its first tap stands for the dry sound and is not heard. Float32, shape [n_taps].
        """
        response = prepare(impulse_response)
        self._near, self._far = _Layer(response.near), _Layer(response.far)
        self._has_far = len(response.far) > 0
        self._near_ringing = np.zeros(SHORT + 1, np.complex64)  # over this short block
        self._far_ringing = np.zeros(LONG, np.float32)  # over this long block
        self._samples = np.zeros(
            2 * LONG, np.float32
        )  # the long block before, this one
        self._n_filled = 0  # of this long block
        self._rest = Rest(response.n_taps)
        self._mix: float | None = None  # as it was last

    @property
    def is_silent(self) -> bool:
        """Whether nothing rings any more."""
        return self._rest.is_over

    def feed(self, audio: np.ndarray, mix: float) -> np.ndarray:
        """Adds `mix` times the reverb. Shape of `audio` and of the result: [n_samples]."""
        if not self._rest.hear(audio):
            return audio
        wet = np.empty_like(audio)
        first = 0
        while first < len(audio):
            n_now = min(SHORT - self._n_filled % SHORT, len(audio) - first)
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
        """Takes samples of one short block."""
        begin, end = self._n_filled, self._n_filled + len(audio)
        block = begin - begin % SHORT
        self._samples[LONG + begin : LONG + end] = audio
        # samples that are not there yet lie behind all that is taken
        window = self._samples[LONG + block - SHORT : LONG + block + SHORT]
        spectrum = np.fft.rfft(window)
        near = np.fft.irfft(spectrum * self._near.parts[0] + self._near_ringing)
        wet = near[SHORT + begin - block : SHORT + end - block]
        wet = wet + self._far_ringing[begin:end]
        self._n_filled = end
        if end % SHORT == 0:
            self._near_ringing = self._near.turn(spectrum, 1)
        if end == LONG:
            self._begin_long()
        return wet

    def _begin_long(self) -> None:
        if self._has_far:
            ringing = self._far.turn(np.fft.rfft(self._samples), 0)
            self._far_ringing = np.fft.irfft(ringing)[LONG:].astype(np.float32)
        self._samples[:LONG] = self._samples[LONG:]
        self._samples[LONG:] = 0.0
        self._n_filled = 0
