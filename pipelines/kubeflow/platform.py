"""What Kubernetes shall do for the containers: the second document of a package.

Only the fields that every release since KFP 2.4 reads are written; where newer ones have two spellings, the older.

Source: kubeflow/pipelines, kubernetes_platform/proto/kubernetes_executor_config.proto.
"""

import itertools
from collections.abc import Mapping
from typing import Any

from pipelines.kubeflow.resources import ContainerResources

_Config = dict[str, Any]


def platform_of(executors: Mapping[str, ContainerResources]) -> _Config:
    """Writes the platform document; empty where nothing is asked for.

    Args:
      executors: What each executor of the pipeline is given, by its label.
    """
    configs = {label: _executor(given) for label, given in executors.items()}
    asked = {label: config for label, config in configs.items() if config}
    if not asked:
        return {}
    return {"platforms": {"kubernetes": {"deploymentSpec": {"executors": asked}}}}


def _executor(given: ContainerResources) -> _Config:
    config: _Config = {
        "secretAsEnv": _variables(given),
        "secretAsVolume": [
            {"secretName": secret["name"], "mountPath": secret["path"]}
            for secret in given.secrets
            if "path" in secret
        ],
        "pvcMount": [
            {"constant": volume["claim"], "mountPath": volume["path"]}
            for volume in given.volumes
        ],
        "nodeSelector": _labels(given),
        "tolerations": [_toleration(one) for one in given.tolerations],
        "imagePullSecret": [{"secretName": name} for name in given.image_pull_secrets],
        "emptyDirMounts": _shared_memory(given),
    }
    if given.timeout_s is not None:
        config["activeDeadlineSeconds"] = str(given.timeout_s)  # int64 in JSON
    return {key: value for key, value in config.items() if value}


def _variables(given: ContainerResources) -> list[_Config]:
    """Gathers the keys of each secret."""
    wanted = sorted(
        (secret for secret in given.secrets if "env" in secret),
        key=lambda secret: (secret["name"], secret["env"]),
    )
    return [
        {
            "secretName": name,
            "keyToEnv": [
                {"secretKey": secret["key"], "envVar": secret["env"]} for secret in keys
            ],
        }
        for name, keys in itertools.groupby(wanted, key=lambda secret: secret["name"])
    ]


def _labels(given: ContainerResources) -> _Config:
    return {"labels": dict(given.node_selector)} if given.node_selector else {}


def _toleration(given: Mapping[str, Any]) -> _Config:
    written = {key: value for key, value in given.items() if key != "seconds"}
    if "seconds" in given:
        written["tolerationSeconds"] = str(given["seconds"])
    return written


def _shared_memory(given: ContainerResources) -> list[_Config]:
    if given.shared_memory is None:
        return []
    return [
        {
            "volumeName": "shared-memory",
            "mountPath": "/dev/shm",
            "medium": "Memory",
            "sizeLimit": given.shared_memory,
        }
    ]
