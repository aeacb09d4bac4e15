"""A singer that costs nothing and whose sound is known: a sine at the pitch, as loud as it is told."""

import numpy as np

from amadeus.audio import AudioSpec
from amadeus.live.bus import Question, Sung
from amadeus.live.strip import Fed
from amadeus.v1 import personality_pb2

FULL_DB = 0.0  # loudness of a sine of amplitude 0.5


class SineSinger:
    """Sings sines whose pitch and amplitude ramp from frame to frame; state: phase, amplitude, pitch."""

    state_size = 3

    def __init__(self, sample_rate=16_000, frame_rate=100, *, generation=1, reverb=()):
        self.spec = AudioSpec(sample_rate=sample_rate, frame_rate=frame_rate)
        self.personality = personality_pb2.Personality(
            deu="sine", generation=generation
        )
        self.personality.learner_profile.sample_rate = sample_rate
        self.personality.learner_profile.frame_rate = frame_rate
        self.impulse_response = np.array(reverb, np.float32)
        self.identity = id(self)
        self.batch_sizes = []

    def sing(self, frames, state):
        hop, rate = self.spec.hop_size, self.spec.sample_rate
        self.batch_sizes.append(len(state))
        gain = 0.5 * 10 ** ((frames.loudness_db + frames.harmonic_gain_db) / 20)
        gain = np.where(frames.f0_hz > 0, gain, 0.0)
        way = np.arange(1, hop + 1) / hop
        before = np.concatenate([state[:, 1:2], gain[:, :-1]], axis=1)
        amplitude = before[..., None] + (gain - before)[..., None] * way
        f0_hz = np.abs(frames.f0_hz)
        first_hz = np.where(state[:, 2:] > 0, state[:, 2:], f0_hz[:, :1])
        before_hz = np.concatenate([first_hz, f0_hz[:, :-1]], axis=1)
        ramp_hz = before_hz[..., None] + (f0_hz - before_hz)[..., None] * way
        steps = ramp_hz.reshape(len(state), -1) / rate
        phase = state[:, :1] + np.cumsum(steps, axis=1)
        audio = amplitude.reshape(len(state), -1) * np.sin(2 * np.pi * phase)
        after = np.stack([phase[:, -1] % 1, gain[:, -1], f0_hz[:, -1]], axis=1)
        return Sung(audio.astype(np.float32), after.astype(np.float32))


def drive(singing):
    """Answers what a generator asks for, one thing at a time, and returns what it returns."""
    try:
        wish = next(singing)
        while True:
            wish = singing.send(answer(wish))
    except StopIteration as end:
        return end.value


def answer(wish):
    if isinstance(wish, Question):
        return wish.source.frames(wish.slots, wish.times_s)
    if isinstance(wish, Fed):
        return wish.strip.feed(wish.dry, wish.mix)
    return wish.singer.sing(wish.frames, wish.state)
