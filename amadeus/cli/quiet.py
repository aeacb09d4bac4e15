"""Keeps native libraries from talking on the terminal.

TensorFlow's C++ side greets with lines about oneDNN and CUDA before any of its log levels applies.
"""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def stderr_kept_back() -> Iterator[None]:
    """Holds stderr back, and lets it out only if what happens meanwhile fails in a way nobody foresaw."""
    from amadeus.errors import AmadeusError

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except (AmadeusError, KeyboardInterrupt):
            raise
        except BaseException:
            kept.seek(0)
            os.write(terminal, kept.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            os.close(terminal)
