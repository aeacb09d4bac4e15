"""The objects that kubectl makes of an overlay, and what of them tests ask for."""

import functools
import subprocess
from pathlib import Path

import yaml

from tests.infra import npm

INFRA = Path(__file__).parents[2] / "infra"
OVERLAYS = ("local", "gke")
WORKLOADS = ("Deployment", "StatefulSet")


@functools.cache
def render(overlay):
    """All objects of an overlay."""
    return kustomize(INFRA / "overlays" / overlay)


def kustomize(folder):
    """All objects that kubectl makes of a folder."""
    done = subprocess.run(
        [npm.kubectl(), "kustomize", folder],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert not done.stderr, done.stderr  # what is deprecated is said there
    return tuple(yaml.safe_load_all(done.stdout))


def of_kind(overlay, *kinds):
    return [found for found in render(overlay) if found["kind"] in kinds]


def find(overlay, kind, name):
    (found,) = [o for o in of_kind(overlay, kind) if o["metadata"]["name"] == name]
    return found


def workloads(overlay):
    return of_kind(overlay, *WORKLOADS)


def pod(workload):
    return workload["spec"]["template"]["spec"]


def pod_labels(workload):
    return workload["spec"]["template"]["metadata"]["labels"]


def containers(workload):
    """All containers of a workload, those that run before included."""
    spec = pod(workload)
    return [*spec.get("initContainers", ()), *spec["containers"]]


def container(overlay, name):
    """The container that a workload is named after."""
    (found,) = [
        container
        for workload in workloads(overlay)
        if workload["metadata"]["name"] == name
        for container in containers(workload)
        if container["name"] == name
    ]
    return found


def variables(overlay, container):
    """The environment a container starts with."""
    found = {}
    for source in container.get("envFrom", ()):
        name = source["configMapRef"]["name"]
        found |= find(overlay, "ConfigMap", name)["data"]
    return found | {entry["name"]: entry["value"] for entry in container.get("env", ())}
