"""How many threads a process may work on, where several share the processors."""

import os

THREADS_VARIABLE = "AMADEUS_THREADS"  # set for worker processes of Beam


def own_threads(n_threads: int) -> int:
    """Limits a number of threads to this process's share; as it is where it need not share."""
    share = os.environ.get(THREADS_VARIABLE, "")
    return min(n_threads, int(share)) if share.isdecimal() and int(share) else n_threads
