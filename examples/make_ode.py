"""Writes ode.mid: Beethoven's "Ode to Joy" (1824, public domain), set for a cello.

The theme is bowed note by note, louder towards its middle; its second half is slower and slurred,
and the last note is approached by a bend. Run it as `python examples/make_ode.py`.
"""

from pathlib import Path

import mido

TICKS = 480  # per beat
D, E, FIS, G, A, LOW_A = 50, 52, 54, 55, 57, 45

FIRST_LINE = [(FIS, 1), (FIS, 1), (G, 1), (A, 1), (A, 1), (G, 1), (FIS, 1), (E, 1)]
FIRST_LINE += [(D, 1), (D, 1), (E, 1), (FIS, 1)]
THEME = [*FIRST_LINE, (FIS, 1.5), (E, 0.5), (E, 2)]
THEME += [*FIRST_LINE, (E, 1.5), (D, 0.5), (D, 2)]
MIDDLE = [(E, 1), (E, 1), (FIS, 1), (D, 1), (E, 1), (FIS, 0.5), (G, 0.5), (FIS, 1)]
MIDDLE += [(D, 1), (E, 1), (FIS, 0.5), (G, 0.5), (FIS, 1), (E, 1), (D, 1), (E, 1)]
MIDDLE += [(LOW_A, 2)]
LAST = (D, 3)

Event = tuple[float, mido.Message | mido.MetaMessage]


def note(beat: float, length: float, pitch: int, velocity: int) -> list[Event]:
    """A note from `beat`, `length` beats long."""
    return [
        (beat, mido.Message("note_on", note=pitch, velocity=velocity)),
        (beat + length, mido.Message("note_off", note=pitch)),
    ]


def tempo(beat: float, beats_per_minute: float) -> Event:
    """A tempo from `beat` on."""
    microseconds = mido.bpm2tempo(beats_per_minute)
    return beat, mido.MetaMessage("set_tempo", tempo=microseconds)


def compose() -> list[Event]:
    """All events of the tune, with their times in beats."""
    events, beat = [tempo(0, 144)], 0.0
    for pitch, length in THEME:  # bowed: a short rest before each note
        velocity = round(62 + 44 * (1 - abs(beat - 18) / 18))
        events += note(beat, 0.85 * length, pitch, velocity)
        beat += length
    events.append(tempo(beat, 104))
    start = beat
    for pitch, length in MIDDLE:  # slurred: each note reaches into the next
        velocity = round(58 + 50 * (beat - start) / 14)
        events += note(beat, length + 0.04, pitch, velocity)
        beat += length
    return events + end(beat)


def end(beat: float) -> list[Event]:
    """The last note: scooped from a semitone below, then fading."""
    pitch, length = LAST
    scoop = [(beat + i / 40, round(-4096 * (1 - i / 16))) for i in range(17)]
    fade = [(beat + 1 + i / 20, round(127 - 1.6 * i)) for i in range(41)]
    return [
        *[(at, mido.Message("pitchwheel", pitch=bend)) for at, bend in scoop],
        *[
            (at, mido.Message("control_change", control=11, value=value))
            for at, value in fade
        ],
        *note(beat, length, pitch, 96),
    ]


def write(path: Path) -> None:
    """Writes the tune as a MIDI file."""
    track = mido.MidiTrack([mido.MetaMessage("track_name", name="Ode to Joy")])
    tick = 0
    for beat, message in sorted(compose(), key=lambda event: event[0]):
        then = round(beat * TICKS)
        track.append(message.copy(time=then - tick))
        tick = then
    midi = mido.MidiFile(type=1, ticks_per_beat=TICKS, tracks=[track])
    midi.save(path)


if __name__ == "__main__":
    write(Path(__file__).with_name("ode.mid"))
