"""Which split each take belongs to, decided by its digest alone, for any number of takes.

Every worker decides for itself, by a rule of a few numbers: those come from a census, which adds up in any order.
"""

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from components.split_names import SPLITS, Split


class Rule(NamedTuple):
    """Gives every take to one split by a stable hash of its digest, so that adding a take moves no other.

    The exceptions that keep both splits filled: where no take falls to `eval`, the one with the lowest hash does; where
    none falls to `train`, the one with the highest does; a lone take is in both, to be divided in time.

    Attributes:
      eval_fraction: Share of takes to hold out, in (0, 0.5].
      n_takes: Takes in all.
      n_eval: Takes whose hash falls to `eval`.
      lowest, highest: Digests of the takes with the lowest and the highest hash.
    """

    eval_fraction: float
    n_takes: int = 0
    n_eval: int = 0
    lowest: str = ""
    highest: str = ""

    def splits_of(self, digest: str) -> frozenset[Split]:
        """Names the splits of a take."""
        if self.n_takes == 1:
            return frozenset(SPLITS)
        if not self.n_eval:
            is_eval = digest == self.lowest
        elif self.n_eval == self.n_takes:
            is_eval = digest != self.highest
        else:
            is_eval = _position(digest) < self.eval_fraction
        return frozenset({"eval"} if is_eval else {"train"})

    def counting(self, digest: str) -> "Rule":
        """Counts one more take."""
        is_eval = _position(digest) < self.eval_fraction
        return self.joined(Rule(self.eval_fraction, 1, int(is_eval), digest, digest))

    def joined(self, other: "Rule") -> "Rule":
        """Joins two counts of different takes."""
        lowest = [digest for digest in (self.lowest, other.lowest) if digest]
        highest = [digest for digest in (self.highest, other.highest) if digest]
        return Rule(
            self.eval_fraction,
            self.n_takes + other.n_takes,
            self.n_eval + other.n_eval,
            min(lowest, key=_position, default=""),
            max(highest, key=_position, default=""),
        )


def make_rule(digests: Iterable[str], *, eval_fraction: float) -> Rule:
    """Counts takes.

    Args:
      digests: Digests of the takes.
      eval_fraction: Share of takes to hold out, in (0, 0.5].
    """
    rule = Rule(eval_fraction)
    for digest in digests:
        rule = rule.counting(digest)
    return rule


def _position(digest: str) -> float:
    """Places a take on [0, 1), evenly over takes."""
    hashed = hashlib.sha256(f"amadeus split {digest}".encode()).digest()
    return int.from_bytes(hashed[:8], "big") / 2**64
