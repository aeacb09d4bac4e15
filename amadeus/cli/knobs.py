"""`amadeus knobs`: every knob with its default, range and meaning. Needs neither TensorFlow nor numpy."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from amadeus.personality.profiles import Knob

KINDS = ("player", "learner")
FORMATS = ("text", "markdown", "json")


class Row(NamedTuple):
    """A knob as it is shown; the default with its unit."""

    name: str
    meaning: str
    default: str
    choice: str


@click.command()
@click.argument("kind", required=False, type=click.Choice(KINDS))
@click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    default=FORMATS[0],
    show_default=True,
    help="How to write them.",
)
def knobs(kind: str | None, format_: str) -> None:
    """Explain the knobs of the player (--player KEY=VALUE), of the learner (--learner KEY=VALUE), or both."""
    kinds = [kind] if kind else list(KINDS)
    if format_ == "json":
        answer = {one: [row._asdict() for row in rows(one)] for one in kinds}
        print(json.dumps(answer[kind] if kind else answer, indent=2))
        return
    write = to_markdown if format_ == "markdown" else to_text
    print("\n\n".join("\n".join(write(one)) for one in kinds))


def rows(kind: str) -> list[Row]:
    """Describes all knobs of a kind, in their order."""
    from amadeus.personality import meanings, profiles
    from amadeus.v1 import profiles_pb2

    known, told, profile = {
        "player": (
            profiles.PLAYER_KNOBS,
            meanings.PLAYER_MEANINGS,
            profiles_pb2.PlayerProfile(),
        ),
        "learner": (
            profiles.LEARNER_KNOBS,
            meanings.LEARNER_MEANINGS,
            profiles_pb2.LearnerProfile(),
        ),
    }[kind]
    return [
        Row(
            name,
            told[name],
            f"{profiles.spell(profile, name, knob.default)} {knob.unit}".rstrip(),
            _choice(profile, name, knob),
        )
        for name, knob in known.items()
    ]


def to_text(kind: str) -> Iterator[str]:
    """Lists knobs in columns, 100 wide but for long choices."""
    listed = rows(kind)
    widths = [max(map(len, column)) for column in zip(*listed, strict=True)]
    yield f"{kind}: --{kind} KEY=VALUE"
    for row in listed:
        cells = (f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))
        yield f"  {' '.join(cells)}".rstrip()


def to_markdown(kind: str) -> Iterator[str]:
    """Lists knobs as a table."""
    yield f"| `--{kind}` | does | default | range |"
    yield "|---|---|---|---|"
    for row in rows(kind):
        yield f"| `{row.name}` | {row.meaning} | {row.default} | {row.choice} |"


def _choice(profile: Any, name: str, knob: "Knob") -> str:
    from amadeus.personality.profiles import choices

    field = profile.DESCRIPTOR.fields_by_name[name]
    if field.enum_type is not None:
        return ", ".join(choices(name, field.enum_type))
    if field.type == field.TYPE_BOOL:
        return "yes, no"
    if field.type == field.TYPE_FLOAT:
        return f"{knob.low:g} to {knob.high:g}"
    return f"{knob.low} to {knob.high}"
