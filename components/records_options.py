"""Our own option for Beam. Light: whoever checks options needs it."""

from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions


class RecordsOptions(PipelineOptions):
    """Where workers that share no disk with the ama write records."""

    @classmethod
    def _add_argparse_args(cls, parser: Any) -> None:
        parser.add_argument(
            "--records_root",
            help="Folder in a bucket for the records of workers that share no disk with whoever runs the pipeline.",
        )
