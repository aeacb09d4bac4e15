"""Notes to test with: made up, seeded, in both schemas of NSynth."""

import numpy as np

from amadeus.datasets import example, nsynth, tfrecord

RATE = 16_000


def tone(pitch, *, seconds=1.0, rate=RATE, level=0.2):
    """A harmonic sound with an attack and an end. Float32."""
    time_s = np.arange(round(seconds * rate)) / rate
    f0_hz = 440.0 * 2 ** ((pitch - 69) / 12)
    ends = np.minimum(1.0, np.minimum(time_s * 50, (seconds - time_s) * 20))
    sound = sum(
        np.sin(2 * np.pi * k * f0_hz * time_s) / k
        for k in range(1, 7)
        if k * f0_hz < rate / 2
    )
    return (level * ends * sound).astype(np.float32)


def google(
    number=0,
    *,
    family="flute",
    source="acoustic",
    pitch=69,
    velocity=75,
    rate=RATE,
    audio=None,
    instrument=0,
):
    """A record as Google publishes it."""
    name = f"{family}_{source}_{instrument:03d}"
    return nsynth.encode(
        nsynth.Note(name, pitch, velocity),
        number=number,
        instrument_number=instrument,
        family=family,
        source=source,
        sample_rate=rate,
        audio=tone(pitch, seconds=0.05, rate=rate) if audio is None else audio,
        qualities=frozenset({"dark", "reverb"}),
    )


def tfds(
    name="string_acoustic_012-048-100",
    *,
    family="string",
    source="acoustic",
    audio=None,
):
    """A record of the GANSynth subset with pitch and loudness, as TensorFlow Datasets writes it."""
    note = nsynth.parse_name(name)
    curve = np.linspace(0, 1, 13, dtype=np.float32)
    return example.encode(
        {
            "audio": tone(note.pitch, seconds=0.05) if audio is None else audio,
            "f0/confidence": curve,
            "f0/hz": 440 * curve,
            "f0/midi": 69 * curve,
            "id": name.encode(),
            "instrument/family": nsynth.FAMILIES.index(family),
            "instrument/label": 712,
            "instrument/source": nsynth.SOURCES.index(source),
            "loudness/db": -80 * curve,
            "pitch": note.pitch,
            **{f"qualities/{quality}": 0 for quality in nsynth.QUALITIES},
            "velocity": note.velocity,
        }
    )


def several(n_notes, *, first=0):
    """Records of all families and sources."""
    return [
        google(
            number,
            family=nsynth.FAMILIES[number % 11],
            source=nsynth.SOURCES[number % 3],
            pitch=40 + number % 48,
            velocity=(25, 50, 75, 100, 127)[number % 5],
            instrument=number,
        )
        for number in range(first, first + n_notes)
    ]


def write(path, records):
    """Writes records into a file."""
    path.write_bytes(b"".join(map(tfrecord.frame, records)))
    return path
