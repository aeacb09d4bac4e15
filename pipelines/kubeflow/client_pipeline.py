"""What `amadeus pipeline` does: compile a practice into a file, upload it, have it recur."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from amadeus.home import Home, explain_os_errors, write_atomically
from amadeus.personality import profiles
from amadeus.personality.quoting import tame
from amadeus.v1 import practice_pb2
from pipelines import beam_places
from pipelines.kubeflow import names
from pipelines.kubeflow.client import Cluster
from pipelines.kubeflow.client_endpoint import Endpoint
from pipelines.kubeflow.client_messages import EXPERIMENT
from pipelines.kubeflow.client_package import knows_lessons, read_package
from pipelines.kubeflow.client_packing import Choices, make_package, parameters
from pipelines.kubeflow.client_practice import (
    check_name,
    refuse_settings,
    say_lost,
)
from pipelines.kubeflow.client_recordings import look, name_recordings
from pipelines.kubeflow.client_schedule import Plan, Schedules, read_recurrence
from pipelines.kubeflow.client_versions import upload as upload_version
from pipelines.kubeflow.package import Package


def compile_imitate(
    home: Home,
    deu: str,
    recordings: Sequence[str],
    settings: Sequence[str],
    beam_args: Sequence[str],
    path: Path,
    *,
    image: str,
    resources_path: Path | None,
    pipeline_root: str,
) -> int:
    """Compiles a practice into a file; returns the exit status.

    Raises:
      ConfigError: Something cannot be compiled.
      HomeError: The file cannot be written.
    """
    choices = Choices(
        image=image, resources_path=resources_path, pipeline_root=pipeline_root
    )
    beam_places.check_contained(beam_args)
    request = _request(home, deu, settings)
    request.recordings.CopyFrom(name_recordings(recordings))
    request.beam_arg.extend(beam_args)
    request.parent_generation = names.LATEST
    package = make_package(request, choices)
    with explain_os_errors(path):
        write_atomically(path, package.to_yaml())
    n_tasks = len(package.pipeline["root"]["dag"]["tasks"])
    click.echo(f"{path}: pipeline {package.name} of {n_tasks} tasks, for {image}")
    return 0


def upload(endpoint: Endpoint, package: str, pipeline: str, name: str) -> int:
    """Uploads a compiled practice; returns the exit status.

    Raises:
      ConfigError: The file is none.
      ClusterError: The cluster cannot be reached, or refused.
    """
    read = read_package(Path(package).expanduser())
    cluster = Cluster(endpoint, on_lost=say_lost)
    done = upload_version(cluster, read, pipeline=pipeline, name=name)
    how = "uploaded as" if done.is_new else "is there already, as"
    link = endpoint.pipeline_link(*done.version)
    click.echo(f"{package} {how} version {done.name} of {done.pipeline}: {link}")
    return 0


def schedule_imitate(
    home: Home,
    endpoint: Endpoint,
    deu: str,
    recordings: Sequence[str],
    settings: Sequence[str],
    choices: Choices,
    *,
    every: str | None,
    cron: str | None,
    name: str,
    max_concurrency: int,
) -> int:
    """Has a practice recur; returns the exit status.

    Raises:
      ConfigError: Something cannot work, or there is another schedule of this name.
      ClusterError: The cluster cannot be reached, or refused.
    """
    when = read_recurrence(every, cron)
    request = _request(home, deu, settings, choices)
    request.recordings.CopyFrom(name_recordings(recordings))
    cluster = Cluster(endpoint, on_lost=say_lost)
    cluster.experiment_id(choices.experiment)
    for sentence in look(recordings):
        click.echo(f"warning: {sentence}")
    package = make_package(request, choices)
    version = upload_version(cluster, package)
    # Without a name of its own a practice takes that of its run: macros such as [[ScheduledTime]] stay as they are in
    # pipelines of v2 (kubeflow/pipelines#12494).
    plan = Plan(
        name=name or f"{deu} {when}",
        version=version.version,
        when=when,
        parameters=_recurring(parameters(request.recordings, "", choices), package),
        pipeline_root=choices.pipeline_root,
        experiment=choices.experiment,
        max_concurrency=max_concurrency,
        service_account=choices.service_account,
    )
    made, is_new = Schedules(cluster).make(plan)
    how = "practises" if is_new else "practises already,"
    click.echo(
        f"{deu} {how} {made.when} ({made.name}): {endpoint.schedule_link(made.schedule_id)}"
    )
    if not (is_new or made.is_enabled):
        click.echo(
            "  it is disabled, and begins no runs until `amadeus pipeline schedule enable "
            f"{made.schedule_id}`"
        )
    return 0


def list_schedules(endpoint: Endpoint, experiment: str | None) -> int:
    """Lists schedules; returns the exit status.

    Raises:
      ClusterError: The cluster cannot be reached, or refused.
    """
    place = experiment or EXPERIMENT
    found = Schedules(Cluster(endpoint, on_lost=say_lost)).all_of(place)
    if not found:
        click.echo(f"no schedules in {place} at {endpoint.url}")
    names_shown = [tame(one.name) for one in found]  # of whoever made it
    width = max(map(len, names_shown), default=0)
    for one, name in zip(found, names_shown, strict=True):
        state = "enabled" if one.is_enabled else "disabled"
        when = tame(str(one.when))
        click.echo(f"{one.schedule_id}  {name:<{width}}  {state}  {when}")
    return 0


def change_schedule(
    endpoint: Endpoint, schedule: str, experiment: str | None, word: str
) -> int:
    """Enables, disables or deletes a schedule; returns the exit status.

    Raises:
      ConfigError: There is none.
      ClusterError: The cluster cannot be reached, or refused.
    """
    schedules = Schedules(Cluster(endpoint, on_lost=say_lost))
    found = schedules.find(schedule, experiment or EXPERIMENT)
    change, done = {
        "enable": (schedules.enable, "enabled"),
        "disable": (schedules.disable, "disabled; runs under way go on"),
        "delete": (schedules.delete, "deleted; its runs stay"),
    }[word]
    change(found.schedule_id)
    click.echo(f"schedule {tame(found.name)} {done}")
    return 0


def _recurring(given: dict[str, Any], package: Package) -> dict[str, Any]:
    """Has runs of a schedule grow from the latest voice only where there is something new for it."""
    is_open = given[names.PARENT_GENERATION] == names.LATEST
    if is_open and knows_lessons(package):
        return given | {names.PARENT_GENERATION: names.LATEST_IF_NEW}
    return given


def _request(
    home: Home, deu: str, settings: Sequence[str], choices: Choices | None = None
) -> practice_pb2.ImitationRequest:
    check_name(home, deu)
    if choices is not None:
        refuse_settings(settings, choices)
    profile = profiles.complete_learner_profile(
        profiles.parse_learner_settings(settings)
    )
    return practice_pb2.ImitationRequest(deu=deu, learner_profile=profile)
