"""What the containers of a practice are given, from a file whose keys are checked.

    # resources.yaml: `defaults` hold for every component, `components` say what is different for one
    defaults:
      cpu_request: 1              # Kubernetes quantities: cores (0.5, 500m) ...
      memory_limit: 4Gi           # ... and bytes
      retries: 2                  # further attempts after a failure, 0 for none
      retry_backoff_s: 30         # before the first of them; then factor by factor, up to the most
      retry_backoff_factor: 2
      retry_backoff_max_s: 600
      timeout_s: 7200             # the container is ended after this, attempts counted one by one
      secrets:                    # by name: what is in them is never written anywhere
        - {name: bucket-access, key: access, env: AWS_ACCESS_KEY_ID}
        - {name: metadata-tls, path: /etc/metadata-tls}    # all keys as files
      env: {AWS_ENDPOINT_URL_S3: "http://minio-service.kubeflow:9000"}
      image_pull_secrets: [registry]
    components:
      Trainer:
        cpu_request: 4
        memory_limit: 16Gi
        gpu: nvidia.com/gpu       # name of the resource, as the nodes of the cluster offer it
        gpu_count: 1
        node_selector: {cloud.google.com/gke-accelerator: nvidia-l4}
        tolerations:
          - {key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}
        shared_memory: 2Gi        # /dev/shm
        volumes:
          - {claim: recordings, path: /recordings}         # a PersistentVolumeClaim that is there

Components are those of the practice, and `prepare`, which looks at recordings and parent when a run begins. A mapping
of a component adds to that of the defaults, key by key; anything else replaces it. What is left out is left to the
cluster.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from amadeus.errors import ConfigError
from pipelines.kubeflow.resource_checks import CHECKS, mapping

COMPONENTS = (
    "prepare",
    "AudioExampleGen",
    "DdspTransform",
    "Trainer",
    "Evaluator",
    "Pusher",
    "PersonalityWriter",
)
"""Names under `components`; a test holds them to what is compiled."""

_MAX_BYTES = 2**20


@dataclass(frozen=True, kw_only=True)
class ContainerResources:
    """What the container of one component is given; what is None is left to the cluster.

    Attributes:
      cpu_request: Cores it is sure of, as a Kubernetes quantity.
      cpu_limit: Most cores.
      memory_request: Bytes it is sure of, as a Kubernetes quantity.
      memory_limit: Most bytes.
      gpu: Name of the resource of an accelerator.
      gpu_count: How many.
      node_selector: Labels a node must have.
      tolerations: Taints of nodes that are put up with: key, operator, value, effect, seconds.
      secrets: Names of secrets: one key as a variable of the environment, or all as files.
      volumes: Claims of volumes and where they are mounted.
      env: Variables of the environment.
      shared_memory: Size of /dev/shm.
      timeout_s: Seconds after which an attempt is ended.
      retries: Further attempts after a failure.
      retry_backoff_s: Seconds before the first of them.
      retry_backoff_factor: How much longer before each further one.
      retry_backoff_max_s: Most seconds.
      image_pull_secrets: Names of secrets to pull the image with.
    """

    cpu_request: str | None = None
    cpu_limit: str | None = None
    memory_request: str | None = None
    memory_limit: str | None = None
    gpu: str | None = None
    gpu_count: int = 1
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: Sequence[Mapping[str, Any]] = ()
    secrets: Sequence[Mapping[str, Any]] = ()
    volumes: Sequence[Mapping[str, Any]] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    shared_memory: str | None = None
    timeout_s: int | None = None
    retries: int = 2
    retry_backoff_s: int = 30
    retry_backoff_factor: float = 2.0
    retry_backoff_max_s: int = 600
    image_pull_secrets: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What the containers of a practice are given.

    Attributes:
      defaults: For every component that is not named.
      components: By name of the component, such as `Trainer`; complete.
    """

    defaults: ContainerResources = ContainerResources()
    components: Mapping[str, ContainerResources] = field(default_factory=dict)

    def of(self, component: str) -> ContainerResources:
        """Finds what a component is given."""
        return self.components.get(component, self.defaults)


def read_resources(path: Path) -> Resources:
    """Reads a file of resources.

    Raises:
      ConfigError: It cannot be read, or something in it is unknown or cannot be.
    """
    try:
        text = _read(path).decode()
        given = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ConfigError(
            f"cannot read {path}: {reason}; name a YAML file of resources."
        ) from error
    except ConfigError:
        raise  # is a ValueError, too
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # 2026-02-30
        raise ConfigError(
            f"{path} is no YAML ({str(error).splitlines()[0]}): write `defaults:` and `components:`."
        ) from error
    try:
        return parse_resources({} if given is None else given)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def parse_resources(given: Any) -> Resources:
    """Reads resources as YAML has them.

    Raises:
      ConfigError: Something in it is unknown or cannot be.
    """
    top = mapping(given, "the file", ("defaults", "components"))
    common = mapping(top.get("defaults") or {}, "defaults", _fields())
    named = mapping(top.get("components") or {}, "components", COMPONENTS)
    return Resources(
        defaults=_container(common, "defaults"),
        components={
            name: _container(_joined(common, own, name), name)
            for name, own in named.items()
        },
    )


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise ConfigError(
            f"{path} is larger than {_MAX_BYTES // 2**20} MB: name a YAML file of resources, which has a few lines."
        )
    return data


def _joined(common: dict[str, Any], own: Any, name: str) -> dict[str, Any]:
    """Lays what is said of one component over what holds for all."""
    joined = dict(common)
    for key, value in mapping(own or {}, name, _fields()).items():
        before = joined.get(key)
        both = isinstance(before, dict) and isinstance(value, dict)
        joined[key] = {**before, **value} if both else value  # type: ignore[dict-item]
    return joined


def _container(given: dict[str, Any], where: str) -> ContainerResources:
    checked = {
        key: CHECKS[key](value, f"{key} of {where}")
        for key, value in given.items()
        if value is not None
    }
    if "gpu_count" in checked and "gpu" not in checked:
        raise ConfigError(
            f"gpu_count of {where} counts nothing: name the resource beside it, such as gpu: nvidia.com/gpu."
        )
    return ContainerResources(**checked)


def _fields() -> tuple[str, ...]:
    return tuple(one.name for one in dataclasses.fields(ContainerResources))
