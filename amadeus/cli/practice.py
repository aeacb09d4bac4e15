"""`amadeus practice`: checks a lesson, hands it to a worker process and shows how it goes."""

import secrets
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from amadeus.errors import ConfigError, HomeError
from amadeus.home import Deu, Home, explain_os_errors, write_atomically

if TYPE_CHECKING:
    from amadeus.v1.profiles_pb2 import LearnerProfile

MIN_FREE_BYTES = 500e6  # a voice, its checkpoints and the features of some minutes
LISTENING_S = 60.0  # of sound; enough to refuse what cannot be learned from


@click.group()
def practice() -> None:
    """Teach a deu: make its next personality."""


@practice.command()
@click.argument("name")
@click.argument("recordings", nargs=-1, required=True)
@click.option("--minutes", type=float, help="How long to train, in minutes.")
@click.option("--steps", type=int, help="How many steps to train, instead of minutes.")
@click.option(
    "--learner",
    metavar="KEY=VALUE",
    multiple=True,
    help="A setting of the learner, such as sample_rate=48000. May be repeated.",
)
@click.option("--seed", type=int, help="Seed of everything random.")
@click.option(
    "--beam-arg",
    metavar="ARG",
    multiple=True,
    help="An option for Beam as it stands, such as --direct_num_workers=2. May be repeated.",
)
@click.pass_obj
def imitate(
    home: Home,
    name: str,
    recordings: tuple[str, ...],
    minutes: float | None,
    steps: int | None,
    learner: tuple[str, ...],
    seed: int | None,
    beam_arg: tuple[str, ...],
) -> int:
    """Teach the deu NAME to sound like RECORDINGS: files, folders or globs.

    Ctrl-C stops in good order; the same command takes up where it stopped.
    """
    deu = home.deu(name)
    settings = gather_settings(learner, minutes=minutes, steps=steps, seed=seed)
    from amadeus.personality import profiles  # protobuf

    profile = profiles.complete_learner_profile(
        profiles.parse_learner_settings(settings)
    )
    with deu.locked():
        pass  # refuses at once; the worker holds the lock for as long as it runs
    check_space(deu)
    from amadeus.audio.recordings import find_recordings

    paths = [path.resolve() for path in find_recordings(recordings)]
    _listen_first(paths, profile)
    practice_path = write_request(deu, paths, profile, beam_arg)
    from amadeus.cli.lesson import follow_lesson

    return follow_lesson(home, deu, practice_path)


def gather_settings(
    learner: Sequence[str],
    *,
    minutes: float | None,
    steps: int | None,
    seed: int | None,
) -> list[str]:
    """Joins the options that are short for learner settings with the settings themselves.

    Raises:
      ConfigError: A setting was given twice, or both time and steps, or no steps.
    """
    if steps == 0:  # in a profile it stands for `training_minutes`
        raise ConfigError("--steps 0 trains nothing: choose 1 or more, or --minutes.")
    short = {"training_minutes": minutes, "step_count": steps, "seed": seed}
    settings = [f"{key}={value}" for key, value in short.items() if value is not None]
    settings += learner
    keys = [setting.partition("=")[0] for setting in settings]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise ConfigError(f"{twice[0]} was given twice: say it once.")
    if {"training_minutes", "step_count"} <= set(keys):
        raise ConfigError(
            "both minutes and steps were given: choose --minutes or --steps, for either ends the training."
        )
    return settings


def write_request(
    deu: Deu,
    paths: Sequence[Path],
    profile: "LearnerProfile",
    beam_args: Sequence[str],
    *,
    names: Sequence[str] = (),
) -> Path:
    """Makes the folder of a new practice with its request, and returns it.

    Args:
      deu: Who practises.
      paths: The recordings.
      profile: How to learn, completed.
      beam_args: Options for Beam as they stand.
      names: What to call the recordings, one for each; none means by their file names.
    """
    from google.protobuf import json_format

    from amadeus.v1 import practice_pb2

    practice_path = deu.practices_path / _new_practice_id()
    request = practice_pb2.ImitationRequest(
        deu=deu.name,
        practice=practice_path.name,
        recordings=practice_pb2.Recordings(uri=map(str, paths), name=names),
        learner_profile=profile,
        beam_arg=beam_args,
        parent_generation=deu.current_generation(),
    )
    text = json_format.MessageToJson(request, preserving_proto_field_name=True)
    with explain_os_errors(practice_path):
        practice_path.mkdir(parents=True)
        write_atomically(practice_path / "request.json", text)
    return practice_path


def check_space(deu: Deu) -> None:
    """Refuses a practice that would fill the disk.

    Raises:
      HomeError: Too little is free.
    """
    free = shutil.disk_usage(deu.path).free
    if free < MIN_FREE_BYTES:
        raise HomeError(
            f"only {free / 1e6:.0f} MB are free in {deu.path}, and a practice needs {MIN_FREE_BYTES / 1e6:.0f} MB: "
            "free some space, or choose another home with AMADEUS_HOME."
        )


def _new_practice_id() -> str:
    # In UTC, so that practices sort by time wherever the ama travels.
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(2)}"


def _listen_first(paths: Sequence[Path], profile: "LearnerProfile") -> None:
    from amadeus.listen.coach import check_teachable, listen
    from amadeus.listen.warnings import say_warnings

    report = listen(paths, profile=profile, limit_s=LISTENING_S)
    check_teachable(report)
    for line in say_warnings(report.warnings):
        print(f"warning: {line}")
