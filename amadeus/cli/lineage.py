"""`amadeus lineage`: where a voice comes from, as a tree, one by one, or as a page with sound."""

from pathlib import Path
from typing import Any

import click

from amadeus.cli.output import check_output
from amadeus.cli.rooms import load
from amadeus.cli.studio_options import read_address, studio_options
from amadeus.errors import ConfigError
from amadeus.home import Deu, Home

FORMATS = ("tree", "json", "dot", "html")


class LineageGroup(click.Group):
    """A group of `show` and `diff` that takes the name of a deu for a command of its own."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Finds the command; whatever is none names a deu."""
        if args and args[0] not in self.commands:
            args = ["tree", *args]
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Lets options stand before the deu, as in `lineage --format json cello`."""
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["tree", *args]
        return super().parse_args(ctx, args)


# \b keeps click from filling the lines
_HELP = """Tell where the voice of a deu comes from.

\b
amadeus lineage DEU [--format tree|json|dot|html] [-o FILE] [--studio HOST:PORT]
amadeus lineage show DEU@N [--studio HOST:PORT]
amadeus lineage diff DEU@A DEU@B [--studio HOST:PORT]
amadeus lineage migrate --to URL [--dry-run]
"""


@click.group(cls=LineageGroup, help=_HELP)
def lineage() -> None:
    """Groups the commands; what the ama reads is in `_HELP`."""


@lineage.command(hidden=True)
@click.argument("name", metavar="DEU")
@click.option(
    "--format",
    "form",
    metavar="FORMAT",
    default="tree",
    show_default=True,
    help=f"One of {', '.join(FORMATS)}.",
)
@click.option("-o", "--output", metavar="FILE", help="Where to write it.")
@studio_options
@click.pass_obj
def tree(home: Home, name: str, form: str, output: str | None, **studio: Any) -> None:
    """Draw the tree of the deu's generations, who came from whom.

    In HTML it is a page on which each generation plays the same phrase. With --studio the deu is one of a studio, and
    its page is silent.
    """
    if form not in FORMATS:
        raise ConfigError(f"--format={form} is none of {', '.join(FORMATS)}.")
    address = read_address(**studio)
    deu = home.deu(name) if address is None else None
    if form == "html":
        _write_page(home, deu, output, name, address)
        return
    text = (
        _render(home, deu, form)
        if deu is not None
        else load("serving.cli.lineage").render(address, name, form)
    )
    if output is None:
        print(text)
        return
    path = check_output(output, suffixes=(".txt", ".json", ".dot"))
    path.write_text(f"{text}\n")
    print(path)


@lineage.command()
@click.argument("generation", metavar="DEU@N")
@studio_options
@click.pass_obj
def show(home: Home, generation: str, **studio: Any) -> None:
    """Tell all that is known of a generation: parents, recordings, metrics and steps."""
    address = read_address(**studio)
    if address is not None:
        print(load("serving.cli.lineage").show(address, generation))
        return
    from amadeus.lineage.naming import find_named
    from amadeus.lineage.text import render_generation, tell

    deu, number = find_named(home, generation)
    print(render_generation(tell(home, deu, number)))


@lineage.command()
@click.argument("before", metavar="DEU@A")
@click.argument("after", metavar="DEU@B")
@studio_options
@click.pass_obj
def diff(home: Home, before: str, after: str, **studio: Any) -> None:
    """Tell what differs between two generations: profiles, metrics, recordings, statistics."""
    address = read_address(**studio)
    if address is not None:
        print(load("serving.cli.lineage").diff(address, before, after))
        return
    from amadeus.lineage import detailed, record_of
    from amadeus.lineage.diff import Side, personality_of, render_diff
    from amadeus.lineage.naming import find_named

    sides = []
    for named in (find_named(home, before), find_named(home, after)):
        record = detailed(home, record_of(home, *named))
        sides.append(Side(record, personality_of(*named)))
    print(render_diff(find_named(home, before).deu.name, *sides))


@lineage.command()
@click.option(
    "--to",
    "url",
    metavar="URL",
    required=True,
    help="Where to: sqlite:///PATH, mysql://USER@HOST:PORT/DB or grpc(s)://HOST:PORT.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("--merge", is_flag=True, help="Other things may be there already.")
@click.pass_obj
def migrate(home: Home, url: str, dry_run: bool, merge: bool) -> None:
    """Move all lineage to another place; what was moved stays here too, and a second time adds what is new."""
    from amadeus.lineage import migrate as moves

    do = moves.plan_move if dry_run else moves.migrate
    plan = do(home, url, may_merge=merge)
    print(moves.render_plan(home, url, plan, is_done=not dry_run))


def _render(home: Home, deu: Deu, form: str) -> str:
    from amadeus.lineage import generations_of, with_takes  # takes a while to import
    from amadeus.lineage.text import render_generation, tell
    from amadeus.lineage.tree import render_dot, render_json, render_tree, standing_of

    records, standing = generations_of(home, deu), standing_of(deu)
    if form == "json":
        return render_json(standing, with_takes(home, records))
    if form == "dot":
        return render_dot(standing, records)
    blocks = [render_tree(standing, records)]
    if any(record.generation == standing.current for record in records):
        blocks.append(render_generation(tell(home, deu, standing.current)))
    return "\n\n".join(blocks)


def _write_page(
    home: Home, deu: Deu | None, output: str | None, name: str, address: Any
) -> None:
    path = Path(check_output(output or f"{name}-lineage.html", suffixes=(".html",)))
    from amadeus.cli.quiet import stderr_kept_back

    with stderr_kept_back():
        if deu is None:
            told = load("serving.cli.lineage").write_page(address, name, path)
        else:
            from amadeus.lineage.page import write_page

            told = write_page(home, deu, path)
    print(f"{path}: {told}")
