"""`amadeus` in a notebook: after `%load_ext amadeus.cli.notebook`, `%amadeus deu list` is the command of that name.

It runs in the notebook's own process, so neither PATH nor a shell matters, and a command that fails ends the cell, as
`!amadeus` would not.
"""

import os
import shlex
from typing import Any

from amadeus.cli.main import main
from amadeus.errors import AmadeusError


def load_ipython_extension(ipython: Any) -> None:
    """Gives IPython the line magic `%amadeus`; IPython calls this."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported
    ipython.register_magic_function(run, magic_kind="line", magic_name="amadeus")


def run(line: str) -> None:
    """Runs a command line, such as `deu create cello`, as a shell would split it.

    Raises:
      AmadeusError: It ended with a status other than 0.
    """
    status = main(shlex.split(line))
    if status:
        raise AmadeusError(
            f"`amadeus {line}` ended with status {status}: mend what it says above, then run the cell again."
        )
