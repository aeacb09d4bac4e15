"""`amadeus practice feedback`: what an ama calls good and bad in takes, and what follows from it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from amadeus.cli.quiet import stderr_kept_back
from amadeus.cli.rooms import load
from amadeus.cli.studio_options import read_address, studio_options
from amadeus.errors import ConfigError, PracticeError, RecordingError
from amadeus.home import Deu, Home

if TYPE_CHECKING:
    from amadeus.feedback.regions import Region
    from amadeus.v1.session_pb2 import FeedbackConfiguration

MAX_NOTE_CHARACTERS = 500


@click.command()
@click.argument("name")
@click.option(
    "--performance",
    metavar="FILE",
    multiple=True,
    required=True,
    help="A take of this deu, as `amadeus perform` wrote it. May be repeated.",
)
@click.option(
    "--good",
    metavar="REGION",
    multiple=True,
    help="What was good: START-END in seconds, such as 1.2-3.4, or all; with a weight 1.2-3.4:2; of the second take "
    "2@1.2-3.4. May be repeated.",
)
@click.option(
    "--bad", metavar="REGION", multiple=True, help="What was bad. May be repeated."
)
@click.option("--note", default="", metavar="TEXT", help="What you have to say of it.")
@click.option(
    "--minutes",
    type=float,
    help="How long the learner practises with its recordings, in minutes. Default: 1.",
)
@click.option("--steps", type=int, help="How many steps, instead of minutes.")
@click.option(
    "--no-learning",
    is_flag=True,
    help="Turn knobs of the player only; the network stays as it is.",
)
@click.option(
    "--dry-run", is_flag=True, help="Only say what would follow; change nothing."
)
@studio_options
@click.pass_obj
def feedback(
    home: Home,
    name: str,
    performance: tuple[str, ...],
    good: tuple[str, ...],
    bad: tuple[str, ...],
    note: str,
    minutes: float | None,
    steps: int | None,
    no_learning: bool,
    dry_run: bool,
    **studio: Any,
) -> int:
    """Tell the deu NAME what was good and what was bad in its takes.

    What the good regions have in common and the bad ones lack moves the knobs of its player a bounded step toward the
    good, as far as the evidence bears it, and makes the next generation. Then its network practises for a minute with
    the recordings it comes from, hearing more often what is like the good, and is kept near what it was.

    Mark several regions of either kind, a few notes each: from one of each only what is very plain can be concluded.

    With --studio a studio does it with its own deu of this name, and the voice comes back here.
    """
    regions = read_regions(good, bad)
    learning = read_learning(minutes, steps, no_learning=no_learning)
    address = read_address(**studio)
    deu = home.deu(name) if address is None else None
    if deu is not None:
        deu.voice_path()  # says so where there is none yet
    paths = find_takes(performance)
    if len(note) > MAX_NOTE_CHARACTERS:
        raise ConfigError(
            f"the note has {len(note)} characters: say it in {MAX_NOTE_CHARACTERS}."
        )
    if deu is None:
        _refuse_dry_run(dry_run)
        asked = write_marks(regions, learning, note)
        served = load("serving.cli.practice")
        return served.feedback(home, address, name, paths, asked)
    from amadeus.feedback import session

    remarks = session.check_players(deu, paths)
    with deu.locked():
        taste = _give(home, deu, paths, regions, remarks, note=note, dry_run=dry_run)
    if learning is None or not taste or dry_run:
        return 0
    return _learn(home, deu, taste, learning, note)


def write_marks(
    regions: "list[Region]", learning: "Learning | None", note: str
) -> "FeedbackConfiguration":
    """Writes what was marked, and how long the learner may practise, as a studio is told."""
    from amadeus.v1 import practice_pb2, session_pb2

    marked = [
        practice_pb2.JudgedRegion(
            take_index=region.take,
            start_s=region.start_s,
            end_s=region.end_s,
            good=region.is_good,
            weight=region.weight,
        )
        for region in regions
    ]
    minutes, step_count = learning or (None, None)
    return session_pb2.FeedbackConfiguration(
        regions=marked,
        note=note,
        player_only=learning is None,
        training_minutes=minutes or 0.0,
        step_count=step_count or 0,
    )


def _refuse_dry_run(dry_run: bool) -> None:
    if dry_run:
        raise ConfigError(
            "--dry-run judges on this machine: leave it out where a studio judges, or leave out --studio."
        )


class Learning(NamedTuple):
    """How long the learner practises; None: as usual."""

    minutes: float | None
    step_count: int | None


def read_learning(
    minutes: float | None, steps: int | None, *, no_learning: bool
) -> Learning | None:
    """Reads how long the learner practises; None where it does not.

    Raises:
      ConfigError: The options do not go together.
    """
    from amadeus.cli.practice import gather_settings

    settings = gather_settings((), minutes=minutes, steps=steps, seed=None)
    if no_learning and settings:
        raise ConfigError(
            f"--no-learning leaves the network as it is, and {settings[0]} was given: leave one of them out."
        )
    if settings:
        from amadeus.personality import profiles

        profiles.parse_learner_settings(settings)
    return None if no_learning else Learning(minutes, steps)


def read_regions(good: tuple[str, ...], bad: tuple[str, ...]) -> "list[Region]":
    """Reads what was marked.

    Raises:
      ConfigError: Nothing was, or a region cannot be.
    """
    if not good and not bad:
        raise ConfigError(
            "nothing is marked: say what was good and what was bad, such as --good 1.2-3.4 --bad 5.0-6.1."
        )
    from amadeus.feedback.regions import parse_region

    return [
        *(parse_region(text, is_good=True) for text in good),
        *(parse_region(text, is_good=False) for text in bad),
    ]


def find_takes(performances: tuple[str, ...]) -> list[Path]:
    """Finds the takes that are named.

    Raises:
      ConfigError: One is not there, or named twice.
    """
    paths = [Path(name).expanduser().resolve() for name in performances]
    for path in paths:
        if not path.is_file():
            raise ConfigError(
                f"there is no file {path}: name a take that `amadeus perform` wrote."
            )
        if paths.count(path) > 1:
            raise ConfigError(f"{path.name} is named twice: name each take once.")
    return paths


def _give(
    home: Home,
    deu: Deu,
    paths: list[Path],
    regions: "list[Region]",
    remarks: list[str],
    *,
    note: str,
    dry_run: bool,
) -> dict[str, float]:
    """Judges, says so and turns knobs; returns what the learner may listen for."""
    from amadeus.cli.practice import new_practice_id
    from amadeus.feedback import learning, session
    from amadeus.feedback.words import say_given, say_judgement

    heard = session.hear(deu, paths, regions, remarks)
    with stderr_kept_back():
        from amadeus.voice.player import Voice  # TensorFlow

        voice = Voice.load(heard.parent_path)
    judgement = session.judge_heard(deu, heard, voice)
    for line in say_judgement(judgement):
        print(line)
    if dry_run:
        print("nothing was changed: it was a dry run")
        return {}
    given = session.give(
        home, deu, heard, judgement, practice=new_practice_id(), note=note, voice=voice
    )
    who, parent = given.personality, heard.parent.generation
    for line in say_given(deu.name, who, parent, is_new=given.is_new):
        print(line)
    return learning.find_taste(judgement)


def _learn(
    home: Home, deu: Deu, taste: dict[str, float], wanted: Learning, note: str
) -> int:
    from amadeus.cli.lesson import follow_lesson
    from amadeus.cli.practice import check_space, new_practice_id
    from amadeus.feedback import learning
    from amadeus.feedback.words import say_liked
    from amadeus.personality import content

    parent = content.read_personality(deu.voice_path())
    try:
        asked = learning.make_request(
            deu,
            parent,
            taste,
            practice=new_practice_id(),
            minutes=wanted.minutes,
            step_count=wanted.step_count,
            note=note,
        )
    except (PracticeError, RecordingError) as error:
        print(f"the network stays as it is: {error}")
        return 0
    check_space(deu)
    print(
        f"the network of generation {parent.generation} practises, hearing more of what is liked in "
        f"{say_liked(taste)}:"
    )
    return follow_lesson(home, deu, learning.write_request(deu, asked))
