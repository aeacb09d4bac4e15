"""Asks the studio of this container whether it plays: `python -m serving.studio.probe`.

It reads `/health` beside the metrics, which needs neither token nor certificate, and imports next to nothing, for it
is called every few seconds. Exit status: 0 it plays, 1 it does not, or not yet.
"""

import http.client
import os
import sys

PORT_VARIABLE = "AMADEUS_STUDIO_METRICS_PORT"
DEFAULT_PORT = "8471"  # of StudioConfig, which would load more than this does
TIMEOUT_S = 4.0


def main() -> int:
    """Asks, says the answer, and returns the exit status."""
    port = os.environ.get(PORT_VARIABLE) or DEFAULT_PORT
    try:
        status, text = _ask(port)
    except (OSError, ValueError, http.client.HTTPException) as error:
        status, text = 0, f"no answer from http://127.0.0.1:{port}/health: {error}\n"
    sys.stdout.write(text)
    return int(status != http.client.OK)


def _ask(port: str) -> tuple[int, str]:
    # Not by urllib, which would ask a proxy that the container's environment names.
    connection = http.client.HTTPConnection(f"127.0.0.1:{port}", timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
