"""Which notes an instrument can play, so that what was not recorded can be named.

Ranges are sounding pitches, from the lowest note to the highest that ordinary orchestral parts ask
for, as orchestration books give them; artificial harmonics and altissimo are left out. Voices are
those of trained choir singers.
"""

import difflib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from amadeus.errors import ConfigError

Source = Literal["asked", "name", "pitch"]

# name: lowest and highest MIDI note
RANGES: dict[str, tuple[int, int]] = {
    "violin": (55, 100),
    "viola": (48, 88),
    "cello": (36, 84),
    "double bass": (28, 67),
    "guitar": (40, 83),
    "bass guitar": (28, 67),
    "mandolin": (55, 88),
    "harp": (24, 103),
    "piccolo": (74, 108),
    "flute": (60, 96),
    "alto flute": (55, 91),
    "recorder": (72, 98),
    "alto recorder": (65, 91),
    "oboe": (58, 91),
    "english horn": (52, 81),
    "clarinet": (50, 91),
    "bass clarinet": (37, 77),
    "bassoon": (34, 74),
    "soprano saxophone": (56, 88),
    "alto saxophone": (49, 81),
    "tenor saxophone": (44, 76),
    "baritone saxophone": (36, 69),
    "trumpet": (52, 82),
    "flugelhorn": (52, 80),
    "horn": (35, 77),
    "trombone": (40, 72),
    "euphonium": (40, 70),
    "tuba": (28, 65),
    "soprano voice": (60, 81),
    "alto voice": (53, 77),
    "tenor voice": (48, 69),
    "bass voice": (40, 64),
}

_FAMILIES = {
    "saxophone": [name for name in RANGES if "saxophone" in name],
    "voice": [name for name in RANGES if "voice" in name],
}
_OTHER_NAMES = {
    "violoncello": "cello",
    "contrabass": "double bass",
    "sax": "saxophone",
    "singing": "voice",
    "singer": "voice",
    "vocal": "voice",
    "vocals": "voice",
    "cor anglais": "english horn",
    "french horn": "horn",
}
_BEYOND_SEMITONES = 2.0  # a harmonic or a slip of the tracker is no other instrument


@dataclass(frozen=True)
class Instrument:
    """An instrument and its range.

    Attributes:
      name: As in `RANGES`; empty where nothing fits and the range is what was heard.
      low_midi, high_midi: Lowest and highest note.
      source: Whether it was asked for, read from names of files, or guessed by pitch.
    """

    name: str
    low_midi: int
    high_midi: int
    source: Source


def find_instrument(
    asked: str | None,
    *,
    names: Sequence[str],
    lowest_midi: float,
    highest_midi: float,
) -> Instrument | None:
    """Decides whose range the recordings are held against.

    Args:
      asked: Name of an instrument or of a family such as `saxophone`; None to guess.
      names: Of the recordings and of their folders.
      lowest_midi: Lowest pitch that was heard; NaN where nothing was.
      highest_midi: Highest pitch that was heard.

    Returns:
      The instrument; None where nothing was heard and nothing asked for.

    Raises:
      ConfigError: The instrument that was asked for is not known.
    """
    if asked:
        family = _members(check_name(asked))
        return _choose(family, lowest_midi, highest_midi, "asked")
    if math.isnan(lowest_midi):
        return None
    named = _read_names(names)
    if named:
        return _choose(_members(named), lowest_midi, highest_midi, "name")
    fitting = [
        name
        for name, (low, high) in RANGES.items()
        if low - _BEYOND_SEMITONES <= lowest_midi
        and highest_midi <= high + _BEYOND_SEMITONES
    ]
    if not fitting:
        low, high = math.floor(lowest_midi), math.ceil(highest_midi)
        return Instrument("", low, high, "pitch")
    return _choose(fitting, lowest_midi, highest_midi, "pitch")


def covered_range(
    instrument: Instrument, *, lowest_midi: float, highest_midi: float
) -> tuple[int, int]:
    """Returns the notes that recordings should cover.

    Of an instrument that was only guessed by pitch these are the notes between those that were
    heard: nobody is asked for notes that their instrument may not have.
    """
    if instrument.source != "pitch":
        return instrument.low_midi, instrument.high_midi
    return round(lowest_midi), max(round(highest_midi), round(lowest_midi) + 1)


def check_name(asked: str) -> str:
    """Returns the name of an instrument or a family as it is known here.

    Raises:
      ConfigError: It is not known.
    """
    name = " ".join(re.split(r"[\s_-]+", asked.strip().lower()))
    name = _OTHER_NAMES.get(name, name)
    known = [*RANGES, *_FAMILIES]
    if name not in known:
        close = difflib.get_close_matches(name, [*known, *_OTHER_NAMES], n=1)
        hint = f"did you mean {close[0]}?" if close else f"choose {', '.join(known)}."
        raise ConfigError(f"the range of instrument {asked!r} is not known: {hint}")
    return name


def _members(name: str) -> list[str]:
    return _FAMILIES.get(name, [name])


def _read_names(names: Sequence[str]) -> str:
    """Returns the instrument that most names speak of; the longest where several do."""
    counts: dict[str, int] = {}
    for name in names:
        words = f" {' '.join(re.findall('[a-z]+', name.lower()))} "
        spoken = [n for n in (*RANGES, *_FAMILIES, *_OTHER_NAMES) if f" {n} " in words]
        if spoken:
            longest = max(spoken, key=len)
            known = _OTHER_NAMES.get(longest, longest)
            counts[known] = counts.get(known, 0) + 1
    return max(counts, key=counts.__getitem__, default="")


def _choose(
    names: Sequence[str], lowest_midi: float, highest_midi: float, source: Source
) -> Instrument:
    """Chooses the range that lies closest around what was heard."""

    def distance(name: str) -> float:
        low, high = RANGES[name]
        if math.isnan(lowest_midi):
            return 0.0
        # Low ends are reached by every player, high ends by few.
        missed = max(0.0, low - lowest_midi) + max(0.0, highest_midi - high)
        return abs(lowest_midi - low) + 0.3 * abs(high - highest_midi) + 4 * missed

    best = min(names, key=distance)
    return Instrument(best, *RANGES[best], source)
