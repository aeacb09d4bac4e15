"""Which notes of a data set an ama means: `family=flute,source=acoustic,pitch=60-72`.

Conditions stand side by side with commas, and all must hold; one condition takes several values with `+`, of which
one must hold (`family=flute+reed`). Pitches and velocities are numbers or ranges with both ends in them; pitches may be
named (`pitch=C4-C5`). Instruments may be named with `*` and `?`.
"""

import fnmatch
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from amadeus.datasets import note_names
from amadeus.datasets.nsynth import FAMILIES, SOURCES, Label
from amadeus.errors import ConfigError

KEYS = ("family", "source", "pitch", "velocity", "instrument")
PREFIX = "nsynth:"

_MARK = re.compile("#(?=[a-z]+=|$)")  # other ones are of names: `take #2`, `pitch=F#4`


class Range(NamedTuple):
    """Numbers from `low` to `high`, both in it."""

    low: int
    high: int

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and self.low <= number <= self.high


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Conditions on notes; an empty one holds for all.

    Attributes:
      family: Any of these families.
      source: Any of these sources.
      pitch: In any of these ranges of MIDI notes.
      velocity: In any of these ranges.
      instrument: Any of these names, in which `*` and `?` stand for others.
    """

    family: tuple[str, ...] = ()
    source: tuple[str, ...] = ()
    pitch: tuple[Range, ...] = ()
    velocity: tuple[Range, ...] = ()
    instrument: tuple[str, ...] = ()

    def takes(self, label: Label) -> bool:
        """Tells whether all conditions hold for a note."""
        return (
            (not self.family or label.family in self.family)
            and (not self.source or label.source in self.source)
            and (not self.pitch or any(label.pitch in one for one in self.pitch))
            and (not self.velocity or any(label.velocity in r for r in self.velocity))
            and (
                not self.instrument
                or any(
                    fnmatch.fnmatchcase(label.instrument, one)
                    for one in self.instrument
                )
            )
        )

    def __str__(self) -> str:
        """The conditions as an ama writes them, always in the same order."""
        said = {
            "family": self.family,
            "source": self.source,
            "pitch": tuple(map(_say_range, self.pitch)),
            "velocity": tuple(map(_say_range, self.velocity)),
            "instrument": self.instrument,
        }
        return ",".join(f"{key}={'+'.join(v)}" for key, v in said.items() if v)


class Place(NamedTuple):
    """A data set, and which of its notes: what `nsynth:PATH#CONDITIONS` says."""

    path: str
    choice: Choice

    @property
    def uri(self) -> str:
        """As an ama writes it."""
        said = str(self.choice)
        # A `#` in the path is none of ours where another follows.
        mark = "#" if said or "#" in self.path else ""
        return f"{PREFIX}{self.path}{mark}{said}"


def is_dataset(word: str) -> bool:
    """Tells a data set from recordings."""
    return word.startswith(PREFIX)


def parse_place(word: str) -> Place:
    """Reads `nsynth:PATH#CONDITIONS`.

    Raises:
      ConfigError: There is no path, or a condition cannot be one.
    """
    rest = word.removeprefix(PREFIX)
    marks = [match.start() for match in _MARK.finditer(rest)]
    at = marks[-1] if marks else len(rest)
    path, said = rest[:at], rest[at + 1 :]
    if not path:
        raise ConfigError(
            f"{word} names no data set: write nsynth:PATH#family=flute, PATH a file, a folder or a glob."
        )
    return Place(path, parse_choice(said))


def parse_choice(text: str) -> Choice:
    """Reads conditions.

    Raises:
      ConfigError: One is none.
    """
    given: dict[str, list[str]] = {}
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if not equals or key not in KEYS:
            raise ConfigError(
                f"{part!r} is no condition on notes: write KEY=VALUE with a key of {', '.join(KEYS)}; several values "
                "of one key are joined by +, as in family=flute+reed."
            )
        if key in given:
            raise ConfigError(
                f"{key} was given twice: join its values by +, as in {key}={'+'.join(given[key])}+{value}."
            )
        given[key] = value.split("+")
    return make_choice(**given)


def make_choice(
    *,
    family: Sequence[str] = (),
    source: Sequence[str] = (),
    pitch: Sequence[str] = (),
    velocity: Sequence[str] = (),
    instrument: Sequence[str] = (),
) -> Choice:
    """Makes conditions from words.

    Raises:
      ConfigError: A word is no value of its key.
    """
    return Choice(
        family=tuple(_known("family", word, FAMILIES) for word in family),
        source=tuple(_known("source", word, SOURCES) for word in source),
        pitch=tuple(_pitches(word) for word in pitch),
        velocity=tuple(_range("velocity", word, _velocity) for word in velocity),
        instrument=tuple(map(_instrument, instrument)),
    )


def _known(key: str, word: str, names: Sequence[str]) -> str:
    if word not in names:
        raise ConfigError(
            f"{key}={word} is not in NSynth: its {'families' if key == 'family' else 'sources'} are {', '.join(names)}."
        )
    return word


def _pitches(word: str) -> Range:
    return _range("pitch", word, _pitch)


def _range(key: str, word: str, read: Callable[[str], int | None]) -> Range:
    for at in [m.start() for m in re.finditer("-", word)]:
        low, high = read(word[:at]), read(word[at + 1 :])
        if low is not None and high is not None and low <= high:
            return Range(low, high)
    number = read(word)
    if number is not None:
        return Range(number, number)
    example = "60-72, 60 or C4-C5" if key == "pitch" else "25-75 or 100"
    raise ConfigError(
        f"{key}={word} is no number or range in 0 to 127: write {key}={example}."
    )


def _velocity(word: str) -> int | None:
    number = int(word) if re.fullmatch(r"[0-9]{1,3}", word) else None
    return number if number is not None and number < 128 else None


def _pitch(word: str) -> int | None:
    number = _velocity(word)
    if number is not None:
        return number
    return note_names.parse_note(word)


def _instrument(word: str) -> str:
    if not word:
        raise ConfigError(
            "instrument= names none: write instrument=flute_acoustic_002, or flute_acoustic_* for several."
        )
    return word


def _say_range(one: Range) -> str:
    return str(one.low) if one.low == one.high else f"{one.low}-{one.high}"
