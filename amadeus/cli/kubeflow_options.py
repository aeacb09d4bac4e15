"""The options of commands that go to Kubeflow Pipelines: where they are, how to get in, and what a run is made of."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from amadeus.cli.rooms import load
from amadeus.errors import ConfigError

_FILE = click.Path(dir_okay=False, path_type=Path)
_ENDPOINT = (
    click.option(
        "--endpoint",
        metavar="URL",
        help="Kubeflow Pipelines, such as https://kubeflow.example.com/pipeline. Default: $AMADEUS_KFP_ENDPOINT. Their "
        "token: $AMADEUS_KFP_TOKEN.",
    ),
    click.option(
        "--token-file",
        "token_path",
        type=_FILE,
        help="A file that holds their token, read anew for each request. Default: $AMADEUS_KFP_TOKEN_FILE.",
    ),
    click.option(
        "--ca",
        "ca_path",
        type=_FILE,
        help="Trust the authorities in this PEM file. Default: $AMADEUS_KFP_CA.",
    ),
    click.option(
        "--namespace", help="Namespace of the ama, where an installation has several."
    ),
    click.option(
        "--insecure",
        is_flag=True,
        help="Show the token to another machine without TLS, where others can read it.",
    ),
)
_EXPERIMENT = click.option(
    "--experiment", help="What runs are listed under. Default: amadeus."
)
_PERSONALITIES = click.option(
    "--personalities",
    "personalities_url",
    metavar="URL",
    envvar="AMADEUS_PERSONALITIES",
    show_envvar=True,
    help="Store that voices go to and come home from, such as gs://bucket/voices.",
)
_COMPILING = (
    click.option(
        "--image",
        metavar="NAME@DIGEST",
        envvar="AMADEUS_IMAGE",
        show_envvar=True,
        help="Image of the containers.",
    ),
    click.option(
        "--resources",
        "resources_path",
        type=_FILE,
        help="What the containers are given: CPU, memory, GPU, secrets ... as a file.",
    ),
    click.option(
        "--pipeline-root",
        metavar="URL",
        envvar="AMADEUS_PIPELINE_ROOT",
        show_envvar=True,
        help="Where artifacts go, such as gs://bucket/amadeus.",
    ),
)
_RUN = (
    click.option(
        "--package",
        "package_path",
        type=_FILE,
        help="A compiled practice, instead of compiling one.",
    ),
    *_COMPILING,
    _PERSONALITIES,
    click.option(
        "--metadata",
        "metadata_url",
        metavar="URL",
        help="ML Metadata as containers reach it, without a password. Default: as their environment says.",
    ),
    click.option(
        "--parent",
        "parent_generation",
        metavar="N",
        help="Generation in the store to grow from: its number, 0 for none. Default: the latest.",
    ),
    _EXPERIMENT,
    click.option("--service-account", help="Kubernetes account that a run runs as."),
)
_ENDPOINT_FLAGS = {
    "endpoint": "--endpoint",
    "token_path": "--token-file",
    "ca_path": "--ca",
    "namespace": "--namespace",
    "insecure": "--insecure",
}
_RUN_FLAGS = {
    "package_path": "--package",
    "resources_path": "--resources",
    "metadata_url": "--metadata",
    "parent_generation": "--parent",
    "experiment": "--experiment",
    "service_account": "--service-account",
}
_MAX_DIGITS = 9  # of a generation, as stores count
_FROM_ENVIRONMENT = ("image", "pipeline_root", "personalities_url")

Command = Callable[..., Any]


def endpoint_options(command: Command) -> Command:
    """Adds what says where Kubeflow Pipelines are; `read_endpoint` takes it."""
    return _add(command, _ENDPOINT)


def experiment_option(command: Command) -> Command:
    """Adds what runs are listed under."""
    return _EXPERIMENT(command)


def personalities_option(command: Command) -> Command:
    """Adds where voices go to."""
    return _PERSONALITIES(command)


def compiling_options(command: Command) -> Command:
    """Adds what is compiled into a package."""
    return _add(command, _COMPILING)


def run_options(command: Command) -> Command:
    """Adds what a run is made of; `read_choices` takes it."""
    return _add(command, _RUN)


def read_endpoint(options: dict[str, Any]) -> Any:
    """Takes the options of an endpoint out and makes a `pipelines.kubeflow.client_endpoint.Endpoint` of them.

    Raises:
      ConfigError: There is no address, or something of it cannot be.
    """
    given = {name: options.pop(name) for name in _ENDPOINT_FLAGS}
    return load("pipelines.kubeflow.client_endpoint").find_endpoint(
        given["endpoint"],
        token_path=given["token_path"],
        ca_path=given["ca_path"],
        namespace=given["namespace"] or "",
        insecure=given["insecure"],
    )


def read_choices(options: dict[str, Any]) -> Any:
    """Takes the options of a run out and makes `pipelines.kubeflow.client_packing.Choices` of them.

    Raises:
      ConfigError: They cannot go together.
    """
    packing = load("pipelines.kubeflow.client_packing")
    given = {name: options.pop(name) for name in (*_RUN_FLAGS, *_FROM_ENVIRONMENT)}
    if given["package_path"] is not None and not _is_typed("image"):
        del given["image"]  # the environment's is for what is compiled
    parent = given.pop("parent_generation")
    chosen = {name: one for name, one in given.items() if one}
    if parent is not None:
        chosen["parent_generation"] = read_parent(parent)  # 0 says something, too
    return packing.Choices(**chosen)


def read_parent(text: str) -> int:
    """Reads a generation to grow from.

    Raises:
      ConfigError: It is none.
    """
    if text == "latest":
        return load("pipelines.kubeflow.names").LATEST
    if not text.isdecimal() or len(text) > _MAX_DIGITS:
        raise ConfigError(
            f"--parent {text} is no generation: give its number, 0 for none, or latest."
        )
    return int(text)


def refuse_kubeflow(options: dict[str, Any], *, follows: bool) -> None:
    """Takes all these options out where no cluster practises, and refuses what was given of them.

    Args:
      options: Of the command.
      follows: Whether `--follow` was given.

    Raises:
      ConfigError: One was.
    """
    flags = _ENDPOINT_FLAGS | _RUN_FLAGS
    given = ["--follow"] if follows else []
    given += [flag for name, flag in flags.items() if options.pop(name)]
    given += [
        f"--{name.removesuffix('_url').replace('_', '-')}"
        for name in _FROM_ENVIRONMENT
        if options.pop(name) and _is_typed(name)
    ]
    if given:
        raise ConfigError(
            f"{given[0]} was given without a cluster: say --runner kubeflow to practise on one."
        )


def _is_typed(name: str) -> bool:
    """Whether an option was given on the command line, and not by the environment."""
    source = click.get_current_context().get_parameter_source(name)
    return source is click.core.ParameterSource.COMMANDLINE


def _add(command: Command, options: tuple[Any, ...]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command
