"""What `amadeus practice --runner kubeflow` does: begin a run, follow it, leave it, come back, bring the voice home."""

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path

import click

from amadeus.audio.recordings import find_recordings
from amadeus.cli.practice import listen_first, new_practice_id
from amadeus.cli.quiet import stderr_kept_back
from amadeus.cli.status import (
    EXIT_BAD_INPUT,
    EXIT_FAULT,
    EXIT_INTERRUPTED,
    complain,
)
from amadeus.cli.summary import say_result
from amadeus.errors import (
    ClusterError,
    ConfigError,
    HomeError,
    NotHeldError,
    StoreError,
)
from amadeus.home import NAME_PATTERN, Home
from amadeus.personality import profiles
from amadeus.personality.quoting import printable
from amadeus.report.session import Session
from amadeus.stores import addresses, is_url
from amadeus.v1 import practice_pb2, profiles_pb2
from pipelines import beam_places
from pipelines.kubeflow import names
from pipelines.kubeflow.client import Cluster
from pipelines.kubeflow.client_endpoint import Endpoint
from pipelines.kubeflow.client_follow import Pace
from pipelines.kubeflow.client_follow import follow as follow_run
from pipelines.kubeflow.client_messages import EXPERIMENT, Run, Submission
from pipelines.kubeflow.client_packing import (
    Choices,
    make_package,
    parameters,
    root_of,
)
from pipelines.kubeflow.client_recordings import (
    look,
    name_recordings,
    place_recordings,
)
from pipelines.kubeflow.client_teller import Teller
from pipelines.kubeflow.package import Package
from pipelines.kubeflow.resources import read_resources


def imitate(
    home: Home,
    endpoint: Endpoint,
    deu: str,
    recordings: Sequence[str],
    settings: Sequence[str],
    beam_args: Sequence[str],
    choices: Choices,
    *,
    follows: bool,
) -> int:
    """Has a cluster practise; returns the exit status.

    Args:
      home: Takes the voice in.
      endpoint: Of the cluster.
      deu: Who practises there, and whose voice it becomes here.
      recordings: As the ama names them: all in stores, or all on this machine.
      settings: Of the learner.
      beam_args: Options for Beam.
      choices: Of the run.
      follows: Whether to stay to the end.

    Raises:
      AmadeusError: Something cannot work, or the cluster cannot be reached, or refused.
    """
    check_name(home, deu)
    refuse_settings([*settings, *beam_args], choices)
    beam_places.check_contained(beam_args)
    request = practice_pb2.ImitationRequest(
        deu=deu,
        learner_profile=profiles.complete_learner_profile(
            profiles.parse_learner_settings(settings)
        ),
        beam_arg=beam_args,
        parent_generation=choices.parent_generation,
    )
    cluster = Cluster(endpoint, on_lost=say_lost)
    # Before anything is compiled or sent: a wrong address is known at once, and a wrong file of resources.
    cluster.experiment_id(choices.experiment)
    if choices.resources_path is not None:
        read_resources(choices.resources_path)
    package = make_package(request, choices) if choices.package_path else None
    request.recordings.CopyFrom(
        gather(recordings, request.learner_profile, root_of(package, choices))
    )
    request.practice = new_practice_id()
    run = _begin(cluster, package or make_package(request, choices), request, choices)
    click.echo(
        f"{request.deu} practises on the cluster ({request.practice}): {endpoint.run_link(run.run_id)}"
    )
    if not follows:
        click.echo(_ways(endpoint, run.run_id))
        return 0
    return _follow(home, cluster, run, choices.personalities_url)


def follow(
    home: Home, endpoint: Endpoint, name: str, *, personalities_url: str, deu: str
) -> int:
    """Follows a run, and brings its voice home; returns the exit status.

    Args:
      home: Takes the voice in.
      endpoint: Of the cluster.
      name: Of the run, or its id.
      personalities_url: Store of personalities; empty: as the run was begun.
      deu: Whose practice it is; empty: as the run says.

    Raises:
      ClusterError: The cluster cannot be reached, or refused.
      ConfigError: There is no such run, or the store can be none.
    """
    if personalities_url:
        addresses.parse(personalities_url)  # now, and not when the run has ended
    cluster = Cluster(endpoint, on_lost=say_lost)
    run = cluster.find(name)
    click.echo(f"run {run.name}: {endpoint.run_link(run.run_id)}")
    return _follow(home, cluster, run, personalities_url, deu=deu)


def cancel(endpoint: Endpoint, name: str) -> int:
    """Ends a run; returns the exit status.

    Raises:
      ClusterError: The cluster cannot be reached, or refused.
      ConfigError: There is no such run.
    """
    cluster = Cluster(endpoint, on_lost=say_lost)
    run = cluster.find(name)
    if run.is_over:
        click.echo(f"run {run.name} is over: {say_state(run)}")
        return 0
    cluster.cancel(run.run_id)
    click.echo(
        f"run {run.name} ends; what was done before is kept, and the same command takes it up"
    )
    return 0


def list_runs(endpoint: Endpoint, experiment: str | None, limit: int) -> int:
    """Lists runs, the newest first; returns the exit status.

    Raises:
      ClusterError: The cluster cannot be reached, or refused.
    """
    place = experiment or EXPERIMENT
    runs = Cluster(endpoint, on_lost=say_lost).runs(place, limit)
    if not runs:
        click.echo(f"no runs in {place} at {endpoint.url}")
    width = max((len(run.name) for run in runs), default=0)
    for run in runs:
        begun = f"{run.created_at:%Y-%m-%d %H:%M}" if run.created_at else ""
        click.echo(f"{run.run_id}  {run.name:<{width}}  {begun}  {say_state(run)}")
    return 0


def say_state(run: Run) -> str:
    """Says in a few words how a run stands."""
    state = run.state.lower().replace("pending", "queued")
    return f"{state}: {run.text}" if run.text else state


def say_lost(error: ClusterError, pause_s: float) -> None:
    """Says that the API went away, and when it is asked again."""
    click.echo(f"{error}\n  trying again in {max(pause_s, 1):.0f} s", err=True)


def gather(
    recordings: Sequence[str], profile: profiles_pb2.LearnerProfile, root: str
) -> practice_pb2.Recordings:
    """Names recordings as a cluster finds them; those on this machine are listened to, and go to the pipeline root.

    Raises:
      RecordingError: There are none, or nothing can be learned from them.
      StoreError: The store cannot be written.
    """
    if any(map(is_url, recordings)):
        named = name_recordings(recordings)
        for sentence in look(recordings):
            click.echo(f"warning: {sentence}")
        return named
    paths = find_recordings(recordings)
    listen_first(paths, profile)
    click.echo(f"{len(paths)} recordings go to {root}, those that are not there yet")
    return place_recordings(paths, root, on_sent=_say_sent)


def _begin(
    cluster: Cluster,
    package: Package,
    request: practice_pb2.ImitationRequest,
    choices: Choices,
) -> Run:
    name = f"{request.deu} {request.practice}"
    submission = Submission(
        name=name,
        pipeline=package.pipeline,
        platform=package.platform,
        parameters=parameters(request.recordings, request.practice, choices),
        pipeline_root=choices.pipeline_root,
        experiment=choices.experiment,
        service_account=choices.service_account,
        description=f"Teaches {request.deu} to sound like recordings.",
    )
    try:
        return cluster.begin(submission)
    except KeyboardInterrupt:
        click.echo(
            f"\nleft while the run was begun; if it was, its name is {name!r}, which `amadeus pipeline follow` and "
            "`amadeus pipeline cancel` take",
            err=True,
        )
        raise


def _follow(
    home: Home, cluster: Cluster, run: Run, personalities_url: str, *, deu: str = ""
) -> int:
    deu = deu or cluster.deu_of(run)
    if not NAME_PATTERN.fullmatch(deu):
        raise ConfigError(
            f"run {run.name} does not say whom it teaches: name the deu with --deu."
        )
    practice = printable(str(run.parameters.get(names.PRACTICE) or run.run_id))
    began_at = time.monotonic()
    teller = Teller(cluster.endpoint, deu, practice)
    try:
        with teller:
            over = follow_run(cluster, run.run_id, teller, pace=Pace())
    except KeyboardInterrupt:
        ways = _ways(cluster.endpoint, run.run_id)
        return complain(f"left; the run goes on without you\n{ways}", EXIT_INTERRUPTED)
    except (ClusterError, ConfigError) as error:  # or the token's file is gone
        link = cluster.endpoint.run_link(run.run_id)
        ways = _ways(cluster.endpoint, run.run_id)
        return complain(f"{error}\n  the run goes on: {link}\n{ways}", EXIT_BAD_INPUT)
    begun_with = str(run.parameters.get(names.PERSONALITIES_URL) or "")
    store_url = personalities_url or printable(begun_with)
    wall_s = max(time.monotonic() - began_at, teller.session.elapsed_s)
    return _conclude(
        home, cluster.endpoint, over, teller.session, deu, store_url, wall_s
    )


def _conclude(
    home: Home,
    endpoint: Endpoint,
    run: Run,
    seen: Session,
    deu: str,
    store_url: str,
    wall_s: float,
) -> int:
    link = endpoint.run_link(run.run_id)
    if run.state == "CANCELED":
        return complain(
            f"run {run.name} was cancelled; {deu} is as it was: {link}", EXIT_BAD_INPUT
        )
    if run.state != "SUCCEEDED":
        return _explain_failure(run, seen, link)
    if not store_url:
        click.echo(
            f"the run ended well: {link}\n  its voice is in the store of its containers; `amadeus pipeline follow "
            f"{run.run_id}` brings it home with --personalities URL"
        )
        return 0
    try:
        lines = _bring_home(home, seen, deu, store_url, link, wall_s)
    except (ConfigError, StoreError, HomeError) as error:
        return complain(
            f"{error}\n  the run ended well: {link}\n  its voice is in {store_url}; bring it home with `amadeus "
            f"pipeline follow {run.run_id}`",
            EXIT_BAD_INPUT,
        )
    for line in lines:
        click.echo(line)
    return 0


def _explain_failure(run: Run, seen: Session, link: str) -> int:
    if seen.failed is not None:
        # A container that was asked to stop says 130, which is not for whoever follows.
        is_ours = seen.failed.exit_status == EXIT_FAULT
        status = EXIT_FAULT if is_ours else EXIT_BAD_INPUT
        return complain(f"{seen.failed.text}\n  the run: {link}", status)
    done = [cost.name for cost in seen.components]
    where = next((name for name in seen.started_s if name not in done), "")
    what = f"{where} failed" if where else "the run failed"
    said = (
        f" ({run.text})"
        if run.text
        else ", and said nothing that can be read from here"
    )
    return complain(
        f"{what}{said}: look at its log, then start the practice again, which takes up from what was done.\n"
        f"  the run: {link}",
        EXIT_BAD_INPUT,
    )


def _bring_home(
    home: Home, seen: Session, deu: str, store_url: str, link: str, wall_s: float
) -> list[str]:
    with stderr_kept_back():
        from pipelines.kubeflow import client_home  # TensorFlow, ML Metadata

        brought = client_home.bring_home(home, store_url, deu, seen.practice)
    if brought is None:
        return [f"the run ended well, and {store_url} has no voice of {deu}: {link}"]
    lines: list[str] = []
    if brought.is_of_run or seen.evaluated is not None:
        seen.finished = practice_pb2.PracticeFinished(
            generation=brought.voice.generation,
            digest=brought.voice.digest,
            is_new=brought.is_of_run,
        )
        lines += say_result(deu, seen, wall_s=wall_s)
    else:
        lines.append(f"the run ended well and made no new voice: {link}")
    if brought.held is None:
        return lines
    here = brought.held.personality
    how = (
        "was held here already, as" if brought.held.already_held else "is held here, as"
    )
    return [
        *lines,
        f"the voice {how} generation {here.generation} of {here.deu}",
        "next",
        f"  amadeus perform {here.deu} tune.mid -o tune.wav",
    ]


def refuse_settings(settings: Sequence[str], choices: Choices) -> None:
    """Refuses settings of the learner beside a package, into which they are compiled.

    Raises:
      ConfigError: There are some.
    """
    if settings and choices.package_path is not None:
        raise ConfigError(
            f"{settings[0]} is compiled into {choices.package_path}: leave it out, or compile another package."
        )


def check_name(home: Home, deu: str) -> None:
    """Makes sure that a name can be one of a deu; it need not be here.

    Raises:
      ConfigError: It cannot.
    """
    with contextlib.suppress(NotHeldError):
        home.deu(deu)


def _ways(endpoint: Endpoint, run_id: str) -> str:
    where = f"{run_id} --endpoint {endpoint.url}"
    if endpoint.namespace:
        where += f" --namespace {endpoint.namespace}"
    if endpoint.insecure:
        where += " --insecure"
    return (
        f"  to come back: amadeus pipeline follow {where}\n"
        f"  to end it: amadeus pipeline cancel {where}"
    )


def _say_sent(path: Path, n_bytes: int) -> None:
    click.echo(f"  sent {path.name}, {n_bytes / 1e6:.1f} MB")
