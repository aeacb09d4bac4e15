"""Beam's own engine on this machine, and how it is asked for."""

import os

# The fast engine inside Beam's DirectRunner. DirectRunner itself would first ask the network for
# another one (Prism) that Beam does not ship.
DIRECT_RUNNER = "components.beam_workers.WorkersRunner"
MAX_THREADS = 4  # beyond, Python's lock is in the way


def local_args() -> list[str]:
    """Lists the options for work in threads of this process.

    Decoding, resampling and pitch tracking leave Python's lock: 10 minutes of sound take 8.5 s instead of 11.2 s on two
    cores.
    """
    n_workers = min(MAX_THREADS, os.cpu_count() or 1)
    return [
        f"--runner={DIRECT_RUNNER}",
        "--direct_running_mode=multi_threading",
        f"--direct_num_workers={n_workers}",
    ]
