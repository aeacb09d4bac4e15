"""The smallest pipeline that has the inputs of a compiled practice, so that clients can be tested without compiling."""

from pipelines.kubeflow import names
from pipelines.kubeflow.package import Package

INPUTS = {
    names.RECORDINGS: ("LIST", ["gs://bucket/cello"]),
    names.RECORDING_NAMES: ("LIST", []),
    names.PRACTICE: ("STRING", ""),
    names.PARENT_GENERATION: ("NUMBER_INTEGER", 0),
    names.METADATA_URL: ("STRING", ""),
    names.PERSONALITIES_URL: ("STRING", ""),
}


def small_package(deu="cello"):
    """Makes it for a deu."""
    executor = {"container": {"image": "amadeus:1", "args": ["--deu", deu]}}
    parameters = {
        key: {"parameterType": kind, "defaultValue": value, "isOptional": True}
        for key, (kind, value) in INPUTS.items()
    }
    pipeline = {
        "components": {"comp-prepare": {"executorLabel": "exec-prepare"}},
        "defaultPipelineRoot": "gs://bucket/root",
        "deploymentSpec": {"executors": {"exec-prepare": executor}},
        "pipelineInfo": {"name": names.pipeline_name(deu)},
        "root": {
            "dag": {
                "tasks": {
                    "prepare": {
                        "componentRef": {"name": "comp-prepare"},
                        "taskInfo": {"name": "prepare"},
                    }
                }
            },
            "inputDefinitions": {"parameters": parameters},
        },
        "schemaVersion": "2.1.0",
        "sdkVersion": "amadeus-test",
    }
    platform = {
        "platforms": {
            "kubernetes": {
                "deploymentSpec": {
                    "executors": {
                        "exec-prepare": {"nodeSelector": {"labels": {"a": "b"}}}
                    }
                }
            }
        }
    }
    return Package(pipeline, platform)
