"""`amadeus deu import`: a voice that comes as a `.deu` file."""

from pathlib import Path

import click

from amadeus.cli.quiet import stderr_kept_back
from amadeus.home import Home

_DIGEST_CHARACTERS = 12


@click.command("import")
@click.argument("file")
@click.option(
    "--name", metavar="DEU", help="Deu to hold it under. Default: the name in FILE."
)
@click.pass_obj
def import_(home: Home, file: str, name: str | None) -> None:
    """Take the voice in FILE, made by `amadeus deu export`, as the next generation of its deu.

    Everything in it is checked first. A voice that is held already stays as it is.
    """
    with stderr_kept_back():
        from amadeus.personality.holding import hold

        held = hold(home, Path(file).expanduser(), name)
    who = held.personality
    digest = who.digest.removeprefix("sha256:")[:_DIGEST_CHARACTERS]
    place = f"generation {who.generation} of deu {who.deu}"
    if held.already_held:
        print(f"{file}: {digest} is {place} already; nothing was changed")
    else:
        print(f"{file}: {digest} is {place} now")
