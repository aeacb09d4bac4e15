"""Listening to a sound as it goes on: its pitch, its loudness and which of its frames have a pitch.

Pitch is YIN's and loudness that of `amadeus.features`, to the last bit. Whether a frame is voiced is decided
with a little patience: as offline a stretch is voiced while confidence stays at 0.6 times the threshold or more, if it
reaches the threshold; but from where that is known on, not from its beginning. Slips of a tracker are
mended where the next frame shows them.

Conventions: frame i is centred on sample `i * hop_size`.
"""

import math
from collections import deque
from typing import NamedTuple

import numpy as np

from amadeus.audio import AudioSpec
from amadeus.features.loudness import LoudnessStream
from amadeus.features.types import Pitch
from amadeus.features.voicing import MIN_VOICED_FRAMES
from amadeus.features.yin import YinStream
from amadeus.personality import profiles
from amadeus.v1 import profiles_pb2

SILENCE_PEAK = 1e-4  # below -80 dBFS, as in extraction: no confidence is believed
HYSTERESIS = 0.6  # as in `features.voicing`
PATIENCE_S = 0.01  # voicing may wait so long for more frames

_TONE = 2 / 12  # octaves
_OFF_OCTAVE = 1 / 12
_STUMBLE = 2.5 / 12


class RawFrame(NamedTuple):
    """What trackers say of a frame."""

    f0_hz: float
    confidence: float  # 0 in digital silence
    loudness_db: float


class Heard(NamedTuple):
    """What is heard in a frame."""

    f0_hz: float
    is_voiced: bool
    is_silent: bool  # digitally
    loudness_db: float


class Listener:
    """Follows pitch and loudness of one sound.

    A frame is answered once `latency_samples` from its centre on have been fed.
    """

    def __init__(self, profile: profiles_pb2.LearnerProfile) -> None:
        """Prepares for one sound.

        Args:
          profile: Complete; its clock, pitch range and loudness weighting count, not its tracker.

        Raises:
          ConfigError: The sample rate leaves YIN no lag between the lowest and the highest pitch.
        """
        spec = profiles.spec(profile)
        self._hop = spec.hop_size
        self._pitch = YinStream(
            spec=spec, f0_min_hz=profile.f0_min_hz, f0_max_hz=profile.f0_max_hz
        )
        self._loudness = LoudnessStream(spec=spec, weighting=profile.loudness_weighting)
        self._pitches: deque[tuple[float, float]] = deque()
        self._levels_db: deque[float] = deque()
        self._peaks: deque[float] = deque([0.0])  # of hops; that before the sound first
        self._peak = 0.0  # of the hop that is not complete
        self._n_in_hop = 0

    @property
    def latency_samples(self) -> int:
        """Samples from its centre on that a frame waits for."""
        return max(
            self._pitch.latency_samples, self._loudness.latency_samples, self._hop
        )

    def feed(self, audio: np.ndarray) -> list[RawFrame]:
        """Takes the next samples, in [-1, 1], any number; answers frames that became complete."""
        self._take(self._pitch.push(audio), self._loudness.push(audio))
        self._take_peaks(audio)
        return self._answer()

    def finish(self) -> list[RawFrame]:
        """Ends the sound, as if silence followed; nothing may be fed afterwards."""
        self._take(self._pitch.finish(), self._loudness.finish())
        self._take_peaks(np.zeros(self._hop - self._n_in_hop, np.float32))
        return self._answer()

    def _take(self, pitch: Pitch, loudness_db: np.ndarray) -> None:
        self._pitches.extend(
            zip(pitch.f0_hz.tolist(), pitch.f0_confidence.tolist(), strict=True)
        )
        self._levels_db.extend(loudness_db.tolist())

    def _take_peaks(self, audio: np.ndarray) -> None:
        while len(audio):
            part = audio[: self._hop - self._n_in_hop]
            self._peak = max(self._peak, float(np.abs(part).max()))
            self._n_in_hop += len(part)
            audio = audio[len(part) :]
            if self._n_in_hop == self._hop:
                self._peaks.append(self._peak)
                self._peak, self._n_in_hop = 0.0, 0

    def _answer(self) -> list[RawFrame]:
        frames = []
        n_ready = min(len(self._pitches), len(self._levels_db), len(self._peaks) - 1)
        for _ in range(n_ready):
            f0_hz, confidence = self._pitches.popleft()
            before = self._peaks.popleft()
            if max(before, self._peaks[0]) < SILENCE_PEAK:
                confidence = 0.0
            frames.append(RawFrame(f0_hz, confidence, self._levels_db.popleft()))
        return frames


class Voicing:
    """Decides frame by frame which are voiced, `n_ahead` frames after they came."""

    def __init__(self, *, spec: AudioSpec, threshold: float) -> None:
        """Prepares for one sound.

        Args:
          spec: The clock of the frames.
          threshold: Confidence in [0, 1] that a voiced stretch reaches.
        """
        most = MIN_VOICED_FRAMES - 1  # more are never asked for
        self.n_ahead = min(most, int(PATIENCE_S * spec.frame_rate + 1e-9))
        self._threshold = threshold
        self._waiting: deque[tuple[RawFrame, bool]] = (
            deque()
        )  # and whether one may be voiced
        self._voiced_hz: float | None = None  # of the frame before, where it was voiced

    def feed(self, frame: RawFrame, gate_db: float) -> Heard | None:
        """Takes the next frame and decides the oldest that waits, if enough have come.

        Args:
          frame: The next.
          gate_db: What is softer is background and never voiced.
        """
        is_candidate = (
            frame.confidence > 0
            and frame.confidence >= HYSTERESIS * self._threshold
            and frame.loudness_db >= gate_db
        )
        self._waiting.append((frame, is_candidate))
        return self._decide() if len(self._waiting) > self.n_ahead else None

    def end(self) -> list[Heard]:
        """Decides the frames that still wait."""
        return [self._decide() for _ in range(len(self._waiting))]

    def _decide(self) -> Heard:
        frame, is_candidate = self._waiting[0]
        is_voiced = is_candidate and (self._voiced_hz is not None or self._begins())
        f0_hz = self._mend(frame.f0_hz) if is_voiced else frame.f0_hz
        self._voiced_hz = f0_hz if is_voiced else None
        self._waiting.popleft()
        return Heard(f0_hz, is_voiced, frame.confidence == 0, frame.loudness_db)

    def _begins(self) -> bool:
        """Whether a voiced stretch is known to begin with the oldest frame."""
        n_run, is_sure = 0, False
        for frame, is_candidate in self._waiting:
            if not is_candidate:
                break
            n_run += 1
            is_sure |= frame.confidence >= self._threshold
        return is_sure and n_run >= min(MIN_VOICED_FRAMES, self.n_ahead + 1)

    def _mend(self, f0_hz: float) -> float:
        """Gives a frame that only stumbled the pitch of those around it."""
        if len(self._waiting) < 2 or not self._waiting[1][1]:
            return f0_hz
        next_hz = self._waiting[1][0].f0_hz
        if self._voiced_hz is None:  # the first of a note
            return next_hz if abs(math.log2(next_hz / f0_hz)) > _STUMBLE else f0_hz
        octaves = math.log2(f0_hz / math.sqrt(self._voiced_hz * next_hz))
        agree = abs(math.log2(next_hz / self._voiced_hz)) < _TONE
        whole = round(octaves)
        if agree and whole and abs(octaves - whole) < _OFF_OCTAVE:
            return f0_hz * 2.0**-whole
        return f0_hz
