"""What the voices of a performance were told, frame by frame, for whoever keeps it beside the sound.

Whoever makes the sound only lays down what it has at hand; it is put in order by whoever takes it away, from another
thread.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from amadeus.live.notes import Frames


class Stretch(NamedTuple):
    """Frames of several streams that were told at once.

    Attributes:
      streams: Numbers of the streams, in the order they began.
      places: Where the first frame of each begins, in samples of the voice from the start of the performance.
      frames: Shapes [n_streams, n_frames].
    """

    streams: Sequence[int]
    places: Sequence[int]
    frames: Frames


class Tape:
    """Stretches on their way from the thread that makes sound to another."""

    def __init__(self) -> None:
        self._stretches: deque[Stretch] = deque()

    def lay(self, stretch: Stretch) -> None:
        """Lays down what was told."""
        self._stretches.append(stretch)

    def take(self) -> Iterator[Stretch]:
        """Takes away what has been laid down so far, in order."""
        while self._stretches:
            yield self._stretches.popleft()
