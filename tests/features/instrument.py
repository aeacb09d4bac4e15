"""An instrument whose notes are shaped exactly as asked, as loudness curves or as sound."""

from dataclasses import dataclass

import numpy as np

from tests.features.sounds import reed

SILENCE_DB = -70.0


@dataclass(frozen=True, kw_only=True)
class Shape:
    """One way to play a note; all ramps are straight lines in dB."""

    attack_s: float = 0.1
    attack_db: float = 40.0
    decay_s: float = 0.1
    decay_db: float = 6.0
    slope_db_per_s: float = -3.0
    release_s: float = 0.25  # for 40 dB
    vibrato_hz: float = 5.5
    vibrato_cents: float = 0.0
    vibrato_delay_s: float = 0.3


def level_db(shape, *, duration_s, peak_db, rest_s, rate):
    """Level of one note that begins at once, with its release and a rest. Shape [n]."""
    time_s = np.arange(round((duration_s + rest_s) * rate)) / rate
    ends_db = shape.slope_db_per_s * (duration_s - shape.attack_s - shape.decay_s)
    corners = [
        (0.0, -shape.attack_db),
        (shape.attack_s, 0.0),
        (shape.attack_s + shape.decay_s, -shape.decay_db),
        (duration_s, ends_db - shape.decay_db),
        (duration_s + shape.release_s * 2, ends_db - shape.decay_db - 80),
    ]
    times, levels = zip(*corners, strict=True)
    return np.maximum(peak_db + np.interp(time_s, times, levels), SILENCE_DB)


def vibrato_semitones(shape, *, duration_s, rest_s, rate):
    time_s = np.arange(round((duration_s + rest_s) * rate)) / rate
    swings = (time_s >= shape.vibrato_delay_s) * shape.vibrato_cents / 100
    phase = 2 * np.pi * shape.vibrato_hz * (time_s - shape.vibrato_delay_s)
    return swings * np.sin(phase)


def play(
    shape, pitches_midi, *, duration_s=1.0, rest_s=0.6, peak_db=-20.0, rate=16_000
):
    """Plays notes one after the other; `peak_db` is the level of the first partial."""
    options = {"duration_s": duration_s, "rest_s": rest_s, "rate": rate}
    swing = vibrato_semitones(shape, **options)
    pitch_midi = np.concatenate([pitch + swing for pitch in pitches_midi])
    levels = level_db(shape, peak_db=peak_db, **options)
    levels = np.tile(levels, len(pitches_midi))
    gain = 10 ** (levels / 20) * (levels > SILENCE_DB)
    f0_hz = 440 * 2 ** ((pitch_midi - 69) / 12)
    return reed(f0_hz, sample_rate=rate, amplitude=1.0) * gain.astype(np.float32)
