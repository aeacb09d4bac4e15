"""What `amadeus lineage` and `amadeus deu checkout|prune` do where the deu is a studio's."""

from dataclasses import replace
from pathlib import Path

import click

from amadeus.home import write_atomically
from amadeus.lineage.diff import Side, render_sections
from amadeus.lineage.naming import read_named
from amadeus.lineage.page import MAX_DETAILED, Sounds, render_page
from amadeus.lineage.prune import Item, Plan, Rule, render_plan
from amadeus.lineage.text import Told, render_generation
from amadeus.lineage.tree import render_dot, render_json, render_tree
from amadeus.v1.lineage_pb2 import PruneResponse
from amadeus.v1.personality_pb2 import GenerationReference
from serving.client.connection import Address
from serving.client.lineage import Lineages, lineages

SILENCE = "it plays in the studio"


def render(address: Address, deu: str, form: str) -> str:
    """Draws the tree of a deu of a studio, as text, JSON or for Graphviz.

    Raises:
      StudioError: The studio cannot be reached, or refused.
    """
    with lineages(address) as asked:
        found = asked.tree(deu)
        if form == "dot":
            return render_dot(found.standing, found.records)
        if form == "json":
            told = _tell_all(asked, deu, [r.generation for r in found.records])
            records = [
                replace(record, takes=one.record.takes)
                for record, one in zip(found.records, told, strict=True)
            ]
            return render_json(found.standing, records)
        blocks = [render_tree(found.standing, found.records)]
        current = found.standing.current
        if any(record.generation == current for record in found.records):
            blocks.append(render_generation(asked.tell(deu, current)))
    return "\n\n".join(blocks)


def show(address: Address, named: str) -> str:
    """Tells all that is known of a generation of a studio.

    Raises:
      ConfigError: It is not named as DEU@N.
      StudioError: The studio cannot be reached, or refused.
    """
    deu, generation = read_named(named)
    with lineages(address) as asked:
        return render_generation(asked.tell(deu, generation))


def diff(address: Address, before: str, after: str) -> str:
    """Tells what differs between two generations of a studio.

    Raises:
      ConfigError: One is not named as DEU@N.
      StudioError: The studio cannot be reached, or refused.
    """
    named = [read_named(before), read_named(after)]
    sides = [GenerationReference(deu=deu, generation=n) for deu, n in named]
    with lineages(address) as asked:
        found = asked.compare(*sides)
    return render_sections(named[0][0], *found)


def write_page(address: Address, deu: str, path: Path) -> str:
    """Writes the page of a deu of a studio, without sound; says what is in it.

    Raises:
      StudioError: The studio cannot be reached, or refused.
    """
    with lineages(address) as asked:
        found = asked.tree(deu)
        newest = [record.generation for record in found.records[-MAX_DETAILED:]]
        told = [Side(t.record, t.personality) for t in _tell_all(asked, deu, newest)]
    silences = {record.generation: SILENCE for record in found.records}
    silences |= {
        n: "its files are gone" for n in silences if n not in found.standing.held
    }
    page = render_page(found.standing, found.records, told, Sounds("", {}, silences))
    write_atomically(path, page)
    noun = "generation" if len(found.records) == 1 else "generations"
    return f"{len(found.records)} {noun}, without sound: they play in the studio"


def check_out(address: Address, named: str) -> None:
    """Lets a generation of a studio's deu play again, and says so.

    Raises:
      ConfigError: It is not named as DEU@N.
      StudioError: The studio cannot be reached, or refused.
    """
    deu, generation = read_named(named)
    with lineages(address) as asked:
        before = asked.check_out(deu, generation)
    if before == generation:
        click.echo(
            f"{deu} plays generation {generation} already; nothing was changed there"
        )
        return
    back = f"; back: amadeus deu checkout {deu}@{before} --studio {address.target}"
    click.echo(
        f"{deu} plays generation {generation} now in the studio at {address.target}, and the next practice grows from "
        f"it{back if before else ''}"
    )


def prune(address: Address, deu: str, rule: Rule, *, dry_run: bool) -> None:
    """Frees what no living generation of a studio's deu needs, and says why the rest stays.

    Raises:
      StudioError: The studio cannot be reached, or refused.
    """
    with lineages(address) as asked:
        made = asked.prune(deu, keep=rule.keep, branches=rule.branches, dry_run=dry_run)
    goes, stays = _items(made.gone), _items(made.staying)
    click.echo(render_plan(deu, Plan(goes=goes, stays=stays), is_done=not dry_run))
    n_more = made.gone_count + made.staying_count - len(goes) - len(stays)
    if n_more:
        click.echo(f"and {n_more} more; in all {made.freed_byte_count / 1e6:.1f} MB")


def _tell_all(asked: Lineages, deu: str, generations: list[int]) -> list[Told]:
    return [asked.tell(deu, generation) for generation in generations]


def _items(items: "list[PruneResponse.Item]") -> list[Item]:
    return [Item(i.name, Path(), i.byte_size, i.reason) for i in items]
