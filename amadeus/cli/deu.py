"""`amadeus deu`: create, list, show, export, import, push, pull, check out, prune and remove deus."""

import sys
from typing import Any

import click

from amadeus.cli.export import export
from amadeus.cli.import_bundle import import_
from amadeus.cli.rooms import load
from amadeus.cli.stores import pull, push, stored
from amadeus.cli.studio_options import read_address, studio_options
from amadeus.errors import HomeError
from amadeus.home import Home


@click.group()
def deu() -> None:
    """Create, list, show, export, import, push, pull, check out, prune and remove deus."""


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
        if notice := one.pointer_notice():
            print(f"{'':<{width}}  {notice}")


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
deu.add_command(push)
deu.add_command(pull)
deu.add_command(stored)


@deu.command()
@click.argument("generation", metavar="DEU@N")
@studio_options
@click.pass_obj
def checkout(home: Home, generation: str, **studio: Any) -> None:
    """Play generation N of a deu again; the next practice grows from it.

    Nothing is copied and nothing is lost: a checkout of a later generation goes back. With --studio it is the deu of a
    studio.
    """
    address = read_address(**studio)
    if address is not None:
        load("serving.cli.lineage").check_out(address, generation)
        return
    from amadeus.lineage.naming import find_named

    one, number = find_named(home, generation)
    before = one.current_generation()
    one.point_to(number)
    if before == number:
        print(f"{one.name} plays generation {number} already; nothing was changed")
        return
    print(
        f"{one.name} plays generation {number} now, and the next practice grows from it; "
        f"back: amadeus deu checkout {one.name}@{before}"
    )


@deu.command()
@click.argument("name", metavar="DEU")
@click.option("--dry-run", is_flag=True, help="Say what would go, and change nothing.")
@click.option(
    "--keep", type=int, metavar="N", help="Let generations go but the newest N."
)
@click.option(
    "--branches",
    is_flag=True,
    help="Let generations go that the one that plays did not grow from.",
)
@studio_options
@click.pass_obj
def prune(
    home: Home,
    name: str,
    dry_run: bool,
    keep: int | None,
    branches: bool,
    **studio: Any,
) -> None:
    """Free what no living generation of a deu needs, and say why the rest stays.

    Without a rule all generations stay, and what their practices left for them. With both rules only those go
    that both let go. The one that plays stays always, and the lineage of all. With --studio it is the deu of a studio.
    """
    from amadeus.lineage import prune as pruning

    rule = pruning.Rule(keep=keep, branches=branches)
    address = read_address(**studio)
    if address is not None:
        load("serving.cli.lineage").prune(address, name, rule, dry_run=dry_run)
        return
    one = home.deu(name)
    made = (pruning.plan if dry_run else pruning.prune)(home, one, rule)
    print(pruning.render_plan(one.name, made, is_done=not dry_run))


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
