"""`DEU@N`: how a generation is named in a terminal."""

from typing import NamedTuple

from amadeus.errors import ConfigError
from amadeus.home import Deu, Home


class Named(NamedTuple):
    """A generation as it was named."""

    deu: Deu
    generation: int


def find_named(home: Home, text: str) -> Named:
    """Reads `DEU@N`.

    Raises:
      ConfigError: It is none.
      NotHeldError: There is no such deu.
    """
    name, number = _split(text)
    deu = home.deu(name)
    return Named(deu, _read_number(name, number, deu.current_generation() or 1))


def read_named(text: str) -> tuple[str, int]:
    """Reads `DEU@N` of a deu that is elsewhere.

    Raises:
      ConfigError: It is none.
    """
    name, number = _split(text)
    return name, _read_number(name, number, 1)


def _split(text: str) -> tuple[str, str]:
    name, separator, number = text.partition("@")
    if not separator:
        raise ConfigError(
            f"{text!r} names no generation: write a deu and a number, such as {name or 'cello'}@3."
        )
    return name, number


def _read_number(name: str, number: str, example: int) -> int:
    if not number.isascii() or not number.isdecimal() or not 0 < len(number) < 10:
        raise ConfigError(
            f"{number!r} in {f'{name}@{number}'!r} is no number of a generation: write one from 1, such as "
            f"{name}@{example}."
        )
    if not int(number):
        raise ConfigError(f"there is no generation 0 of {name}: they count from 1.")
    return int(number)
