"""How notes and times are said."""

import math

_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


def note_name(pitch_midi: float) -> str:
    """Names the nearest note, such as `A4` for 69."""
    octave, index = divmod(round(pitch_midi), 12)
    return f"{_NAMES[index]}{octave - 1}"


def say_time(seconds: float) -> str:
    """Says a time as `4.2 s` or `3:07 min`."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d} min"


def say_about(seconds: float) -> str:
    """Says roughly how long to record: `20 s`, `1 minute`, `5 minutes`."""
    if seconds < 50:
        return f"{max(10, 10 * round(seconds / 10))} s"
    minutes = max(1, round(seconds / 60))
    return f"{minutes} minute{'s' if minutes > 1 else ''}"


def say_notes(low_midi: float, high_midi: float) -> str:
    """Says a range of notes as `C2 to G2`."""
    return f"{note_name(low_midi)} to {note_name(high_midi)}"


def say_decibels(value: float) -> str:
    """Says a difference of levels; `-` where it is not known."""
    return "-" if math.isnan(value) else f"{value:.0f} dB"


def to_hz(pitch_midi: float) -> float:
    """Converts a MIDI note to Hz."""
    return 440 * 2 ** ((pitch_midi - 69) / 12)
