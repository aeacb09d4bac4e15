"""Recordings made in the test: notes with harmonics, an envelope and a little breath."""

import numpy as np
import soundfile as sf

RATE = 16_000


def note(pitch_midi, *, duration_s, rng, gain=0.3):
    """One bowed-like note: 8 harmonics, soft attack and release, a trace of noise."""
    n_samples = int(duration_s * RATE)
    time_s = np.arange(n_samples) / RATE
    f0_hz = 440 * 2 ** ((pitch_midi - 69) / 12)
    tone = sum(np.sin(2 * np.pi * k * f0_hz * time_s) / k for k in range(1, 9))
    tone += 0.01 * rng.standard_normal(n_samples)
    envelope = np.minimum(1, np.minimum(time_s / 0.06, (duration_s - time_s) / 0.1))
    return (gain * envelope * tone / 2).astype(np.float32)


def take(pitches_midi, *, rng, note_s=0.6, gap_s=0.15, gain=0.3):
    """A take of several notes with silence between them."""
    gap = np.zeros(int(gap_s * RATE), np.float32)
    notes = [note(p, duration_s=note_s, rng=rng, gain=gain) for p in pitches_midi]
    return np.concatenate([part for sound in notes for part in (sound, gap)])


def write_takes(folder, rng):
    """Four takes of about four seconds, each another part of the scale."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, start in enumerate((48, 52, 55, 60)):
        gain = 0.15 + 0.08 * number
        sound = take(range(start, start + 6), rng=rng, gain=gain)
        sf.write(folder / f"take {number}.wav", sound, RATE)
    return folder
