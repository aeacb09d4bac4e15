"""A channel strip: what a bus sings gets its reverb and its rate here, on the way to the ear.

All strips of a round go through one call where there are kernels; without them each goes its own way through NumPy,
which is slower by a factor of ten and sounds the same.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from amadeus.live.resampling import Clock, StreamResampler
from amadeus.live.room import Rest, Room, prepare
from amadeus.native import library, strips


class Strip(Protocol):
    """Reverb and rate of one bus."""

    @property
    def latency_samples(self) -> int:
        """Output samples by which sound comes after it was sung."""
        ...

    @property
    def is_silent(self) -> bool:
        """Whether nothing rings any more."""
        ...

    def needed(self, n_out: int) -> int:
        """Samples still to be given until `n_out` output samples more can be had."""
        ...

    def feed(self, dry: np.ndarray, mix: float) -> np.ndarray:
        """Takes in samples and hands out those that can be known now; see `Room.feed` and `StreamResampler.feed`."""
        ...


class Fed(NamedTuple):
    """What is given to a strip.

    Attributes:
      strip: To which.
      dry: Float32, shape [n_samples].
      mix: Share of the reverb.
    """

    strip: Strip
    dry: np.ndarray
    mix: float


def make(impulse_response: np.ndarray, *, from_rate: int, to_rate: int) -> Strip:
    """Makes a strip.

    Args:
      impulse_response: Of the learned reverb; see `Room`.
      from_rate: Of what is sung, in Hz.
      to_rate: Of the output, in Hz.
    """
    kind = KernelStrip if library.is_available() else ArrayStrip
    return kind(impulse_response, from_rate=from_rate, to_rate=to_rate)


def feed_together(given: Sequence[Fed]) -> list[np.ndarray]:
    """Feeds several strips, each at most once. Returns what `Strip.feed` does for each."""
    sounds, kernels = [], []
    for strip, dry, mix in given:
        if isinstance(strip, KernelStrip):
            sounds.append(strip.take(dry, mix))
            kernels.append(strip.kernel)
        else:
            sounds.append(strip.feed(dry, mix))
    if kernels:
        strips.play(kernels)
    return sounds


class ArrayStrip:
    """By NumPy: the definition."""

    def __init__(
        self, impulse_response: np.ndarray, *, from_rate: int, to_rate: int
    ) -> None:
        self._room = Room(impulse_response)
        self._resampler = StreamResampler(from_rate=from_rate, to_rate=to_rate)

    @property
    def latency_samples(self) -> int:
        """See `Strip`."""
        return self._resampler.latency_samples

    @property
    def is_silent(self) -> bool:
        """See `Strip`."""
        return self._room.is_silent

    def needed(self, n_out: int) -> int:
        """See `Strip`."""
        return self._resampler.needed(n_out)

    def feed(self, dry: np.ndarray, mix: float) -> np.ndarray:
        """See `Strip`."""
        return self._resampler.feed(self._room.feed(dry, mix))


class KernelStrip:
    """By kernels. Only what decides how much is made, and whether it sounds, is kept here."""

    def __init__(
        self, impulse_response: np.ndarray, *, from_rate: int, to_rate: int
    ) -> None:
        response = prepare(impulse_response)
        self._clock = clock = Clock(from_rate=from_rate, to_rate=to_rate)
        self._rest = Rest(response.n_taps)
        self._mix: float | None = None  # as it was last
        self.kernel = strips.Strip(
            response.head,
            _parts(response.near),
            _parts(response.far),
            taps=clock.taps,
            up=clock.up,
            down=clock.down,
        )

    @property
    def latency_samples(self) -> int:
        """See `Strip`."""
        return self._clock.latency_samples

    @property
    def is_silent(self) -> bool:
        """See `Strip`."""
        return self._rest.is_over

    def needed(self, n_out: int) -> int:
        """See `Strip`."""
        return self._clock.needed(n_out)

    def feed(self, dry: np.ndarray, mix: float) -> np.ndarray:
        """See `Strip`."""
        return feed_together([Fed(self, dry, mix)])[0]

    def take(self, dry: np.ndarray, mix: float) -> np.ndarray:
        """Prepares the kernel; returns where its sound will be."""
        mixes = None
        if self._rest.hear(dry):
            before, self._mix = mix if self._mix is None else self._mix, mix
            mixes = before, mix
        n_sound = self._clock.take(len(dry))
        self._clock.n_out += n_sound
        return self.kernel.take(dry, n_sound, mix=mixes)


def _parts(spectra: np.ndarray) -> np.ndarray:
    """Real and imaginary parts one after the other. Shape [n_parts, 2, n_bins]."""
    return np.stack([spectra.real, spectra.imag], axis=1)
