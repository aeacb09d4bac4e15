"""A worker process of Beam's own engine, which ends with whoever started it: `python -m components.beam_worker`.

`beam_workers` starts it, and tells it all else by the environment, as Beam does.
"""

import ctypes
import os
import signal
import sys

PARENT_VARIABLE = "AMADEUS_BEAM_PARENT"  # process id of who started this one
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


def main() -> None:
    """Works until there is no more work."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # of a terminal; who started it decides
    die_with(int(os.environ[PARENT_VARIABLE]))
    from apache_beam.runners.worker import sdk_worker_main

    sdk_worker_main.main(sys.argv)


def die_with(parent: int) -> None:
    """Has this process killed when its parent is gone, where the system can: Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        if os.getppid() != parent:  # it went meanwhile
            os._exit(1)


if __name__ == "__main__":
    main()
