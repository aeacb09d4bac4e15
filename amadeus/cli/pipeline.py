"""`amadeus pipeline`: practices as pipelines of Kubeflow, compiled, uploaded, scheduled, followed and ended."""

from collections.abc import Callable
from typing import Any

import click

from amadeus.cli.kubeflow_options import (
    compiling_options,
    endpoint_options,
    experiment_option,
    personalities_option,
    read_choices,
    read_endpoint,
    run_options,
)
from amadeus.cli.output import check_output
from amadeus.cli.practice import gather_settings
from amadeus.cli.rooms import load
from amadeus.home import Home

_SUFFIXES = (".yaml", ".yml")
_COMMANDS = "pipelines.kubeflow.client_pipeline"
_PRACTICE = "pipelines.kubeflow.client_practice"


def _learner_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--seed", type=int, help="Seed of everything random."),
        click.option(
            "--learner",
            metavar="KEY=VALUE",
            multiple=True,
            help="A setting of the learner, such as sample_rate=48000. May be repeated.",
        ),
        click.option(
            "--steps", type=int, help="How many steps to train, instead of minutes."
        ),
        click.option("--minutes", type=float, help="How long to train, in minutes."),
    ):
        command = option(command)
    return command


@click.group()
def pipeline() -> None:
    """Practise on Kubeflow Pipelines: compile, upload, schedule, follow."""


@pipeline.group("compile")
def compile_() -> None:
    """Compile a practice for Kubeflow Pipelines v2."""


@compile_.command("imitate")
@click.option("--deu", "name", required=True, metavar="NAME", help="Who practises.")
@click.option(
    "--audio",
    metavar="URL",
    multiple=True,
    help="Recordings in a store: files or folders; runs may name others. May be repeated.",
)
@_learner_options
@click.option(
    "--beam-arg",
    metavar="ARG",
    multiple=True,
    help="An option for Beam as it stands. May be repeated.",
)
@compiling_options
@click.option(
    "-o", "output", metavar="FILE", required=True, help="The YAML file to write."
)
@click.pass_obj
def compile_imitate(
    home: Home,
    name: str,
    audio: tuple[str, ...],
    beam_arg: tuple[str, ...],
    output: str,
    minutes: float | None,
    steps: int | None,
    learner: tuple[str, ...],
    seed: int | None,
    image: str | None,
    resources_path: Any,
    pipeline_root: str | None,
) -> int:
    """Write a practice as pipeline IR of schema 2.1.0, with its platform config.

    What it hears, grows from and writes to are inputs of the pipeline, which each run may set anew.
    """
    settings = gather_settings(learner, minutes=minutes, steps=steps, seed=seed)
    return load(_COMMANDS).compile_imitate(
        home,
        name,
        audio,
        settings,
        beam_arg,
        check_output(output, suffixes=_SUFFIXES),
        image=image or "",
        resources_path=resources_path,
        pipeline_root=pipeline_root or "",
    )


@pipeline.command()
@click.argument("package")
@click.option(
    "--name", default="", help="Name of the pipeline. Default: that in PACKAGE."
)
@click.option(
    "--version",
    default="",
    help="Name of the version. Default: one made from its content.",
)
@endpoint_options
def upload(package: str, name: str, version: str, **options: Any) -> int:
    """Make PACKAGE, a compiled practice, a version of a pipeline; what is there already is not uploaded again."""
    endpoint = read_endpoint(options)
    return load(_COMMANDS).upload(endpoint, package, name, version)


@pipeline.command()
@click.option(
    "--limit", default=20, type=click.IntRange(1), help="The most to list. Default: 20."
)
@experiment_option
@endpoint_options
def runs(limit: int, experiment: str | None, **options: Any) -> int:
    """List runs, the newest first."""
    endpoint = read_endpoint(options)
    return load(_PRACTICE).list_runs(endpoint, experiment, limit)


@pipeline.command()
@click.argument("run")
@click.option(
    "--deu",
    "name",
    default="",
    metavar="NAME",
    help="Whose practice it is, if the run does not say.",
)
@personalities_option
@endpoint_options
@click.pass_obj
def follow(
    home: Home, run: str, name: str, personalities_url: str | None, **options: Any
) -> int:
    """Follow RUN, an id or a name, and bring its voice home.

    All that happened so far is shown again. Ctrl-C leaves the run to the cluster.
    """
    endpoint = read_endpoint(options)
    return load(_PRACTICE).follow(
        home, endpoint, run, personalities_url=personalities_url or "", deu=name
    )


@pipeline.command()
@click.argument("run")
@endpoint_options
def cancel(run: str, **options: Any) -> int:
    """End RUN, an id or a name; its deu stays as it was."""
    endpoint = read_endpoint(options)
    return load(_PRACTICE).cancel(endpoint, run)


@pipeline.group()
def schedule() -> None:
    """Practise again and again, on a folder that grows."""


@schedule.command("imitate")
@click.argument("name")
@click.argument("recordings", nargs=-1, required=True)
@click.option("--every", metavar="INTERVAL", help="How often, such as 30m, 6h or 1d.")
@click.option(
    "--cron",
    metavar="FIELDS",
    help="When, as crontab says it: '0 3 * * *'; six fields begin with the second.",
)
@click.option(
    "--name",
    "schedule_name",
    default="",
    help="Name of the schedule. Default: made of NAME and when.",
)
@click.option(
    "--max-concurrency",
    default=1,
    type=click.IntRange(1, 10),
    help="The most runs at once. Default: 1.",
)
@_learner_options
@run_options
@endpoint_options
@click.pass_obj
def schedule_imitate(
    home: Home,
    name: str,
    recordings: tuple[str, ...],
    every: str | None,
    cron: str | None,
    schedule_name: str,
    max_concurrency: int,
    minutes: float | None,
    steps: int | None,
    learner: tuple[str, ...],
    seed: int | None,
    **options: Any,
) -> int:
    """Teach the deu NAME to sound like RECORDINGS, files and folders in a store, again and again.

    Each run hears what is there when it begins, and grows from the latest voice; where nothing is new to that voice,
    the cache answers, and no generation is made. What was missed is not caught up with.
    """
    endpoint, choices = read_endpoint(options), read_choices(options)
    settings = gather_settings(learner, minutes=minutes, steps=steps, seed=seed)
    return load(_COMMANDS).schedule_imitate(
        home,
        endpoint,
        name,
        recordings,
        settings,
        choices,
        every=every,
        cron=cron,
        name=schedule_name,
        max_concurrency=max_concurrency,
    )


@schedule.command("list")
@experiment_option
@endpoint_options
def list_(experiment: str | None, **options: Any) -> int:
    """List schedules, the newest first."""
    return load(_COMMANDS).list_schedules(read_endpoint(options), experiment)


def _changes(word: str, summary: str) -> None:
    @schedule.command(word, help=summary)
    @click.argument("schedule_id", metavar="SCHEDULE")
    @experiment_option
    @endpoint_options
    def change(schedule_id: str, experiment: str | None, **options: Any) -> int:
        endpoint = read_endpoint(options)
        return load(_COMMANDS).change_schedule(endpoint, schedule_id, experiment, word)


_changes("disable", "Begin no more runs by SCHEDULE, an id or a name.")
_changes("enable", "Begin runs by SCHEDULE again.")
_changes("delete", "Delete SCHEDULE; its runs stay.")
