"""Pitches in the names of files: `A4`, `Csharp3`, `C#4_forte`, `violin_A4_1_forte_arco-normal`, `cello-Fs2-v2`, `069`.

A note is a letter from A to G, what raises or lowers it (`#`, `s`, `is`, `sharp`; `b`, `es`, `flat`) and an octave, in
which C4 is the middle C and MIDI note 60. `s` is a sharp, as the npm packages of samples for Tone.js write it: `Es4` is
F4.
"""

import re
import unicodedata
from pathlib import PurePath
from typing import NamedTuple

from amadeus.datasets import nsynth

DYNAMICS = {
    **dict.fromkeys(("pianissimo", "pp", "ppp"), 25),
    **dict.fromkeys(("piano", "p", "mezzo-piano", "mezzopiano", "mp"), 50),
    **dict.fromkeys(("mezzo-forte", "mezzoforte", "mf"), 75),
    **dict.fromkeys(("forte", "f"), 100),
    **dict.fromkeys(("fortissimo", "ff", "fff"), 127),
}
"""Words for how loud a note is played, and which of NSynth's five velocities stands for it."""

_SEMITONES = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_SHARPS = ("#", "♯", "s", "is", "sharp")
_FLATS = ("b", "♭", "es", "flat")
_NOTE = re.compile(
    rf"([a-g])(?:[ _-]?({'|'.join(sorted((*_SHARPS, *_FLATS), key=len, reverse=True))}))?(-1|[0-9])",
    re.IGNORECASE,
)
_WORDS = re.compile(r"[\s_.,()\[\]-]+")
_MEZZO = re.compile(r"mezzo[\s_.-]+(piano|forte)", re.IGNORECASE)


class Named(NamedTuple):
    """What a name says of a note.

    Attributes:
      pitch: MIDI note.
      velocity: MIDI velocity; None where nothing is said of it.
    """

    pitch: int
    velocity: int | None


def parse_note(word: str) -> int | None:
    """Reads one note, such as `C#4`, as a MIDI note; None where it is none, or none that MIDI has."""
    match = _NOTE.fullmatch(unicodedata.normalize("NFKC", word))
    if match is None:
        return None
    letter, sign, octave = match.groups()
    sign = (sign or "").lower()
    shift = 1 if sign in _SHARPS else -1 if sign in _FLATS else 0
    pitch = 12 * (int(octave) + 1) + _SEMITONES[letter.lower()] + shift
    return pitch if 0 <= pitch <= 127 else None


def read_name(name: str) -> Named | None:
    """Reads the pitch out of the name of a file; None where it tells none, or several.

    A name as NSynth gives it counts as that. Else words that are notes count, else those that are numbers of MIDI
    notes.
    """
    stem = _MEZZO.sub(r"mezzo\1", PurePath(name).stem)
    try:
        note = nsynth.parse_name(stem)
    except nsynth.SchemaError:
        pass
    else:
        if note.instrument and note.pitch < 128 and note.velocity < 128:
            return Named(note.pitch, note.velocity)
    words = [word for word in _WORDS.split(stem) if word]
    velocities = {
        DYNAMICS[word.lower()]
        for at, word in enumerate(words)
        # A name that begins with it is one of the instrument.
        if word.lower() in DYNAMICS and not (at == 0 and word.lower() == "piano")
    }
    velocity = velocities.pop() if len(velocities) == 1 else None
    for reader in (parse_note, _midi_number):
        for said in ([stem], words):
            found = {pitch for word in said if (pitch := reader(word)) is not None}
            if len(found) == 1:
                return Named(found.pop(), velocity)
            if found:
                return None
    return None


def _midi_number(word: str) -> int | None:
    """Reads the number of a MIDI note, of two or three digits: one alone counts takes."""
    if not re.fullmatch(r"[0-9]{2,3}", word):
        return None
    return int(word) if int(word) < 128 else None
