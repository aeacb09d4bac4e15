"""Loads what stands in other rooms of the house, by name and only when it is needed.

The instrument's knowledge imports no room that stands on it, yet a command such as `amadeus perform --studio` needs
one at run time.
"""

import importlib
from types import ModuleType

from amadeus.errors import ConfigError


def load(module_name: str) -> ModuleType:
    """Imports a module of another room, such as `serving.client.practice`.

    Raises:
      ConfigError: The room is not installed, or a package that it needs.
    """
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and module_name.startswith(error.name):
            room = module_name.partition(".")[0]
            raise ConfigError(
                f"this installation has no {error.name}, which this command needs: install Amadeus with its room "
                f"{room!r}, as `make setup` does."
            ) from error
        raise ConfigError(
            f"{module_name} needs the package {error.name}, which is not installed: run `make setup`, or "
            f"`amadeus doctor` to see what else is missing."
        ) from error
