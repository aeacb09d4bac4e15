"""What executors of Beam steps have in common."""

from tfx.dsl.components.base import base_beam_executor


class BeamExecutor(base_beam_executor.BaseBeamExecutor):
    """TFX's, without a package of TFX made anew for every step.

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
