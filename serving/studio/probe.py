"""Asks the studio of this container whether it plays: `python -m serving.studio.probe`.

It reads `/health` beside the metrics, which needs neither token nor certificate, and imports next to nothing, for it
is called every few seconds. Exit status: 0 it plays, 1 it does not, or not yet.
"""

import os
import sys
import urllib.error
import urllib.request

PORT_VARIABLE = "AMADEUS_STUDIO_METRICS_PORT"
DEFAULT_PORT = "8471"  # of StudioConfig, which would load more than this does
TIMEOUT_S = 4.0


def main() -> int:
    """Asks, says the answer, and returns the exit status."""
    port = os.environ.get(PORT_VARIABLE) or DEFAULT_PORT
    url = f"http://127.0.0.1:{port}/health"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
            return _say(answer.read().decode(), 0)
    except urllib.error.HTTPError as error:
        return _say(error.read().decode(), 1)
    except (OSError, ValueError) as error:
        return _say(f"no answer from {url}: {error}\n", 1)


def _say(text: str, status: int) -> int:
    sys.stdout.write(text)
    return status


if __name__ == "__main__":
    sys.exit(main())
