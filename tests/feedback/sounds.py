"""Sounds whose traits are known, for they were made so; and takes made of nothing but numbers."""

import numpy as np

from amadeus.audio import AudioSpec
from amadeus.feedback.descriptors import Blocks, Pitch
from amadeus.feedback.traits import TRAITS

SPEC = AudioSpec(sample_rate=16_000, frame_rate=100)


def tone(
    rng,
    *,
    f0_hz=220.0,
    tilt_db=-6.0,
    odd_db=0.0,
    noise_db=None,
    vibrato_cents=0.0,
    attack_s=0.05,
    duration_s=2.0,
    beat_hz=0.0,
):
    """A note of many harmonics; returns its sound and its pitch.

    The attack rises in amplitude along a straight line. Noise is that of the whole band, against the harmonics.
    """
    times_s = np.arange(round(duration_s * SPEC.sample_rate)) / SPEC.sample_rate
    swing = vibrato_cents / 1200 * np.sin(2 * np.pi * 5.5 * times_s)
    pitch_hz = f0_hz * 2**swing
    phase = 2 * np.pi * np.cumsum(pitch_hz) / SPEC.sample_rate
    numbers = np.arange(1, int(7200 / f0_hz) + 1)
    level_db = tilt_db * np.log2(numbers)
    level_db[2::2] += odd_db
    amplitudes = 10 ** (level_db / 20)
    sound = sum(
        a * np.sin(k * phase + k) for k, a in zip(numbers, amplitudes, strict=True)
    )
    power = np.sum(amplitudes**2) / 2
    if noise_db is not None:
        hiss = rng.normal(size=len(sound))
        sound = sound + hiss * np.sqrt(power * 10 ** (noise_db / 10))
    if beat_hz:
        sound = sound * (1 + 0.3 * np.sin(2 * np.pi * beat_hz * times_s))
    shape = np.clip(np.minimum(times_s / attack_s, (duration_s - times_s) / 0.05), 0, 1)
    n_frames = SPEC.n_frames(len(sound))
    frame_s = np.arange(n_frames) / SPEC.frame_rate
    pitch = Pitch(np.interp(frame_s, times_s, pitch_hz), np.ones(n_frames, bool))
    return 0.1 * sound * shape / np.sqrt(power), pitch


def made_up(rng, *, n_notes=40, note_s=0.5, spread=1.0):
    """A take of notes whose traits are chance, a step of what is audible wide; brightness follows loudness."""
    start_s = np.arange(n_notes) * note_s
    values = {
        name: rng.normal(size=n_notes) * trait.audible * spread
        for name, trait in TRAITS.items()
    }
    values["loudness_db"] = rng.normal(size=n_notes) * 4 - 20
    values["pitch_midi"] = 60 + rng.normal(size=n_notes) * 5
    values["brightness_octaves"] += 0.05 * values["loudness_db"]
    return Blocks(start_s, start_s + note_s, values)
