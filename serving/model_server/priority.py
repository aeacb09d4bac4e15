"""Who goes first where cores are few."""

import os
import sys

_STEPS = 5  # of niceness: a third of what others get, where all want more than there is


def step_back() -> None:
    """Lets others go before the calling thread from now on.

    Only where threads have priorities of their own: elsewhere it would be all of the process.
    """
    if sys.platform == "linux":
        os.nice(_STEPS)
