"""Exit statuses, and how a failure is said."""

import sys

EXIT_FAULT = 1  # ours
EXIT_BAD_INPUT = 2  # the ama's to mend
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells count


def complain(sentence: str, status: int) -> int:
    """Says on stderr what went wrong, and hands the exit status back."""
    print(f"amadeus: {sentence}", file=sys.stderr)
    return status
