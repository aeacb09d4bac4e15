"""Versions of pipelines: uploaded once, for they are named by their content."""

import hashlib
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import kfp_server_api
from kfp_server_api import models

from amadeus.errors import ConfigError
from pipelines.kubeflow.client import Cluster
from pipelines.kubeflow.client_messages import VersionId, bare, named, understood
from pipelines.kubeflow.client_patience import create_once
from pipelines.kubeflow.package import Package

_DIGEST_CHARACTERS = 12


class Uploaded(NamedTuple):
    """A version of a pipeline.

    Attributes:
      version: Which.
      pipeline: Name of the pipeline.
      name: Name of the version.
      is_new: Whether it was not there before.
    """

    version: VersionId
    pipeline: str
    name: str
    is_new: bool


def upload(
    cluster: Cluster, package: Package, *, pipeline: str = "", name: str = ""
) -> Uploaded:
    """Makes a package a version of a pipeline, which is made if there is none.

    Args:
      cluster: Where to.
      package: What.
      pipeline: Name of the pipeline; empty: that of the package.
      name: Name of the version; empty: one made from its content, so that the same package is uploaded once.

    Raises:
      ConfigError: There is another package under this name.
      ClusterError: It is refused, or nobody answers.
    """
    text = package.to_yaml()
    digest = hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_CHARACTERS]
    pipeline = pipeline or package.name
    of_content = f"{package.name}-{digest}"
    name = name or of_content
    shelf = _Shelf(cluster, pipeline)
    found = shelf.find_version(name)
    if found is None:
        with tempfile.TemporaryDirectory(prefix="amadeus-") as folder:
            path = Path(folder, "practice.yaml")
            path.write_text(text, encoding="utf-8")
            version = shelf.add(path, name)
    elif name == of_content or _is_same(found, package):
        version = found
    else:
        raise ConfigError(
            f"there is a version {name!r} of {pipeline} already, of another practice: choose another name with "
            "--version, or leave it out."
        )
    which = VersionId(shelf.pipeline_id, version.pipeline_version_id)
    return Uploaded(which, pipeline, name, found is None)


def _is_same(found: models.V2beta1PipelineVersion, package: Package) -> bool:
    told = found.pipeline_spec
    if told is None:  # older releases do not say
        return True
    platform = told.get("platform_spec", package.platform)
    return bare(told) == package.pipeline and platform == package.platform


class _Shelf:
    """A pipeline and its versions."""

    def __init__(self, cluster: Cluster, pipeline: str) -> None:
        self._cluster = cluster
        self._pipelines = kfp_server_api.PipelineServiceApi(cluster.api)
        self._uploads = kfp_server_api.PipelineUploadServiceApi(cluster.api)
        self.pipeline_id: str = (
            self._find(pipeline) or self._make(pipeline)
        ).pipeline_id

    def find_version(self, name: str) -> models.V2beta1PipelineVersion | None:
        found = self._cluster.ask(
            lambda: self._call(
                self._pipelines.pipeline_service_list_pipeline_versions,
                pipeline_id=self.pipeline_id,
                filter=named(name),
            )
        ).pipeline_versions
        return found[0] if found else None

    def add(self, path: Path, name: str) -> models.V2beta1PipelineVersion:
        version, _ = create_once(
            lambda: self._call(
                self._uploads.upload_pipeline_version,
                uploadfile=str(path),
                name=name,
                pipelineid=self.pipeline_id,
            ),
            lambda: self.find_version(name),
            self._cluster.patience(),
        )
        return version

    def _find(self, pipeline: str) -> models.V2beta1Pipeline | None:
        found = self._cluster.ask(
            lambda: self._call(
                self._pipelines.pipeline_service_list_pipelines,
                filter=named(pipeline),
                **self._cluster.in_namespace(),
            )
        ).pipelines
        return found[0] if found else None

    def _make(self, pipeline: str) -> models.V2beta1Pipeline:
        body = models.V2beta1Pipeline(
            display_name=pipeline, namespace=self._cluster.endpoint.namespace or None
        )
        made, _ = create_once(
            lambda: self._call(
                self._pipelines.pipeline_service_create_pipeline, pipeline=body
            ),
            lambda: self._find(pipeline),
            self._cluster.patience(),
        )
        return made

    def _call(self, method: Any, **arguments: Any) -> Any:
        return understood(self._cluster.endpoint, method, **arguments)
