"""What executors of Beam steps have in common."""

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineResult, PipelineState
from tfx import types
from tfx.dsl.components.base import base_beam_executor

from amadeus.errors import AmadeusError
from amadeus.stores.addresses import join
from amadeus.stores.opening import open_store
from components.beam_engine import local_args, shared_out
from components.records_options import RecordsOptions
from components.split_names import Split
from components.splits import make_splits


class NewSplits(NamedTuple):
    """Folders for the records of new examples.

    Attributes:
      uris: The folder of each split.
      uri: The folder around them, for what else workers write.
    """

    uris: dict[Split, str]
    uri: str


class AttendedPipeline(beam.Pipeline):
    """A pipeline whose job ends where nobody waits for it any more: a job service would go on, and write, alone."""

    def __exit__(self, *reason: Any) -> None:
        """Runs it, as Beam does, and cancels what is interrupted."""
        self.result = None
        try:
            super().__exit__(*reason)
        except BaseException:
            _cancel(self.result)
            raise


class BeamExecutor(base_beam_executor.BaseBeamExecutor):
    """TFX's, for workers here and elsewhere, and without a package of TFX made anew for every step.

    TFX packs its own sources for workers that lack them, which takes two seconds, leaves a folder behind each time and
    is of no use here: workers of this machine have them, and others need Amadeus anyway (docs/beam.md).
    """

    def __init__(
        self, context: base_beam_executor.BaseBeamExecutor.Context | None = None
    ) -> None:
        """Takes over the options for Beam as they stand."""
        given = list(context.beam_pipeline_args or []) if context else []
        if context:
            context.beam_pipeline_args = None
        super().__init__(context)
        self._beam_pipeline_args = [*shared_out(), *given]

    def make_local_pipeline(self, *, in_threads: bool) -> beam.Pipeline:
        """Makes a pipeline whose workers share this machine's disk, whatever runner was asked for.

        Args:
          in_threads: Whether the work is too little for processes to begin for it.
        """
        if in_threads or self._records_root is not None:
            return beam.Pipeline(argv=local_args())
        return self._make_beam_pipeline()

    def _make_beam_pipeline(self) -> beam.Pipeline:
        if self._make_beam_pipeline_fn is not None:
            return super()._make_beam_pipeline()
        return AttendedPipeline(argv=self._beam_pipeline_args)

    @contextlib.contextmanager
    def new_splits(self, examples: types.Artifact) -> Iterator[NewSplits]:
        """Makes a folder for each split where all workers can write; if anything fails, nothing stays of a remote one.

        Args:
          examples: The artifact. Where its records lie elsewhere, its custom property `records_uri` says so.
        """
        if self._records_root is None:
            yield NewSplits(make_splits(examples), examples.uri)
            return
        place = self._own_place(self._records_root)
        try:
            yield NewSplits(make_splits(examples, records_uri=place), place)
        except BaseException:
            with contextlib.suppress(AmadeusError):
                open_store(place).remove_folder()
            raise

    @property
    def _records_root(self) -> str | None:
        options = PipelineOptions(self._beam_pipeline_args)
        return options.view_as(RecordsOptions).records_root

    def _own_place(self, root: str) -> str:
        """Names a folder of this execution alone: runs have names of their own, whoever shares the bucket."""
        run = self._context.pipeline_run_id or ""
        name = type(self).__module__.split(".")[-2]
        parts = (*run.split("/"), name, str(self._context._unique_id or 0))
        return join(root.rstrip("/"), "/".join(filter(None, parts)))


def _cancel(job: PipelineResult | None) -> None:
    with contextlib.suppress(Exception):  # its service may be what has gone
        if job is not None and not PipelineState.is_terminal(job.state):
            job.cancel()
