"""An instrument made of numpy that answers to every knob that feedback turns: harmonics, breath, a timbre to bend.

It obeys the protocol of a voice, so feedback can be given to it without a network.
"""

from dataclasses import dataclass, field

import numpy as np

from amadeus.audio import AudioSpec
from amadeus.play.notation import Note, Score
from amadeus.v1 import personality_pb2
from tests.play.instrument import SPEC, learned, make_personality

N_HARMONICS = 12
BREATH_DB = -20.0


@dataclass
class Reed:
    """Plays controls as twelve harmonics that fall by 9 dB an octave, and breath."""

    personality: personality_pb2.Personality = field(
        default_factory=lambda: make_personality(learned())
    )
    spec: AudioSpec = SPEC
    can_bend: bool = True

    def render(self, f0_hz, loudness_db, reverb_mix=1.0, timbre=None):
        n_frames = len(f0_hz)
        nothing = np.zeros(n_frames)
        harmonic_db, noise_db, brightness = timbre or (nothing, nothing, nothing)
        level = np.where(f0_hz > 0, 10 ** (np.asarray(loudness_db) / 20), 0.0)
        numbers = np.arange(1, N_HARMONICS + 1)[:, None]
        tilt_db = (6 * brightness - 9) * np.log2(numbers)
        shares = 10 ** (tilt_db / 20)
        shares = shares / shares.sum(axis=0) * 10 ** (harmonic_db / 20)
        pitch_hz = np.abs(np.asarray(f0_hz, np.float64))
        phase = 2 * np.pi * np.cumsum(self._ramp(pitch_hz)) / self.spec.sample_rate
        tones = sum(
            self._ramp(level * shares[k - 1]) * np.sin(k * phase)
            for k in range(1, N_HARMONICS + 1)
        )
        hiss = np.random.default_rng(5).normal(size=n_frames * self.spec.hop_size)
        breath = self._ramp(level * 10 ** ((BREATH_DB + noise_db) / 20))
        return (tones + breath * hiss * 0.3).astype(np.float32)

    def _ramp(self, controls):
        hop = self.spec.hop_size
        knots = np.concatenate([controls[:1], controls])
        samples = np.arange(1, len(controls) * hop + 1) / hop
        return np.interp(samples, np.arange(len(knots)), knots)


def tune():
    """Six notes of a second."""
    return Score(
        notes=tuple(
            Note(1.2 * i, 1.2 * i + 1.0, pitch, velocity)
            for i, (pitch, velocity) in enumerate(
                zip((60, 64, 67, 62, 65, 59), (90, 100, 60, 110, 80, 64), strict=True)
            )
        )
    )
