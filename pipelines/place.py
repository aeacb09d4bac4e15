"""Where a practice happens: its folder, its deu, its home. Light, so that a wrong one is refused at once."""

from pathlib import Path
from typing import NamedTuple

from amadeus.errors import ConfigError
from amadeus.home import Deu, Home

REQUEST_NAME = "request.json"


class Place(NamedTuple):
    """Where a practice happens."""

    home: Home
    deu: Deu
    path: Path


def find_place(practice_path: Path) -> Place:
    """Finds home and deu of a practice from where its folder lies.

    Raises:
      ConfigError: The folder is not one of a practice.
      HomeError: Its deu is gone.
    """
    path = practice_path.resolve()
    if not (path / REQUEST_NAME).is_file() or len(path.parts) < 5:
        raise ConfigError(
            f"{practice_path} holds no {REQUEST_NAME}: name the folder of a practice, such as "
            "HOME/deus/cello/practices/PRACTICE."
        )
    home = Home(path.parents[3])
    return Place(home, home.deu(path.parents[1].name), path)
