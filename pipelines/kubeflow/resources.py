"""What the containers of a practice are given: a file of our own, its keys checked.

# resources.yaml
defaults:                      # for every component
memory_limit: 4Gi
retries: 2
components:
Trainer:
cpu_request: 4
gpu: nvidia.com/gpu
gpu_count: 1
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class ContainerResources:
    """What the container of one component is given; what is None is left to the cluster."""

    cpu_request: str | None = None
    cpu_limit: str | None = None
    memory_request: str | None = None
    memory_limit: str | None = None
    gpu: str | None = None
    gpu_count: int = 1
    retries: int = 2


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What the containers of a practice are given.

    Attributes:
      defaults: For every component that is not named.
      components: By name of the component, such as `Trainer`.
    """

    defaults: ContainerResources = ContainerResources()
    components: Mapping[str, ContainerResources] = field(default_factory=dict)

    def of(self, component: str) -> ContainerResources:
        """Finds what a component is given."""
        return self.components.get(component, self.defaults)
