"""Beam's own engine on this machine, and how it is asked for.

How its work is shared out changes no byte of what it makes, so a runner that keeps results keeps them apart by all
other options alone: it takes those of sharing out (`split_args`) and hands them to the executors by another way
(`sharing_out`).
"""

import contextlib
import contextvars
import os
from collections.abc import Iterator, Sequence

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


_SHARING = (
    "--direct_running_mode",
    "--direct_num_workers",
)
_shared: contextvars.ContextVar[tuple[str, ...]] = contextvars.ContextVar(
    "amadeus_beam_sharing", default=()
)


def split_args(args: Sequence[str]) -> tuple[list[str], list[str]]:
    """Tells options that say how work is shared out on this machine from all others.

    Args:
      args: For Beam, complete.

    Returns:
      What may change a result or where it lies, and the rest. With a runner elsewhere the rest is empty: what it can
      reach is no matter of speed.
    """
    if f"--runner={DIRECT_RUNNER}" not in args:
        return list(args), []
    names = ("--runner", *_SHARING)
    lasting = [arg for arg in args if arg.partition("=")[0] not in names]
    return lasting, [arg for arg in args if arg not in lasting]


@contextlib.contextmanager
def sharing_out(args: Sequence[str]) -> Iterator[None]:
    """Has executors that begin meanwhile share their work out by these options."""
    token = _shared.set(tuple(args))
    try:
        yield
    finally:
        _shared.reset(token)


def shared_out() -> tuple[str, ...]:
    """Tells how work is to be shared out; empty where nobody says."""
    return _shared.get()
