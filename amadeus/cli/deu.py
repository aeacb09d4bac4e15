"""`amadeus deu`: create, list, show, export, import and remove deus."""

import sys

import click

from amadeus.cli.export import export
from amadeus.cli.import_bundle import import_
from amadeus.errors import HomeError
from amadeus.home import Home


@click.group()
def deu() -> None:
    """Create, list, show, export, import and remove deus."""


@deu.command()
@click.argument("name")
@click.pass_obj
def create(home: Home, name: str) -> None:
    """Create the deu NAME.

    A name has up to 40 of a-z, 0-9, - and _, and starts with a letter or digit.
    """
    made = home.create_deu(name)
    print(f"made deu {made.name} in {made.path}")
    print(f"next: amadeus practice imitate {made.name} RECORDINGS")


@deu.command("list")
@click.pass_obj
def list_(home: Home) -> None:
    """List all deus and the generation each plays."""
    deus = home.deus()
    if not deus:
        print("no deu yet: make one with `amadeus deu create NAME`")
    width = max((len(d.name) for d in deus), default=0)
    for one in deus:
        generation = one.current_generation()
        voice = f"generation {generation}" if generation else "no voice yet"
        print(f"{one.name:<{width}}  {voice}, created {one.created_at}")


@deu.command()
@click.argument("name")
@click.pass_obj
def show(home: Home, name: str) -> None:
    """Show what the deu NAME is, knows and has practised."""
    from amadeus.cli.portrait import describe

    for line in describe(home.deu(name)):
        print(line)


deu.add_command(export)
deu.add_command(import_)


@deu.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def remove(home: Home, name: str, yes: bool) -> None:
    """Remove the deu NAME with all its voices and practices."""
    generations = len(home.deu(name).generations())
    if not yes:
        _confirm(
            f"remove deu {name} and its {generations} generation(s) for good? [y/N] "
        )
    home.remove_deu(name)
    print(f"removed deu {name}")


def _confirm(question: str) -> None:
    print(question, end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline().strip().lower()
    if answer not in ("y", "yes"):
        raise HomeError("nothing was removed: answer y, or say --yes beforehand.")
