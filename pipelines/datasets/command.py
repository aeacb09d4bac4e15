"""What `amadeus dataset nsynth --sort` does: it runs the sorting on Beam, and says in a sentence what stopped it."""

import logging
import os
from collections.abc import Sequence

from amadeus.datasets.files import RecordFile
from amadeus.errors import AmadeusError
from components.beam_engine import DIRECT_RUNNER
from pipelines import blame
from pipelines.datasets import sorting

ALONE_BYTES = 2 * 2**30
"""Up to here one process is as fast: starting others takes seconds."""

_MAX_WORKERS = 8  # beyond, disks are in the way


def sort(
    found: Sequence[RecordFile], order: sorting.Order, beam_args: Sequence[str]
) -> sorting.Sorted:
    """Sorts files into a new folder.

    Args:
      found: Files of records.
      order: What is to be sorted, and whereto.
      beam_args: Options for Beam as an ama gave them.

    Raises:
      AmadeusError: Something cannot work.
    """
    logging.getLogger("apache_beam").setLevel(logging.ERROR)
    n_bytes = sum(file.n_bytes for file in found)
    try:
        return sorting.run(
            found, order, beam_args=complete_beam_args(beam_args, n_bytes)
        )
    except AmadeusError:
        raise
    except Exception as error:
        reason = blame.find_reason(
            error, place=str(order.target.parent), again="sort again"
        )
        if reason is None:
            raise
        raise reason from error


def complete_beam_args(given: Sequence[str], n_bytes: int) -> list[str]:
    """Completes options for Beam: an ama's own win; much is sorted by as many processes as there are cores."""
    named = [arg for arg in given if arg.startswith("--runner=")]
    rest = [arg for arg in given if not arg.startswith("--runner=")]
    if named and not named[-1].endswith("DirectRunner"):
        return [named[-1], *rest]
    mode = "in_memory" if n_bytes <= ALONE_BYTES else "multi_processing"
    n_workers = min(_MAX_WORKERS, os.cpu_count() or 1)
    return [
        f"--runner={DIRECT_RUNNER}",
        f"--direct_running_mode={mode}",
        f"--direct_num_workers={n_workers}",
        *rest,
    ]
