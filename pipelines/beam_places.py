"""Where Beam's workers are, and what they can reach: this machine's disk, or only what lies in buckets.

Workers of Beam's own engine, and those of a job service on this machine that are not in containers, share its disk.
Workers elsewhere read recordings where they lie and write records to a folder in a bucket, from which the trainer
brings them; all else (metadata, voices, checkpoints) stays in the home.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from amadeus.errors import ConfigError
from amadeus.stores import addresses
from pipelines import beam_options

ROOT_VARIABLE = "AMADEUS_PIPELINE_ROOT"
PATIENCE_S = 10.0  # for a job service or a worker pool to answer
CONTAINER, OUTSIDE, LOOPBACK = "DOCKER", "EXTERNAL", "LOOPBACK"
_KINDS = (CONTAINER, "PROCESS", OUTSIDE, LOOPBACK)
_HERE = ("localhost", "127.0.0.1", "[::1]", "::1", "embed")
_DATAFLOW_NEEDS = ("project", "region", "temp_location")


class Workers(NamedTuple):
    """Who does Beam's work.

    Attributes:
      args: Options for Beam, complete.
      is_remote: Whether they share no disk with this machine.
    """

    args: list[str]
    is_remote: bool


def find_workers(
    given: Sequence[str], recordings: Sequence[str], environment: Mapping[str, str]
) -> Workers:
    """Checks options for Beam as far as can be before it runs, and completes them.

    Args:
      given: As the ama gave them.
      recordings: Where they lie.
      environment: Of this process: AMADEUS_PIPELINE_ROOT says where records of remote workers go.

    Raises:
      ConfigError: They cannot work, nobody answers where they lead, or remote workers could not reach what they need.
    """
    runner = beam_options.runner_of(given)
    if runner == "DirectRunner":
        _check_root(beam_options.parse(given).records_root)
        return Workers(beam_options.beam_args(given), False)
    if runner == "DataflowRunner":
        known, is_remote = beam_options.parse(given), True
        _check_dataflow(known)
    else:
        known = beam_options.parse(given, more=_ask_job_service(runner, given))
        is_remote = not _works_here(known)
        _check_environment(known)
    args = beam_options.beam_args(given)
    if is_remote and not known.records_root:
        root = environment.get(ROOT_VARIABLE, "")
        args += [f"--records_root={root}"] if root else []
        known.records_root = root
    if is_remote:
        _check_reach(runner, known, recordings)
    else:
        _check_root(known.records_root)
    return Workers(args, is_remote)


def is_elsewhere(given: Sequence[str]) -> bool:
    """Tells whether options ask for workers that share no disk with this machine, without asking anybody.

    Raises:
      ConfigError: The runner is unknown, or an option cannot be.
    """
    runner = beam_options.runner_of(given)
    if runner in ("DirectRunner", "DataflowRunner"):
        return runner == "DataflowRunner"
    known = beam_options.glance(given)
    return bool(known.job_endpoint) and not _works_here(known)


def check_contained(given: Sequence[str]) -> None:
    """Checks options for Beam in the containers of a cluster, whose disks nobody else shares.

    Raises:
      ConfigError: They ask for another runner than Beam's own engine, or cannot be.
    """
    if not given:
        return
    if (runner := beam_options.runner_of(given)) != "DirectRunner":
        raise ConfigError(
            f"--runner={runner} for Beam cannot be with --runner kubeflow, where each step works in a container of its "
            "own: leave it out, and give the step more processors with --resources."
        )
    beam_options.parse(given)


def _ask_job_service(runner: str, given: Sequence[str]) -> list[str]:
    """Asks a job service which options it knows.

    Raises:
      ConfigError: None was named, or it does not answer.
    """
    endpoint = beam_options.glance(given).job_endpoint
    if not endpoint and runner == "FlinkRunner" and _brings_its_jar(given):
        return []
    if not endpoint:
        raise ConfigError(
            f"--runner={runner} needs a job service: start one and name it with --beam-arg=--job_endpoint=HOST:PORT."
        )
    if endpoint == "embed":
        return []
    import grpc
    from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc

    with grpc.insecure_channel(endpoint) as channel:
        service = beam_job_api_pb2_grpc.JobServiceStub(channel)
        asked = beam_job_api_pb2.DescribePipelineOptionsRequest()
        try:
            _wait_for(channel)
            answer = service.DescribePipelineOptions(asked, timeout=PATIENCE_S)
        except (grpc.FutureTimeoutError, grpc.RpcError) as error:
            raise ConfigError(
                f"no job service of Beam answers at {endpoint}: start it, or name another with "
                "--beam-arg=--job_endpoint=HOST:PORT."
            ) from error
    return [option.name for option in answer.options]


def _brings_its_jar(given: Sequence[str]) -> bool:
    return any(arg.startswith("--flink_job_server_jar=") for arg in given)


def _works_here(known: Any) -> bool:
    if not _is_here(known.job_endpoint):
        return False
    kind = known.environment_type or CONTAINER
    if kind == OUTSIDE:
        return _is_here(_pool(known))
    return kind in (LOOPBACK, "PROCESS")


def _check_root(root: str | None) -> None:
    """Makes sure of a root that was given: it is a folder in a bucket."""
    if (
        root is not None
        and addresses.parse(root).scheme not in addresses.BUCKET_SCHEMES
    ):
        raise ConfigError(
            f"--records_root={root} is no bucket: say --beam-arg=--records_root=gs://BUCKET/FOLDER, or leave it out."
        )


def _is_here(address: str | None) -> bool:
    host = (address or "").rpartition(":")[0] or (address or "")
    return host in _HERE


def _pool(known: Any) -> str:
    """Reads the address of a worker pool, which Beam takes plain or in JSON."""
    text = known.environment_config or ""
    if text.startswith("{"):
        try:
            return str(json.loads(text)["url"])
        except (ValueError, KeyError) as error:
            raise ConfigError(
                f"--environment_config={text} names no worker pool: say HOST:PORT."
            ) from error
    return text


def _check_environment(known: Any) -> None:
    kind = known.environment_type or CONTAINER
    if kind not in _KINDS:
        raise ConfigError(
            f"--environment_type={kind} is none that Beam knows: choose {', '.join(_KINDS[:-1])} or {_KINDS[-1]}."
        )
    if kind == OUTSIDE:
        address = _pool(known)
        if not address:
            raise ConfigError(
                "--environment_type=EXTERNAL needs a worker pool: name it with "
                "--beam-arg=--environment_config=HOST:PORT."
            )
        if _is_here(address):
            _find_pool(address)
    has_image = known.environment_config or known.sdk_container_image
    if kind == CONTAINER and not has_image:
        raise ConfigError(
            "workers in containers need an image with Amadeus in it: name it with "
            "--beam-arg=--environment_config=IMAGE, or say --beam-arg=--environment_type=EXTERNAL or LOOPBACK."
        )


def _find_pool(address: str) -> None:
    import grpc

    with grpc.insecure_channel(address) as channel:
        try:
            _wait_for(channel)
        except grpc.FutureTimeoutError as error:
            raise ConfigError(
                f"no worker pool of Beam answers at {address}: start it with python -m "
                "apache_beam.runners.worker.worker_pool_main --service_port=PORT, or name another."
            ) from error


def _wait_for(channel: Any) -> None:
    import grpc

    grpc.channel_ready_future(channel).result(timeout=PATIENCE_S)


def _check_dataflow(known: Any) -> None:
    missing = [f"--{name}" for name in _DATAFLOW_NEEDS if not getattr(known, name)]
    if missing:
        raise ConfigError(
            f"DataflowRunner needs {' and '.join(missing)}: add them, each as a --beam-arg."
        )
    if not known.sdk_container_image and not known.setup_file:
        raise ConfigError(
            "workers of Dataflow need Amadeus: name an image with --beam-arg=--sdk_container_image=IMAGE, or its "
            "sources with --beam-arg=--setup_file=PATH/setup.py."
        )


def _check_reach(runner: str, known: Any, recordings: Sequence[str]) -> None:
    root = known.records_root
    if not root:
        raise ConfigError(
            f"workers of {runner} share no disk with this machine: say where their records go with "
            f"{ROOT_VARIABLE}=gs://BUCKET/FOLDER."
        )
    if addresses.parse(root).scheme not in addresses.BUCKET_SCHEMES:
        raise ConfigError(
            f"{root} lies on this machine, and workers of {runner} do not: say where their records go with "
            f"{ROOT_VARIABLE}=gs://BUCKET/FOLDER."
        )
    for uri in recordings:
        if not addresses.is_url(uri):  # a data set is brought here, too
            raise ConfigError(
                f"{uri} lies on this machine, and workers of {runner} do not: put the recordings into a bucket and "
                "name that, or leave --runner out."
            )
