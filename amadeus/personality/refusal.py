"""Refusing the graph of a bundle: one sentence, whatever is wrong with it."""

from amadeus.errors import BundleError
from amadeus.personality.quoting import tame


def foreign(what: str) -> BundleError:
    """Makes the error for a graph that is not one of ours; `what` says in a clause why."""
    return BundleError(
        f"the graph in the bundle is not that of a voice and is not played: {tame(what)}; take bundles that "
        "`amadeus deu export` wrote."
    )
