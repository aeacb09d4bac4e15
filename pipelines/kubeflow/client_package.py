"""A compiled practice that lies in a file, read back without what compiled it."""

from pathlib import Path
from typing import Any

import yaml
from google.protobuf import json_format

from amadeus.errors import ConfigError
from pipelines.kubeflow import names
from pipelines.kubeflow.package import Package

MAX_BYTES = 32 * 2**20  # what the API takes
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_package(path: Path) -> Package:
    """Reads what `amadeus pipeline compile` wrote.

    Raises:
      ConfigError: It cannot be read, or is no compiled practice.
    """
    documents = _load(path)
    pipeline, platform, *others = [*documents, {}, {}][: max(2, len(documents))]
    if others or not _is_practice(pipeline, platform):
        raise ConfigError(
            f"{path} is no compiled practice: write one with `amadeus pipeline compile imitate ... -o {path.name}`."
        )
    return Package(pipeline, platform)


def check_deu(package: Package, deu: str, path: Path) -> None:
    """Makes sure that a package teaches a deu: whom it teaches is compiled into it.

    Raises:
      ConfigError: It teaches another.
    """
    taught = find_deu(package.pipeline)
    if taught != deu:
        raise ConfigError(
            f"{path} teaches {taught or 'nobody'} and not {deu}: compile another with `amadeus pipeline compile "
            f"imitate --deu {deu}`."
        )


def find_deu(pipeline: Any) -> str:
    """Finds whom a compiled practice teaches, as its containers are told; empty where it is none."""
    try:
        for executor in pipeline["deploymentSpec"]["executors"].values():
            args = executor["container"]["args"]
            if "--deu" in args:
                return args[args.index("--deu") + 1]
    except (AttributeError, LookupError, TypeError):
        pass
    return ""


def knows_lessons(package: Package) -> bool:
    """Tells whether the containers of a package know a lesson that a voice has had; those of older releases do not."""
    executors = package.pipeline["deploymentSpec"]["executors"].values()
    return any("--settings" in one["container"].get("args", ()) for one in executors)


def _load(path: Path) -> list[Any]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(
                f"{path} is larger than {MAX_BYTES // 2**20} MB: a compiled practice has a few kilobytes."
            )
        return list(yaml.load_all(path.read_text(encoding="utf-8"), _Loader))
    except OSError as error:
        raise ConfigError(
            f"cannot read {path}: {error.strerror or error}; check the name and its read rights."
        ) from error
    except ConfigError:
        raise  # is a ValueError, too
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"{path} is no YAML: write it with `amadeus pipeline compile`."
        ) from error


def _is_practice(pipeline: Any, platform: Any) -> bool:
    from kfp.pipeline_spec import pipeline_spec_pb2  # loads all of kfp

    try:
        json_format.ParseDict(pipeline, pipeline_spec_pb2.PipelineSpec())
        json_format.ParseDict(platform, pipeline_spec_pb2.PlatformSpec())
        inputs = pipeline["root"]["inputDefinitions"]["parameters"]
    except (
        json_format.ParseError,
        AttributeError,
        LookupError,
        TypeError,
        RecursionError,
    ):
        return False
    return {names.RECORDINGS, names.PRACTICE} <= set(inputs)
