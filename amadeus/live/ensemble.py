"""Who sings in a performance: one bus for the personality of today, and others for those that still ring out."""

from collections.abc import Callable, Generator
from typing import Generic, TypeVar

import numpy as np

from amadeus.live.bus import Answer, Bus, Part, Singer, Wish

PartT = TypeVar("PartT", bound=Part)


class Ensemble(Generic[PartT]):
    """The buses of a performance and their sum."""

    def __init__(
        self,
        singer: Singer,
        make_part: Callable[[Singer], PartT],
        *,
        sample_rate: int,
        on_leave: Callable[[Singer], None],
    ) -> None:
        """Begins with one singer.

        Args:
          singer: Who sings first.
          make_part: Makes what a singer is told by.
          sample_rate: Of the output, in Hz.
          on_leave: Told of a singer who is not needed any more.
        """
        self._make_part, self.on_leave = make_part, on_leave
        self._sample_rate = sample_rate
        self.sample = 0  # made so far, at the output rate
        self.buses: list[Bus] = []
        self.take_over(singer)

    @property
    def bus(self) -> Bus:
        """Where new notes go."""
        return self.buses[-1]

    @property
    def is_silent(self) -> bool:
        """Whether nothing sounds any more."""
        return all(bus.is_silent for bus in self.buses)

    def take_over(self, singer: Singer) -> None:
        """Lets another sing all notes from now on; those that sound are sung to their end."""
        part = self._make_part(singer)
        bus = Bus(singer, part, sample_rate=self._sample_rate, first_sample=self.sample)
        self.buses.append(bus)

    def part(self, bus: Bus) -> PartT:
        """What a bus is told by."""
        return bus.part  # type: ignore[return-value]

    def play(
        self, n_samples: int, *, mix: float
    ) -> Generator[Wish, Answer, np.ndarray]:
        """Makes the next samples; see `Bus.play`."""
        sound = np.zeros(n_samples, np.float32)
        for bus in self.buses:
            sound += yield from bus.play(n_samples, mix=mix)
        self.sample += n_samples
        for bus in [bus for bus in self.buses[:-1] if bus.is_silent]:
            self.buses.remove(bus)
            self.on_leave(bus.singer)
        return sound

    def sing_ahead(self, n_samples: int) -> Generator[Wish, Answer, None]:
        """Sings what the next samples will need; see `Bus.sing_ahead`."""
        for bus in self.buses:
            yield from bus.sing_ahead(n_samples)

    def close(self) -> None:
        """Lets everybody go."""
        for bus in self.buses:
            self.on_leave(bus.singer)
        self.buses.clear()
