"""What `amadeus dataset nsynth --sort` does: it runs the sorting on Beam, and says in a sentence what stopped it."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from amadeus.datasets.files import RecordFile
from amadeus.errors import AmadeusError, ConfigError
from pipelines import beam_options, beam_places, blame
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
    check_beam_args(beam_args)
    found = _without_scratch(found, order)
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


def check_beam_args(given: Sequence[str]) -> None:
    """Makes sure that options for Beam can work, as far as that is seen before it runs.

    Raises:
      ConfigError: One cannot be, or nobody answers where they lead.
    """
    if beam_options.runner_of(given) == "DataflowRunner":
        raise ConfigError(
            "--runner=DataflowRunner cannot sort, for its workers share no disk with this machine: leave it out."
        )
    # Workers elsewhere may see the same folders, and what their job service knows is known when it is asked.
    if not beam_places.is_elsewhere(given):
        beam_places.find_workers(given, [], {})


def complete_beam_args(given: Sequence[str], n_bytes: int) -> list[str]:
    """Completes options for Beam: an ama's own win; much is sorted by as many processes as there are cores."""
    if beam_options.runner_of(given) != "DirectRunner":
        return beam_options.beam_args(given)
    known = beam_options.parse(given)
    mode = known.direct_running_mode
    if not any(arg.startswith("--direct_running_mode") for arg in given):
        is_small = n_bytes <= ALONE_BYTES and known.direct_num_workers == 1
        mode = "in_memory" if is_small else "multi_processing"
    n_workers = 1 if mode == "in_memory" else min(_MAX_WORKERS, os.cpu_count() or 1)
    ours = [f"--direct_running_mode={mode}", f"--direct_num_workers={n_workers}"]
    return beam_options.beam_args([*ours, *given])


def _without_scratch(
    found: Sequence[RecordFile], order: sorting.Order
) -> list[RecordFile]:
    """Leaves out what a killed sorting left where this one begins again."""
    scratch = order.scratch.resolve()
    others = [file for file in found if scratch not in Path(file.place).parents]
    if found and not others:
        raise ConfigError(
            f"all of that lies in {order.scratch}, which sorting into {order.target} clears first: name another folder "
            "with --sort."
        )
    return others
