"""Lines of control frames that somebody else has made: by hand, or from another sound."""

from collections import deque

import numpy as np

from amadeus.live.notes import Frames
from amadeus.play.style import settle_pitch_offset
from amadeus.v1 import profiles_pb2

MAX_LINES = 32
LOUDNESS_DB, GAIN_DB, BRIGHTNESS = (-120.0, 20.0), (-60.0, 24.0), (-4.0, 4.0)
N_REST = 2  # silent frames until a voice has fallen silent itself


class Lines:
    """Frames that wait to be sung, by line.

    Where frames have run out a line holds its pitch and is silent.
    """

    def __init__(
        self, profile: profiles_pb2.PlayerProfile, *, silence_db: float, max_hz: float
    ) -> None:
        """Begins without lines.

        Args:
          profile: Complete; its pitch, loudness, gains and brightness are added to what lines say.
          silence_db: Loudness of silence.
          max_hz: Highest pitch the voice can be asked for.
        """
        self.profile = profile
        self._silence_db, self._max_hz = np.float32(silence_db), max_hz
        self._waiting: dict[int, deque[Frames]] = {}
        self._n_waiting: dict[int, int] = {}  # frames of each
        self._held_hz: dict[int, float] = {}
        self._n_silent: dict[int, int] = {}
        self._n_missing = 0  # frames that were due and were not there
        self.has_ended = False

    @property
    def source(self) -> "Lines":
        """Lines know themselves what is sung."""
        return self

    def add(self, line: int, frames: Frames) -> None:
        """Gives a line its next frames. Shapes [n_frames]."""
        self._waiting.setdefault(line, deque()).append(frames)
        self._n_waiting[line] = self._n_waiting.get(line, 0) + len(frames.f0_hz)
        self._n_silent[line] = 0

    def longest(self) -> int:
        """Frames that the line with the most has. For any thread: it is one look, and nothing changes meanwhile."""
        return max(self._n_waiting.values(), default=0)

    def take_missing(self) -> int:
        """Tells how many frames were due and were not there, since it was asked last."""
        n_missing, self._n_missing = self._n_missing, 0
        return n_missing

    def frames(self, slots: np.ndarray, times_s: np.ndarray) -> Frames:
        """Takes the next frames of some lines. Shapes [n_lines, n_frames]."""
        rows = [self._take(int(slot), times_s.shape[1]) for slot in slots]
        return self._bend(
            Frames(*(np.stack(curves) for curves in zip(*rows, strict=True)))
        )

    def is_over(self, slot: int) -> bool:
        """Whether a line has ended and its voice is silent."""
        return self.has_ended and self._n_silent[slot] >= N_REST

    def free(self, slot: int) -> None:
        """Forgets a line."""
        self._waiting.pop(slot, None)
        self._n_waiting.pop(slot, None)

    def _take(self, line: int, n_frames: int) -> Frames:
        queue, parts, n_left = self._waiting[line], [], n_frames
        while n_left and queue:
            first = queue.popleft()
            parts.append(Frames(*(curve[:n_left] for curve in first)))
            if len(first.f0_hz) > n_left:
                queue.appendleft(Frames(*(curve[n_left:] for curve in first)))
            n_left -= len(parts[-1].f0_hz)
        self._n_waiting[line] -= n_frames - n_left
        if parts:
            self._held_hz[line] = abs(float(parts[-1].f0_hz[-1]))
        if n_left:
            parts.append(self._silence(line, n_left))
            self._n_silent[line] += n_left
            if not self.has_ended:
                self._n_missing += n_left
        return Frames(*(np.concatenate(curves) for curves in zip(*parts, strict=True)))

    def _silence(self, line: int, n_frames: int) -> Frames:
        zeros = np.zeros(n_frames, np.float32)
        held_hz = np.full(n_frames, -self._held_hz.get(line, 0.0), np.float32)
        return Frames(
            held_hz, np.full_like(zeros, self._silence_db), zeros, zeros, zeros
        )

    def _bend(self, frames: Frames) -> Frames:
        profile = self.profile
        factor = profile.a4_hz / 440 * 2 ** (settle_pitch_offset(profile) / 12)
        f0_hz = np.clip(frames.f0_hz * factor, -self._max_hz, self._max_hz)
        sounding = frames.loudness_db > self._silence_db
        louder_db = np.where(sounding, profile.loudness_offset_db, 0.0)
        return Frames(
            f0_hz.astype(np.float32),
            _within(frames.loudness_db + louder_db, *LOUDNESS_DB),
            _within(frames.harmonic_gain_db + profile.harmonic_gain_db, *GAIN_DB),
            _within(frames.noise_gain_db + profile.noise_gain_db, *GAIN_DB),
            _within(frames.brightness + profile.brightness, *BRIGHTNESS),
        )


def _within(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.clip(values, low, high).astype(np.float32)
