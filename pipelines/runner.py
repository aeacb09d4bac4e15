"""Runs a pipeline node by node on this machine and tells the journal how it goes.

TFX's LocalDagRunner does the same silently and names its runs by the clock; this one names a run
by its practice, says which results came from the cache, and leaves no execution that is
interrupted marked as running. What is in the cache is found again whatever number of workers made
it, here or on a machine with other processors.
"""

import contextlib
import logging
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.compiler import constants
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import launcher, runtime_parameter_utils, tfx_runner
from tfx.proto.orchestration import (
    executable_spec_pb2,
    local_deployment_config_pb2,
    pipeline_pb2,
)

from amadeus import interruption
from amadeus.errors import PracticeError
from amadeus.journal import emit
from amadeus.lineage.addresses import Config
from amadeus.lineage.patience import MetadataGoneError
from amadeus.v1 import practice_pb2
from components.beam_engine import sharing_out, split_args
from pipelines.beam_options import beam_args
from pipelines.handle import PatientMetadata

RUN_CONTEXT_TYPE = "pipeline_run"
PIPELINE_CONTEXT_TYPE = "pipeline"

__all__ = ["NodeResult", "PracticeRunner", "beam_args", "close_unfinished"]

_log = logging.getLogger(__name__)
_Execution = metadata_store_pb2.Execution


class NodeResult(NamedTuple):
    """What became of one node of a run.

    Attributes:
      state: State of its execution in ML Metadata; None where a condition left it out.
      execution_id: Its execution, where it has one.
    """

    state: int | None
    execution_id: int | None

    @property
    def cached(self) -> bool:
        """Whether the result came from the cache."""
        return self.state == _Execution.CACHED


class PracticeRunner(tfx_runner.IrBasedRunner):
    """A LocalDagRunner that keeps a journal."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id

    def run_with_ir(
        self,
        pipeline: pipeline_pb2.Pipeline,
        run_options: pipeline_pb2.RunOptions | None = None,
        **kwargs: Any,
    ) -> dict[str, NodeResult]:
        """Runs all nodes in the order data flows.

        Returns:
          What became of each node, by its name.

        Raises:
          PracticeError: A node could not find its inputs.
          Exception: Whatever a node raised.
        """
        runtime_parameter_utils.substitute_runtime_parameter(
            pipeline, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: self._run_id}
        )
        deployment = runner_utils.extract_local_deployment_config(pipeline)
        connection = _connection(deployment)
        close_unfinished(connection, pipeline.pipeline_info.id, _Execution.CANCELED)
        results = {}
        try:
            for node in _nodes(pipeline):
                results[node.node_info.id] = self._run_node(
                    node, pipeline, deployment, connection
                )
        except (
            BaseException
        ) as error:  # an interrupt, too, must not leave a node running
            failed = isinstance(error, Exception) and not interruption.is_asked()
            state = _Execution.FAILED if failed else _Execution.CANCELED
            with contextlib.suppress(MetadataGoneError):  # the next run does it
                close_unfinished(connection, pipeline.pipeline_info.id, state)
            raise
        return results

    def _run_node(
        self,
        node: pipeline_pb2.PipelineNode,
        pipeline: pipeline_pb2.Pipeline,
        deployment: local_deployment_config_pb2.LocalDeploymentConfig,
        connection: Config,
    ) -> NodeResult:
        name = node.node_info.id
        interruption.check()
        _log.info("%s begins.", name)
        emit(component_started=practice_pb2.ComponentStarted(component=name))
        started_at = time.monotonic()
        spec, sharing = _kept_apart_by(
            runner_utils.extract_executor_spec(deployment, name)
        )
        with sharing_out(sharing):
            info = launcher.Launcher(
                pipeline_node=node,
                mlmd_connection=PatientMetadata(connection),
                pipeline_info=pipeline.pipeline_info,
                pipeline_runtime_spec=pipeline.runtime_spec,
                executor_spec=spec,
                custom_driver_spec=runner_utils.extract_custom_driver_spec(
                    deployment, name
                ),
            ).launch()
        result = _result(connection, info.execution_id if info else None)
        if result.state == _Execution.FAILED:
            raise PracticeError(
                f"{name} did not find what it needs from the steps before it: see the log of the practice, then "
                "practise again."
            )
        duration_s = time.monotonic() - started_at
        _log.info("%s ends after %.2f s, cached: %s.", name, duration_s, result.cached)
        emit(
            component_finished=practice_pb2.ComponentFinished(
                component=name, cached=result.cached, duration_s=duration_s
            )
        )
        return result


def close_unfinished(connection: Config, pipeline_name: str, state: int) -> None:
    """Gives executions of a pipeline that never ended a last state, for the lineage's sake.

    Only the holder of the deu's lock may call this: then nothing of it is running.
    """
    with PatientMetadata(connection) as handle:
        context = handle.store.get_context_by_type_and_name(
            PIPELINE_CONTEXT_TYPE, pipeline_name
        )
        if context is None:
            return
        unfinished = [
            execution
            for execution in handle.store.get_executions_by_context(context.id)
            if execution.last_known_state in (_Execution.NEW, _Execution.RUNNING)
        ]
        for execution in unfinished:
            execution.last_known_state = state
        if unfinished:
            handle.store.put_executions(unfinished)


def _kept_apart_by(spec: Any) -> tuple[Any, list[str]]:
    """Takes from an executor what changes no result, for the cache's sake; tells what that was."""
    if not isinstance(spec, executable_spec_pb2.BeamExecutableSpec):
        return spec, []
    lasting, sharing = split_args(spec.beam_pipeline_args)
    n_args = len(spec.beam_pipeline_args_placeholders)
    if not sharing or n_args != len(spec.beam_pipeline_args):
        return spec, []
    kept = executable_spec_pb2.BeamExecutableSpec()
    kept.CopyFrom(spec)
    told = zip(
        spec.beam_pipeline_args, spec.beam_pipeline_args_placeholders, strict=True
    )
    places = [place for arg, place in told if arg in lasting]
    del kept.beam_pipeline_args[:], kept.beam_pipeline_args_placeholders[:]
    kept.beam_pipeline_args.extend(lasting)
    kept.beam_pipeline_args_placeholders.extend(places)
    return kept, sharing


def _nodes(pipeline: pipeline_pb2.Pipeline) -> Iterator[pipeline_pb2.PipelineNode]:
    return (node.pipeline_node for node in pipeline.nodes)


def _connection(
    deployment: local_deployment_config_pb2.LocalDeploymentConfig,
) -> Config:
    config = deployment.metadata_connection_config
    return getattr(config, config.WhichOneof("connection_config"))


def _result(connection: Config, execution_id: int | None) -> NodeResult:
    if not execution_id:
        return NodeResult(None, None)
    with PatientMetadata(connection) as handle:
        (execution,) = handle.store.get_executions_by_id([execution_id])
    return NodeResult(execution.last_known_state, execution_id)
