"""Which versions of a model are wanted, and the next step from what is loaded to what is wanted.

The order of steps is TF Serving's AvailabilityPreservingPolicy: a model that can be asked stays so
while its successor is loaded, at the price of holding both for that time.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple


@dataclass(frozen=True)
class Latest:
    """The highest versions.

    Attributes:
      n_versions: How many; 0 counts as 1.
    """

    n_versions: int = 1

    def choose(self, versions: Iterable[int]) -> set[int]:
        """Picks from the versions present."""
        return set(sorted(versions)[-max(self.n_versions, 1) :])


@dataclass(frozen=True)
class All:
    """Every version."""

    def choose(self, versions: Iterable[int]) -> set[int]:
        """Picks from the versions present."""
        return set(versions)


@dataclass(frozen=True)
class Specific:
    """Versions by number; those not present are not waited for. None at all: only leases load this model."""

    versions: frozenset[int] = frozenset()

    def choose(self, versions: Iterable[int]) -> set[int]:
        """Picks from the versions present."""
        return set(versions) & self.versions


Policy = Latest | All | Specific
LATEST = Latest()


Phase = Literal["new", "waiting", "ready", "failed"]


class Standing(NamedTuple):
    """Where a version stands.

    Attributes:
      version: Its number.
      state: `new` may be loaded now, `waiting` is between tries, `ready` can be asked, `failed` is given up.
      wanted: Whether the policy asks for it.
    """

    version: int
    state: Phase
    wanted: bool


class Step(NamedTuple):
    """What to do next."""

    verb: Literal["load", "unload"]
    version: int


def next_step(standings: Iterable[Standing]) -> Step | None:
    """Chooses the next step: first unload what is not missed, then load the highest new version."""
    standings = list(standings)
    stale = [s.version for s in standings if s.state == "ready" and not s.wanted]
    wanted = [s for s in standings if s.wanted]
    covered = not wanted or any(s.state == "ready" for s in wanted)
    if stale and (covered or len(stale) > 1):
        return Step("unload", min(stale))
    new = [s.version for s in wanted if s.state == "new"]
    return Step("load", max(new)) if new else None
