"""A metadata server in a process of its own."""

import contextlib
import os
import re
import subprocess
import sys

from tests import processes


@contextlib.contextmanager
def metadata_server(backing, *options, port=0, **variables):
    """Runs a server; hands out its address, as a client names it, and its process."""
    command = [sys.executable, "-m", "serving.metadata_server", "--port", str(port)]
    with processes.start(
        [*command, "--backing", backing, *map(str, options)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **variables},
    ) as process:
        try:
            said = process.stdout.readline()
            yield re.search(r"grpcs?://\S+", said).group(), process
        finally:
            process.kill()
