"""`amadeus practice`: checks a lesson, hands it to a worker process and shows how it goes."""

import secrets
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

from amadeus.cli.feedback import feedback
from amadeus.cli.kubeflow_options import (
    endpoint_options,
    read_choices,
    read_endpoint,
    refuse_kubeflow,
    run_options,
)
from amadeus.cli.recordings import find_elsewhere, find_recordings, refuse_sets
from amadeus.cli.rooms import load
from amadeus.cli.studio_options import read_address, studio_options
from amadeus.cli.tune import tune
from amadeus.errors import ConfigError, HomeError, legible
from amadeus.home import Deu, Home, explain_os_errors, write_atomically

if TYPE_CHECKING:
    from amadeus.v1.profiles_pb2 import LearnerProfile

MIN_FREE_BYTES = 500e6  # a voice, its checkpoints and the features of some minutes
LISTENING_S = 60.0  # of sound; enough to refuse what cannot be learned from


@click.group()
def practice() -> None:
    """Teach a deu: make its next personality."""


practice.add_command(tune)
practice.add_command(feedback)


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
@studio_options
@click.option(
    "--session",
    "session_id",
    metavar="ID",
    help="With --studio: a session to go on with, such as one whose upload was left.",
)
@click.option(
    "--runner",
    type=click.Choice(["local", "kubeflow"]),
    default="local",
    help="Where to practise: here, or on Kubeflow Pipelines. Default: local.",
)
@click.option(
    "--follow",
    "follows",
    is_flag=True,
    help="With --runner kubeflow: stay until it is over, and bring the voice home.",
)
@endpoint_options
@run_options
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
    session_id: str | None,
    runner: str,
    follows: bool,
    **options: Any,
) -> int:
    """Teach the deu NAME to sound like RECORDINGS: files, folders, globs, gs:// or s3:// URLs, data sets.

    A data set is nsynth:PATH#family=flute,source=acoustic; see `amadeus dataset`.

    Ctrl-C stops in good order; the same command takes up where it stopped.

    With --studio a studio does it, which makes the deu if it has none of this name, and the voice comes back here. Then
    Ctrl-C leaves the practice to the studio; `attach` comes back to it.

    With --runner kubeflow a cluster does it, from recordings in a bucket, or from files here, which are brought to the
    pipeline root first; `amadeus pipeline follow` comes back to it.
    """
    settings = gather_settings(learner, minutes=minutes, steps=steps, seed=seed)
    if runner == "kubeflow":
        endpoint, choices = read_endpoint(options), read_choices(options)
        _refuse_studio(read_address(**options), session_id)
        refuse_sets(recordings, where="a cluster takes recordings only")
        on_cluster = load("pipelines.kubeflow.client_practice")
        return on_cluster.imitate(
            home,
            endpoint,
            name,
            recordings,
            settings,
            beam_arg,
            choices,
            follows=follows,
        )
    refuse_kubeflow(options, follows=follows)
    address = read_address(**options)
    deu = home.deu(name) if address is None else None
    from amadeus.personality import profiles  # protobuf

    profile = profiles.complete_learner_profile(
        profiles.parse_learner_settings(settings)
    )
    if deu is None:
        refuse_beam_args(beam_arg)
        refuse_sets(recordings, where="a studio takes recordings only")
        served = load("serving.cli.practice")
        with find_recordings(home, recordings).shown() as paths:
            return served.imitate(
                home, address, name, paths, profile, session_id=session_id
            )
    if session_id is not None:
        raise ConfigError("--session is of a studio: name it with --studio HOST:PORT.")
    with deu.locked():
        pass  # refuses at once; the worker holds the lock for as long as it runs
    check_space(deu)
    if beam_arg and load("pipelines.beam_places").is_elsewhere(beam_arg):
        found = find_elsewhere(recordings)  # which nobody listens to beforehand
    else:
        found = find_recordings(home, recordings)
    if found.paths:  # the coach does not listen to data sets
        with found.shown() as paths:
            listen_first(paths, profile)
    practice_path = write_request(
        deu, found.paths, profile, beam_arg, names=found.names, sets=found.sets
    )
    from amadeus.cli.lesson import follow_lesson

    return follow_lesson(home, deu, practice_path)


@practice.command()
@click.argument("session_id", metavar="SESSION")
@studio_options
@click.pass_obj
def attach(home: Home, session_id: str, **studio: Any) -> int:
    """Follow SESSION, a practice in a studio, and bring its voice home.

    All that happened so far is shown again. Ctrl-C leaves the practice to the studio.
    """
    address = _need_studio(studio)
    return load("serving.cli.practice").attach(home, address, session_id)


@practice.command()
@click.argument("session_id", metavar="SESSION")
@studio_options
def cancel(session_id: str, **studio: Any) -> int:
    """End SESSION, a practice in a studio; its deu stays as it was."""
    return load("serving.cli.practice").cancel(_need_studio(studio), session_id)


@practice.command()
@click.option("--deu", default="", metavar="NAME", help="Of this deu only.")
@studio_options
def sessions(deu: str, **studio: Any) -> int:
    """List the practices of a studio, the newest first."""
    return load("serving.cli.practice").list_sessions(_need_studio(studio), deu)


def find_paths(recordings: Sequence[str]) -> list[Path]:
    """Finds the recordings on this machine that were named.

    Raises:
      RecordingError: An argument means none.
    """
    from amadeus.audio.recordings import find_recordings

    return [path.resolve() for path in find_recordings(recordings)]


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
    sets: Mapping[str, str] = MappingProxyType({}),
) -> Path:
    """Makes the folder of a new practice with its request, and returns it.

    Args:
      deu: Who practises.
      paths: The recordings.
      profile: How to learn, completed.
      beam_args: Options for Beam as they stand.
      names: What to call the recordings, one for each; none means by their file names.
      sets: Data sets to learn from as well: what to call them, and where they are.
    """
    from google.protobuf import json_format

    from amadeus.audio.recordings import to_uri
    from amadeus.v1 import practice_pb2

    practice_path = deu.practices_path / new_practice_id()
    called = [*(names or (path.name for path in paths)), *sets]
    request = practice_pb2.ImitationRequest(
        deu=deu.name,
        practice=practice_path.name,
        recordings=practice_pb2.Recordings(
            uri=[*map(to_uri, paths), *sets.values()],
            name=map(legible, called) if names or sets else (),
        ),
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


def _refuse_studio(address: Any, session_id: str | None) -> None:
    if address is not None or session_id is not None:
        raise ConfigError(
            "both a studio and a cluster were named: choose --studio or --runner kubeflow."
        )


def _need_studio(studio: dict[str, Any]) -> Any:
    address = read_address(**studio)
    if address is None:
        raise ConfigError(
            "sessions live in a studio: name it with --studio HOST:PORT, such as localhost:8470."
        )
    return address


def refuse_beam_args(beam_args: Sequence[str]) -> None:
    """Refuses options for Beam where a studio practises.

    Raises:
      ConfigError: There are some.
    """
    if beam_args:
        raise ConfigError(
            f"{beam_args[0]} is for Beam on this machine: leave it out where a studio practises."
        )


def new_practice_id() -> str:
    """Names a new practice."""
    # In UTC, so that practices sort by time wherever the ama travels.
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(2)}"


def listen_first(paths: Sequence[Path], profile: "LearnerProfile") -> None:
    """Has the coach listen, and says what it warns of.

    Raises:
      RecordingError: Nothing can be learned from them.
    """
    from amadeus.listen.coach import check_teachable, listen
    from amadeus.listen.warnings import say_warnings

    report = listen(paths, profile=profile, limit_s=LISTENING_S)
    check_teachable(report)
    for line in say_warnings(report.warnings):
        print(f"warning: {line}")
