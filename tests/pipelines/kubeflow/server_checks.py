"""What a server of Kubeflow Pipelines looks at besides the form of a message, and how it lists."""

import json

import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from tests.pipelines.kubeflow import published_api

_TYPES = {"LIST": list, "STRING": str, "NUMBER_INTEGER": int}


class RefusedError(Exception):
    """The server answers with a status and words of its own."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


def page_of(key, things, query):
    """Filters, sorts and cuts a list as the API is asked to."""
    found = [t for t in things if _passes(t, query.get("filter"))]
    by, _, direction = query.get("sort_by", "created_at asc").partition(" ")
    found.sort(key=lambda thing: thing[by], reverse=direction == "desc")
    begin = int(query.get("page_token") or 0)
    end = begin + int(query.get("page_size") or 20)
    page = {key: found[begin:end], "total_size": len(found)}
    return page | ({"next_page_token": str(end)} if end < len(found) else {})


def _passes(thing, text):
    if not text:
        return True
    # kfp's own client counts operations and writes names as JSON does; protojson reads both.
    told = json.loads(text.replace("stringValue", "string_value"))
    for predicate in told["predicates"]:
        predicate["operation"] = {1: "EQUALS"}.get(*[predicate["operation"]] * 2)
    published_api.check("V2beta1Filter", told)
    return all(
        p["operation"] == "EQUALS" and thing[p["key"]] == p["string_value"]
        for p in told["predicates"]
    )


def check_run(body):
    """What the server itself looks at: the pipeline, strictly, and what it is begun with."""
    if not body.get("display_name"):
        raise RefusedError(400, "The run name is empty")
    told = body["pipeline_spec"]
    if "pipeline_spec" in told:
        json_format.ParseDict(told["platform_spec"], pipeline_spec_pb2.PlatformSpec())
        told = told["pipeline_spec"]
    spec = json_format.ParseDict(told, pipeline_spec_pb2.PipelineSpec())
    if spec.schema_version != "2.1.0":
        raise RefusedError(400, f"schema version {spec.schema_version}")
    inputs = told["root"].get("inputDefinitions", {}).get("parameters", {})
    for name, value in body["runtime_config"].get("parameters", {}).items():
        if name not in inputs:
            raise RefusedError(400, f"unknown parameter {name}")
        if not isinstance(value, _TYPES[inputs[name]["parameterType"]]):
            raise RefusedError(400, f"parameter {name} is of another type")


def check_schedule(body):
    if not body.get("display_name"):
        raise RefusedError(400, "Recurring run's name cannot be empty")
    if not 1 <= int(body.get("max_concurrency", 0)) <= 10:
        raise RefusedError(400, "Max concurrency must be at least 1 and at most 10")
    if len(body.get("trigger", {})) != 1:
        raise RefusedError(400, "one trigger is needed")
    cron = body["trigger"].get("cron_schedule", {}).get("cron")
    if cron is not None and len(cron.split()) != 6:
        raise RefusedError(400, f"Expected exactly 6 fields, found {cron}")


def read_upload(text):
    documents = list(yaml.safe_load_all(text))
    spec = json_format.ParseDict(documents[0], pipeline_spec_pb2.PipelineSpec())
    if spec.schema_version != "2.1.0" or not spec.pipeline_info.name:
        raise RefusedError(400, "not a pipeline")
    if len(documents) > 1:
        json_format.ParseDict(documents[1], pipeline_spec_pb2.PlatformSpec())
    return documents[0]
