"""`amadeus practice tune`: turns the knobs of a voice that is there already."""

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from amadeus.cli.rooms import load
from amadeus.cli.studio_options import read_address, studio_options
from amadeus.errors import ConfigError
from amadeus.home import Deu, Home

if TYPE_CHECKING:
    from amadeus.tuning.plan import Plan
    from amadeus.tuning.wish import Wish
    from amadeus.v1.practice_pb2 import KnobChange

FORMATS = ("text", "json")


@click.command()
@click.argument("name", required=False)
@click.option(
    "--player",
    metavar="KEY=VALUE",
    multiple=True,
    help="A knob of the player, such as brightness=0.3; KEY=default takes it back. May be repeated.",
)
@click.option(
    "--learner",
    metavar="KEY=VALUE",
    multiple=True,
    help="A knob of the learner, such as sample_rate=48000; KEY=default takes it back. May be repeated.",
)
@click.option("--minutes", type=float, help="How long to train, in minutes.")
@click.option("--steps", type=int, help="How many steps to train, instead of minutes.")
@click.option("--seed", type=int, help="Seed of everything random.")
@click.option(
    "--beam-arg",
    metavar="ARG",
    multiple=True,
    help="An option for Beam as it stands, such as --direct_num_workers=2. May be repeated.",
)
@click.option(
    "--explain",
    is_flag=True,
    help="List every knob: what it does, its range, and what turning it costs.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    help="With --explain: how to write them.",
)
@studio_options
@click.pass_obj
def tune(
    home: Home,
    name: str | None,
    player: tuple[str, ...],
    learner: tuple[str, ...],
    minutes: float | None,
    steps: int | None,
    seed: int | None,
    beam_arg: tuple[str, ...],
    explain: bool,
    format_: str | None,
    **studio: Any,
) -> int:
    """Turn knobs of the deu NAME: the next generation is the one that plays, otherwise.

    Knobs of the player alone take a second. Knobs of the learner run its practice again, with the same recordings; what
    they do not concern comes from the cache, and training goes on from the voice as it is, unless they make another
    network.
    """
    if explain:
        _refuse_beside_explain(player, learner)
        print("\n".join(_explain(home, name, format_ or FORMATS[0])))
        return 0
    if format_ is not None:
        raise ConfigError("--format is of --explain: say --explain too.")
    if name is None:
        raise ConfigError(
            "no deu was named: say which, such as `amadeus practice tune cello --player brightness=0.3`."
        )
    wish = read_wish(player, learner, minutes=minutes, steps=steps, seed=seed)
    address = read_address(**studio)
    if address is not None:
        from amadeus.cli.practice import refuse_beam_args

        refuse_beam_args(beam_arg)
        return load("serving.cli.practice").tune(home, address, name, wish)
    return tune_here(home, home.deu(name), wish, beam_arg)


def read_wish(
    player: Sequence[str],
    learner: Sequence[str],
    *,
    minutes: float | None = None,
    steps: int | None = None,
    seed: int | None = None,
) -> "Wish":
    """Reads what is to be turned.

    Raises:
      ConfigError: Nothing is, or it cannot be.
    """
    from amadeus.cli.practice import gather_settings
    from amadeus.tuning import wish

    settings = gather_settings(learner, minutes=minutes, steps=steps, seed=seed)
    if not player and not settings:
        raise ConfigError(
            "no knob was named: say --player KEY=VALUE or --learner KEY=VALUE, and see them all with "
            "`amadeus practice tune --explain`."
        )
    return wish.read_wish(player, settings)


def tune_here(home: Home, deu: Deu, wish: "Wish", beam_args: Sequence[str]) -> int:
    """Tunes a deu of this home and says what came of it; returns the exit status."""
    from amadeus.tuning import plan as plans

    with deu.locked():
        plan = plans.make_plan(deu, wish)
        if not plan.changes:
            _say_unchanged(home, deu, plan)
            return 0
        if not plan.learns:
            _refuse_idle_beam_args(beam_args)
            _tune_player(home, deu, plan)
            return 0
    return _tune_learner(home, deu, plan, beam_args)


def say_changes(changes: Sequence["KnobChange"]) -> Iterator[str]:
    """Lists changed knobs with their values before and now."""
    width = max(len(change.knob) for change in changes)
    for change in changes:
        remark = "  (follows)" if change.follows else ""
        yield f"  {change.knob:<{width}}  {change.before} -> {change.after}{remark}"


def _say_unchanged(home: Home, deu: Deu, plan: "Plan") -> None:
    from amadeus.tuning.player import mend_record

    mend_record(home, deu, plan.parent)
    print(
        f"nothing changes: generation {plan.parent.generation} of {deu.name} is tuned like that already, and plays on"
    )


def _tune_player(home: Home, deu: Deu, plan: "Plan") -> None:
    from amadeus.cli.practice import new_practice_id
    from amadeus.tuning.player import tune_player

    tuned = tune_player(home, deu, plan, name_practice=new_practice_id)
    who = tuned.personality
    if tuned.is_new:
        network = f"the network of generation {plan.parent.generation}, tuned"
    else:
        network = (
            f"this tuning of generation {plan.parent.generation} was there already"
        )
    print(f"{deu.name} plays generation {who.generation} now: {network}")
    for line in say_changes(plan.changes):
        print(line)
    same = f"  (the same as generation {tuned.same_as})" if tuned.same_as else ""
    print(f"  digest  {who.digest}{same}")


def _tune_learner(home: Home, deu: Deu, plan: "Plan", beam_args: Sequence[str]) -> int:
    from amadeus.cli.practice import check_space, new_practice_id
    from amadeus.tuning import learner

    request = learner.make_request(deu, plan, beam_args)
    check_space(deu)
    print(f"{deu.name} is tuned from generation {plan.parent.generation}:")
    for line in (*say_changes(plan.changes), *say_outlook(plan)):
        print(line)
    practice_path = learner.write_request(deu, request, practice=new_practice_id())
    from amadeus.cli.lesson import follow_lesson

    return follow_lesson(home, deu, practice_path)


def say_outlook(plan: "Plan") -> Iterator[str]:
    """Says what will run, and from where training starts."""
    from amadeus.tuning import learner

    yield from learner.say_outlook(plan)


def _explain(home: Home, name: str | None, format_: str) -> Iterator[str]:
    from amadeus.tuning import explain
    from amadeus.tuning.plan import make_plan
    from amadeus.tuning.wish import Wish

    plan = make_plan(home.deu(name), Wish()) if name else None
    rows = explain.rows(plan)
    if format_ == "json":
        yield json.dumps([row._asdict() for row in rows], indent=2)
    else:
        yield from explain.to_text(rows, name or "")


def _refuse_beside_explain(*settings: Sequence[str]) -> None:
    if any(settings):
        raise ConfigError(
            "--explain only explains: leave the knobs out, or leave --explain out to turn them."
        )


def _refuse_idle_beam_args(beam_args: Sequence[str]) -> None:
    if beam_args:
        raise ConfigError(
            f"{beam_args[0]} is for the pipeline, which knobs of the player do not run: leave it out."
        )
