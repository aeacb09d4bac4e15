"""What executors of Beam steps have in common."""

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from tfx import types
from tfx.dsl.components.base import base_beam_executor

from amadeus.errors import StoreError
from amadeus.stores.addresses import join
from amadeus.stores.opening import open_store
from components.beam_engine import local_args
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
        self._beam_pipeline_args = given

    def make_local_pipeline(self, *, in_threads: bool) -> beam.Pipeline:
        """Makes a pipeline whose workers share this machine's disk, whatever runner was asked for.

        Args:
          in_threads: Whether the work is too little for processes to begin for it.
        """
        if in_threads or self._records_root is not None:
            return beam.Pipeline(argv=local_args())
        return self._make_beam_pipeline()

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
            with contextlib.suppress(StoreError):
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
