"""Options for Beam: completed, and refused in a sentence where they cannot work. Light: TFX is not needed for that."""

from collections.abc import Sequence

from components.beam_engine import local_args


def beam_args(given: Sequence[str]) -> list[str]:
    """Completes options for Beam: an ama's own win, and nothing is fetched from a network."""
    named = [arg for arg in given if arg.startswith("--runner=")]
    rest = [arg for arg in given if not arg.startswith("--runner=")]
    if not named or named[-1].removeprefix("--runner=").endswith("DirectRunner"):
        return [*local_args(), *rest]
    return [named[-1], *rest]
