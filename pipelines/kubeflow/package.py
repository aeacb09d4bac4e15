"""A compiled pipeline, as Kubeflow Pipelines takes it."""

from dataclasses import dataclass
from typing import Any

import yaml


@dataclass(frozen=True)
class Package:
    """A pipeline and what Kubernetes shall do for its containers.

    Attributes:
      pipeline: A PipelineSpec, schema 2.1.0, as JSON has it.
      platform: A PlatformSpec, as JSON has it; empty: none is needed.
    """

    pipeline: dict[str, Any]
    platform: dict[str, Any]

    @property
    def name(self) -> str:
        """Name of the pipeline."""
        return self.pipeline["pipelineInfo"]["name"]

    def to_yaml(self) -> str:
        """Writes the package as one file: the pipeline, and after `---` the platform where there is one."""
        documents = [self.pipeline, *([self.platform] if self.platform else [])]
        return yaml.dump_all(
            documents, Dumper=_Plain, sort_keys=True, width=100_000, allow_unicode=True
        )


class _Plain(yaml.SafeDumper):
    """Writes what occurs twice twice: anchors are YAML, but not every reader follows them."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
