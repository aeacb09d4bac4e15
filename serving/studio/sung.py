"""What was sung, put into messages: frames of a stream that follow each other travel together."""

from collections.abc import Iterator

import numpy as np

from amadeus.live.notes import Frames
from amadeus.live.tape import Tape
from amadeus.v1 import perform_pb2

MIN_FRAMES = 128  # of a stream in a message, but for its last


class SungMessages:
    """Frames on their way to one client. For one thread, and not the one that makes sound."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._waiting: dict[int, tuple[int, list[Frames]]] = {}  # place and frames

    def take(self) -> Iterator[perform_pb2.PerformResponse]:
        """Yields what is enough for a message."""
        self._gather()
        full = [
            stream
            for stream, (_, parts) in self._waiting.items()
            if sum(len(part.f0_hz) for part in parts) >= MIN_FRAMES
        ]
        for stream in full:
            yield self._write(stream)

    def take_all(self) -> Iterator[perform_pb2.PerformResponse]:
        """Yields all that is left."""
        self._gather()
        for stream in list(self._waiting):
            yield self._write(stream)

    def _gather(self) -> None:
        for stretch in self._tape.take():
            for row, (stream, place) in enumerate(
                zip(stretch.streams, stretch.places, strict=True)
            ):
                part = Frames(*(curve[row] for curve in stretch.frames))
                _, parts = self._waiting.setdefault(stream, (place, []))
                parts.append(part)

    def _write(self, stream: int) -> perform_pb2.PerformResponse:
        place, parts = self._waiting.pop(stream)
        frames = Frames(
            *(np.concatenate(curves) for curves in zip(*parts, strict=True))
        )
        sung = perform_pb2.SungFrames(
            stream=stream,
            voice_sample_offset=place,
            f0_hz=frames.f0_hz,
            loudness_db=frames.loudness_db,
        )
        for name in ("harmonic_gain_db", "noise_gain_db", "brightness"):
            curve = getattr(frames, name)
            if curve.any():
                getattr(sung, name).extend(curve)
        return perform_pb2.PerformResponse(sung=sung)
