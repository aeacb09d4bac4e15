"""`amadeus practice feedback`: what an ama calls good and bad in takes, and what follows from it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from amadeus.cli.quiet import stderr_kept_back
from amadeus.errors import ConfigError, PracticeError, RecordingError
from amadeus.home import Deu, Home

if TYPE_CHECKING:
    from amadeus.feedback.evidence import Region

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
) -> int:
    """Tell the deu NAME what was good and what was bad in its takes.

    What the good regions have in common and the bad ones lack moves the knobs of its player a bounded step toward the
    good, as far as the evidence bears it, and makes the next generation. Then its network practises for a minute with
    the recordings it comes from, hearing more often what is like the good, and is kept near what it was.

    Mark several regions of either kind, a few notes each: from one of each only what is very plain can be concluded.
    """
    regions = read_regions(good, bad)
    learning = read_learning(minutes, steps, no_learning=no_learning)
    deu = home.deu(name)
    deu.voice_path()  # says so where there is none yet
    paths = find_takes(performance)
    if len(note) > MAX_NOTE_CHARACTERS:
        raise ConfigError(
            f"the note has {len(note)} characters: say it in {MAX_NOTE_CHARACTERS}."
        )
    from amadeus.feedback import session

    remarks = session.check_players(deu, paths)
    with deu.locked():
        taste = _give(home, deu, paths, regions, remarks, note=note, dry_run=dry_run)
    if learning is None or not taste or dry_run:
        return 0
    return _learn(home, deu, taste, learning, note)


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
    from amadeus.feedback.words import say_judgement

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
    for line in _say_given(deu, given, heard.parent.generation):
        print(line)
    return learning.find_taste(judgement)


def _learn(
    home: Home, deu: Deu, taste: dict[str, float], wanted: Learning, note: str
) -> int:
    from amadeus.cli.lesson import follow_lesson
    from amadeus.cli.practice import check_space, new_practice_id
    from amadeus.feedback import learning
    from amadeus.feedback.traits import TITLES
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
    liked = ", ".join(TITLES[trait] for trait in taste)
    print(
        f"the network of generation {parent.generation} practises, hearing more of what is liked in {liked}:"
    )
    return follow_lesson(home, deu, learning.write_request(deu, asked))


def _say_given(deu: Deu, given: Any, parent: int) -> list[str]:
    who = given.personality
    if not given.is_new:
        return [
            f"nothing is changed: generation {who.generation} of {deu.name} plays on"
        ]
    return [
        f"{deu.name} plays generation {who.generation} now: the same network, played otherwise",
        f"  digest  {who.digest}",
        f"  back    amadeus deu checkout {deu.name}@{parent}",
    ]
