"""From what was asked for to what is sent: the package, compiled or read, and what a run is begun with."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from amadeus.cli.quiet import stderr_kept_back
from amadeus.errors import ConfigError
from amadeus.stores import addresses
from amadeus.v1 import practice_pb2
from pipelines.kubeflow import names
from pipelines.kubeflow.client_messages import EXPERIMENT
from pipelines.kubeflow.client_package import check_deu, read_package
from pipelines.kubeflow.package import Package


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What may be chosen of a run besides the practice itself.

    Attributes:
      package_path: A compiled practice; None compiles one.
      image: Image of the containers.
      resources_path: What the containers are given; None leaves it to the cluster.
      pipeline_root: Where artifacts go; empty: as compiled.
      personalities_url: Store of personalities; empty: as the containers' environment says.
      metadata_url: ML Metadata; empty: as the containers' environment says.
      parent_generation: To grow from: 0 for nothing, `names.LATEST` for the highest when the run begins.
      experiment: What runs are listed under.
      service_account: Kubernetes account they run as; empty: that of the cluster.

    Raises:
      ConfigError: They cannot go together.
    """

    package_path: Path | None = None
    image: str = ""
    resources_path: Path | None = None
    pipeline_root: str = ""
    personalities_url: str = ""
    metadata_url: str = ""
    parent_generation: int = names.LATEST
    experiment: str = EXPERIMENT
    service_account: str = ""

    def __post_init__(self) -> None:
        if self.pipeline_root:
            _check_bucket("--pipeline-root", self.pipeline_root)
        if self.personalities_url:
            addresses.parse(self.personalities_url)
        if _has_password(self.metadata_url):
            raise ConfigError(
                "--metadata holds a password, which every page of the run would show: leave it out, and give it to the "
                "containers as a secret."
            )
        if self.package_path is None:
            self._check_compilable()
        elif self.image or self.resources_path:
            given = "--image" if self.image else "--resources"
            raise ConfigError(
                f"{given} is compiled into {self.package_path}: leave it out, or compile another package."
            )

    def _check_compilable(self) -> None:
        if not self.image:
            raise ConfigError(
                "no image was named: give --image NAME@sha256:DIGEST, an image with Amadeus in it, or --package FILE, "
                "a practice that `amadeus pipeline compile` has compiled."
            )
        if not self.pipeline_root:
            raise ConfigError(
                "no place for artifacts was named: give --pipeline-root, such as gs://bucket/amadeus, or set "
                "AMADEUS_PIPELINE_ROOT."
            )


def make_package(request: practice_pb2.ImitationRequest, choices: Choices) -> Package:
    """Compiles a practice, or reads one that was compiled.

    Raises:
      ConfigError: The package is none, teaches another deu, or the request cannot be compiled.
    """
    if choices.package_path is not None:
        package = read_package(choices.package_path)
        check_deu(package, request.deu, choices.package_path)
        return package
    if "@sha256:" not in choices.image:
        click.echo(
            f"warning: {choices.image} is named without a digest, so that containers of one run may get different "
            "images: name it as NAME@sha256:DIGEST."
        )
    click.echo("compiling; TFX takes a few seconds to load")
    with stderr_kept_back():
        from pipelines.kubeflow import compiling, resources  # TFX

        return compiling.compile_practice(
            request,
            pipeline_root=choices.pipeline_root,
            image=choices.image,
            resources=resources.read_resources(choices.resources_path)
            if choices.resources_path
            else None,
        )


def parameters(
    recordings: practice_pb2.Recordings, practice: str, choices: Choices
) -> dict[str, Any]:
    """Says what a run is begun with; what is left open is as compiled, or as the containers' environment says.

    Args:
      recordings: In stores; none: those that were compiled in.
      practice: Its name; empty: that of the run.
      choices: The rest.
    """
    given: dict[str, Any] = {
        names.PRACTICE: practice,
        names.PARENT_GENERATION: choices.parent_generation,
    }
    if recordings.uri:
        given[names.RECORDINGS] = list(recordings.uri)
        given[names.RECORDING_NAMES] = list(recordings.name)
    if choices.metadata_url:
        given[names.METADATA_URL] = choices.metadata_url
    if choices.personalities_url:
        given[names.PERSONALITIES_URL] = choices.personalities_url
    return given


def root_of(package: Package | None, choices: Choices) -> str:
    """Finds where artifacts go."""
    compiled = package.pipeline.get("defaultPipelineRoot", "") if package else ""
    return choices.pipeline_root or compiled


def _check_bucket(flag: str, url: str) -> None:
    if addresses.parse(url).scheme == addresses.FILE:
        raise ConfigError(
            f"{flag} {url} is on this machine, which no container sees: name a bucket, such as gs://bucket/amadeus."
        )


def _has_password(url: str) -> bool:
    if not url:
        return False
    from amadeus.lineage.addresses import shown  # ML Metadata

    return shown(url) != url.partition("?")[0]
