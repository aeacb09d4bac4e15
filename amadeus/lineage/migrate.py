"""`amadeus lineage migrate`: from where a home's lineage is recorded now to another place."""

import contextlib

import ml_metadata

from amadeus.errors import ConfigError, HomeError
from amadeus.home import METADATA_VARIABLE, Home
from amadeus.lineage import moving
from amadeus.lineage.addresses import Mode, configure, place_of
from amadeus.lineage.store import connection, name_store, open_store, worded

_UNKNOWN = "Unknown database"  # says MySQL


def migrate(home: Home, url: str, *, may_merge: bool = False) -> moving.Plan:
    """Moves the lineage of a home to an address; no deu of it may be in a practice meanwhile.

    Args:
      home: The home; what it has stays as it is.
      url: Where to.
      may_merge: Whether other things may be there already.

    Returns:
      What was done.

    Raises:
      ConfigError: The address is none, or the present one.
      HomeError: A deu is in a practice, the target holds other things, or one of the two cannot be used.
    """
    with contextlib.ExitStack() as held:
        for deu in home.deus():
            held.enter_context(deu.locked())
        plan = plan_move(home, url, may_merge=may_merge)
        source = _open_source(home, url)
        target = open_store(url, mode=Mode.READWRITE_OPENCREATE)
        with worded(url):
            moving.move(source, target)
    return plan


def plan_move(home: Home, url: str, *, may_merge: bool = False) -> moving.Plan:
    """Finds out what a move would do, writing nothing.

    Raises:
      ConfigError, HomeError: As `migrate` does.
    """
    source = _open_source(home, url)
    target = _open_target(url)
    with worded(url):
        plan = moving.make_plan(source, target)
    moving.check(plan, name_store(url), may_merge=may_merge)
    return plan


def render_plan(home: Home, url: str, plan: moving.Plan, *, is_done: bool) -> str:
    """Words what was done, or would be."""
    verb = "moved" if is_done else "would move"
    lines = [f"{name_store(home)} -> {name_store(url)}"]
    for kind, count in plan.counts.items():
        there = f", {count.n_there} there already" if count.n_there else ""
        lines.append(f"  {verb} {count.n_all - count.n_there} {kind}s{there}")
    if any(plan.n_strangers.values()):
        lines.append("  what was there of others stays as it is")
    if is_done:
        lines.append(
            f"nothing was taken away here; from now on set {METADATA_VARIABLE}={url}"
        )
    return "\n".join(lines)


def _open_source(home: Home, url: str) -> ml_metadata.MetadataStore:
    if place_of(connection(home)) == place_of(configure(url)):
        raise ConfigError(
            f"{name_store(home)} is where the lineage is already: name another place with --to."
        )
    source = open_store(home, mode=Mode.READONLY)
    if source is None:
        raise HomeError(
            f"{name_store(home)} is not there, so nothing can be moved: practise first, or name its place with "
            "--metadata."
        )
    return source


def _open_target(url: str) -> ml_metadata.MetadataStore | None:
    try:
        return open_store(url, mode=Mode.READONLY)
    except HomeError as error:
        if _UNKNOWN in str(error.__cause__):
            return None  # it will be made
        raise
