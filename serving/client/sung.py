"""What a studio says it sang, as lines of controls that a take can carry.

Each note is a stream that begins at a sample of its own; lines share one clock. So a stream is laid on the nearest
frame, at most half a frame from where it was, and streams that do not sound together share a line.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from amadeus.personality import profiles
from amadeus.play.notation import Controls, Timbre
from amadeus.play.record import Record
from amadeus.play.style import settle_silence
from amadeus.v1 import perform_pb2, profiles_pb2

MAX_LINES = 256  # that a take can carry
_TIMBRE = ("harmonic_gain_db", "noise_gain_db", "brightness")
_UNVOICED_HZ = -440.0  # where a line has sung nothing yet


class _Stream(NamedTuple):
    start: int  # frame
    curves: np.ndarray  # [5, n_frames]

    @property
    def end(self) -> int:
        return self.start + self.curves.shape[1]


class SungLines:
    """Gathers what comes of a performance."""

    def __init__(self) -> None:
        self._parts: dict[int, list[perform_pb2.SungFrames]] = {}

    def add(self, sung: perform_pb2.SungFrames) -> None:
        """Takes the next frames of a stream."""
        self._parts.setdefault(sung.stream, []).append(sung)

    def lines(self, *, hop_size: int, silence_db: float) -> list[Controls]:
        """Lays all streams on lines, from the first sample of the performance on."""
        streams = [_join(parts, hop_size) for parts in self._parts.values()]
        streams.sort(key=lambda stream: (stream.start, stream.end))
        n_frames = max((stream.end for stream in streams), default=0)
        rows: list[list[_Stream]] = []
        for stream in streams:
            free = next((row for row in rows if row[-1].end <= stream.start), None)
            if free is None:
                rows.append(free := [])
            free.append(stream)
        return [_lay(row, n_frames, silence_db) for row in rows[:MAX_LINES]]


def make_record(started: perform_pb2.PerformanceStarted, sung: SungLines) -> Record:
    """Says who played, how, and what each frame was told; nothing of the last where the studio did not tell."""
    who = started.personality
    spec = profiles.spec(profiles.complete_learner_profile(who.learner_profile))
    profile = profiles_pb2.PlayerProfile()
    profile.CopyFrom(started.configuration.player_profile)
    silence_db = settle_silence(who.statistics)
    return Record(
        deu=who.deu,
        generation=who.generation,
        digest=who.digest,
        player_profile=profile,
        spec=spec,
        lines=tuple(sung.lines(hop_size=spec.hop_size, silence_db=silence_db)),
    )


def _join(parts: Sequence[perform_pb2.SungFrames], hop_size: int) -> _Stream:
    start = round(parts[0].voice_sample_offset / hop_size)
    curves = []
    for part in parts:
        n_frames = len(part.f0_hz)
        columns = [np.array(part.f0_hz), np.array(part.loudness_db)]
        for name in _TIMBRE:
            values = np.array(getattr(part, name))
            columns.append(values if len(values) else np.zeros(n_frames))
        curves.append(np.stack(columns))
    return _Stream(start, np.concatenate(curves, axis=1).astype(np.float32))


def _lay(row: Sequence[_Stream], n_frames: int, silence_db: float) -> Controls:
    curves = np.zeros([2 + len(_TIMBRE), n_frames], np.float32)
    first_hz = row[0].curves[0, 0] if row else 0.0
    curves[0], curves[1] = -abs(first_hz) or _UNVOICED_HZ, silence_db
    for stream in row:
        curves[:, stream.start : stream.end] = stream.curves
        held_hz = -abs(stream.curves[0, -1]) or _UNVOICED_HZ
        curves[0, stream.end :] = held_hz
    f0_hz, loudness_db, *timbre = curves
    f0_hz = np.where(f0_hz == 0, np.float32(_UNVOICED_HZ), f0_hz)
    is_bent = any(curve.any() for curve in timbre)
    return Controls(f0_hz, loudness_db, Timbre(*timbre) if is_bent else None)
