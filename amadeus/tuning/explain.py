"""Every knob with its unit, range, default, what it does to the sound and what turning it costs."""

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from amadeus.personality import meanings, profiles
from amadeus.tuning.cost import cost_of
from amadeus.v1 import profiles_pb2

if TYPE_CHECKING:
    from amadeus.tuning.plan import Plan

WIDTH = 100  # columns


class Row(NamedTuple):
    """A knob explained.

    Attributes:
      profile: `player` or `learner`.
      name: As settings spell it.
      unit: Empty for a plain number.
      default: As settings spell it.
      low, high: Limits of its range; None for a choice.
      choices: What it may be; none for a number.
      meaning: What it is.
      sound: What turning it does to the sound.
      cost: What turning it costs.
      cost_kind: `second`, `warm` or `anew`.
      reruns_from: The component that runs anew first; empty where none does.
      now: Value in the voice that was named; empty without one.
    """

    profile: str
    name: str
    unit: str
    default: str
    low: float | None
    high: float | None
    choices: list[str]
    meaning: str
    sound: str
    cost: str
    cost_kind: str
    reruns_from: str
    now: str = ""


def rows(plan: "Plan | None" = None) -> list[Row]:
    """Explains all knobs in their order; those of a plan's parent with their present values."""
    player = learner = None
    if plan is not None:
        player = profiles.complete_player_profile(plan.parent.player_profile)
        learner = profiles.complete_learner_profile(plan.parent.learner_profile)
    return [
        *_rows(
            "player",
            profiles.PLAYER_KNOBS,
            meanings.PLAYER_MEANINGS,
            meanings.PLAYER_MEANINGS,
            profiles_pb2.PlayerProfile(),
            player,
        ),
        *_rows(
            "learner",
            profiles.LEARNER_KNOBS,
            meanings.LEARNER_MEANINGS,
            meanings.LEARNER_EFFECTS,
            profiles_pb2.LearnerProfile(),
            learner,
        ),
    ]


def to_text(listed: Sequence[Row], name: str) -> Iterator[str]:
    """Writes rows as paragraphs, 100 wide.

    Args:
      listed: The rows.
      name: Deu whose values are shown beside; empty for none.
    """
    headings = {
        "player": "player: --player KEY=VALUE. A second for any number of them: the network stays. `amadeus perform "
        "--player` tries them out at no cost, and keeps nothing.",
        "learner": "learner: --learner KEY=VALUE. The practice runs again with its recordings; what stands before the "
        "component named comes from the cache. Warm training goes on from the voice: a few steps may be enough.",
    }
    for kind, heading in headings.items():
        yield from textwrap.wrap(heading, WIDTH)
        for row in listed:
            if row.profile == kind:
                now = f", {name}: {row.now}" if row.now else ""
                yield f"  {row.name} = {_say_range(row)}, default {row.default}{now}"
                said = row.meaning if row.sound == row.meaning else ""
                said = said or f"{row.meaning}: {row.sound}"
                yield from _indent(said)
                if kind == "learner":
                    yield from _indent(f"costs {row.cost}")
        yield ""
    yield "KEY=default takes a knob back to its default."


def _indent(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6)


def _say_range(row: Row) -> str:
    if row.choices:
        return " | ".join(row.choices)
    return f"{row.low:g} to {row.high:g} {row.unit}".rstrip()


def _rows(
    kind: str,
    knobs: dict[str, profiles.Knob],
    told: dict[str, str],
    effects: dict[str, str],
    empty: Any,
    now: Any,
) -> Iterator[Row]:
    for name, knob in knobs.items():
        cost = cost_of(kind, name)
        yield Row(
            profile=kind,
            name=name,
            unit=knob.unit,
            default=profiles.spell(empty, name, knob.default),
            low=knob.low,
            high=knob.high,
            choices=_choices(empty, name),
            meaning=told[name],
            sound=effects[name],
            cost=str(cost),
            cost_kind=cost.kind,
            reruns_from=cost.since,
            now=profiles.spell(empty, name, getattr(now, name)) if now else "",
        )


def _choices(profile: Any, name: str) -> list[str]:
    field = profile.DESCRIPTOR.fields_by_name[name]
    if field.enum_type is not None:
        return list(profiles.choices(name, field.enum_type))
    return ["yes", "no"] if field.type == field.TYPE_BOOL else []
