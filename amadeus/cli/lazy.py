"""A click group that imports a command only when it is called."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import click

from amadeus.cli.rooms import load


class LazyCommand(NamedTuple):
    """Where a command lives, and the line that lists it."""

    module: str
    attribute: str
    summary: str


class LazyGroup(click.Group):
    """A group whose commands are known by name and imported on use."""

    def __init__(
        self, *args: Any, lazy_commands: Mapping[str, LazyCommand], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._lazy_commands = lazy_commands

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Lists commands in the order an ama meets them, not by alphabet."""
        return list(self._lazy_commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports the module of a command."""
        lazy = self._lazy_commands.get(cmd_name)
        if lazy is None:
            return None
        return getattr(load(lazy.module), lazy.attribute)

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """Writes the list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, lazy.summary) for name, lazy in self._lazy_commands.items()]
            )
