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
    name, separator, number = text.partition("@")
    if not separator:
        raise ConfigError(
            f"{text!r} names no generation: write a deu and a number, such as {name or 'cello'}@3."
        )
    deu = home.deu(name)
    if not number.isascii() or not number.isdecimal() or not 0 < len(number) < 10:
        raise ConfigError(
            f"{number!r} in {text!r} is no number of a generation: write one from 1, such as {name}@"
            f"{deu.current_generation() or 1}."
        )
    if not int(number):
        raise ConfigError(f"there is no generation 0 of {name}: they count from 1.")
    return Named(deu, int(number))
