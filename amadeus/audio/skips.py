"""What of the recordings cannot be used: why, how many, and whether a practice may go on without them.

One rule for all who read recordings, the coach before a practice and AudioExampleGen in it:

- What can be told from the bytes of a recording alone (it is empty, cut short, no audio, out of schema) may be
  skipped, as far as `max_skipped_fraction` of the learner allows: 0, the default, stops at the first.
- Whether the ama named the file or a folder of it makes no difference: a shell writes out `folder/*.wav` as names.
- Silence is no damage. A silent take holds nothing to learn, so it is always left out, and told.
- What is an accident of the moment (a file that changes or vanishes while it is read, a decoder that is not
  installed) always stops: the results of a practice are kept by the content of its recordings, and an accident that
  was skipped would be kept with them.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

from amadeus.errors import RecordingError, RecordingFault

Reason = Literal[RecordingFault, "silent"]

REASONS: Mapping[Reason, tuple[str, str]] = {
    "unreadable": ("cannot be opened", "cannot be opened"),
    "empty": ("is empty", "are empty"),
    "undecodable": ("cannot be decoded", "cannot be decoded"),
    "truncated": ("ends early", "end early"),
    "silent": ("is silent", "are silent"),
    "corrupt_record": ("is a corrupt record", "are corrupt records"),
    "wrong_schema": ("is a record of another kind", "are records of another kind"),
}
"""What is said of one, and of several."""

MAX_NAMES = 3  # of each reason: whoever mends them starts with these


class Unusable(NamedTuple):
    """A take, or a record of a data set, that cannot be learned from.

    Attributes:
      name: What it is called.
      reason: Why, in a word.
      text: Why, in a sentence.
    """

    name: str
    reason: Reason
    text: str = ""


@dataclass(frozen=True)
class Skips:
    """How many takes cannot be used, by reason: bounded, whatever their number, and to be added up in any order.

    Attributes:
      counts: Takes by reason.
      first: The first few of each reason, by name.
    """

    counts: Mapping[Reason, int] = field(default_factory=dict)
    first: Mapping[Reason, tuple[Unusable, ...]] = field(default_factory=dict)

    @property
    def n_takes(self) -> int:
        """All of them."""
        return sum(self.counts.values())

    @property
    def n_faulty(self) -> int:
        """Those that are not just silent."""
        return self.n_takes - self.counts.get("silent", 0)

    def __add__(self, other: "Skips") -> "Skips":
        counts = {
            reason: self.counts.get(reason, 0) + other.counts.get(reason, 0)
            for reason in get_args(Reason)
            if reason in self.counts or reason in other.counts
        }
        first = {
            reason: tuple(
                sorted((*self.first.get(reason, ()), *other.first.get(reason, ())))
            )[:MAX_NAMES]
            for reason in counts
        }
        return Skips(counts, first)

    def to_json(self) -> dict[str, Any]:
        """Writes what the lineage keeps: for each reason how many, and the names of the first."""
        return {
            reason: {
                "count": count,
                "names": [one.name for one in self.first[reason]],
            }
            for reason, count in self.counts.items()
        }


def from_json(rows: Mapping[str, Any]) -> Skips:
    """Reads what `Skips.to_json` wrote; reasons of a later Amadeus are left out."""
    known = {reason: rows[reason] for reason in get_args(Reason) if reason in rows}
    return Skips(
        {reason: int(row["count"]) for reason, row in known.items()},
        {
            reason: tuple(Unusable(str(name), reason) for name in row["names"])
            for reason, row in known.items()
        },
    )


def gather(found: Iterable[Unusable]) -> Skips:
    """Counts what cannot be used."""
    by_reason: dict[Reason, list[Unusable]] = {}
    for one in found:
        by_reason.setdefault(one.reason, []).append(one)
    order = [reason for reason in get_args(Reason) if reason in by_reason]
    return Skips(
        {reason: len(by_reason[reason]) for reason in order},
        {reason: tuple(sorted(by_reason[reason])[:MAX_NAMES]) for reason in order},
    )


def judge(name: str, error: RecordingError) -> Unusable:
    """Says why a recording cannot be used.

    Raises:
      RecordingError: `error` itself, where it is no fault of the recording's bytes.
    """
    if error.fault is None:
        raise error
    return Unusable(name, error.fault, str(error))


def check(skips: Skips, n_takes: int, *, max_fraction: float) -> None:
    """Stops where more is to be skipped than may be.

    Args:
      skips: What cannot be used.
      n_takes: Takes in all, usable or not.
      max_fraction: Share of them that may be skipped, in [0, 1]; silent ones do not count.

    Raises:
      RecordingError: Too many are faulty, or none is left.
    """
    if not skips.n_faulty:
        return
    shown = next(
        one
        for reason, ones in skips.first.items()
        if reason != "silent"
        for one in ones
    )
    if n_takes == 1:
        raise RecordingError(shown.text or say(skips, n_takes), fault=_fault(shown))
    share = skips.n_faulty / n_takes
    if skips.n_takes < n_takes and share <= max_fraction * (1 + 1e-6):
        return
    raise RecordingError(_refusal(skips, n_takes, share, shown), fault=_fault(shown))


def say(skips: Skips, n_takes: int) -> str:
    """Says how many of all takes were skipped, and why: a clause without a full stop, empty where none was."""
    if not skips.n_takes:
        return ""
    return f"skipped {skips.n_takes:,} of {n_takes:,}: {_say_reasons(skips)}"


def _say_reasons(skips: Skips) -> str:
    parts = []
    for reason, count in skips.counts.items():
        if count:
            one, several = REASONS[reason]
            names = [take.name for take in skips.first.get(reason, ())]
            more = f" and {count - len(names):,} more" if count > len(names) else ""
            told = f" ({', '.join(names)}{more})" if names else ""
            parts.append(f"{count:,} {one if count == 1 else several}{told}")
    return ", ".join(parts)


def _refusal(skips: Skips, n_takes: int, share: float, shown: Unusable) -> str:
    faulty = Skips(
        {r: n for r, n in skips.counts.items() if r != "silent"}, skips.first
    )
    what = f"{skips.n_faulty:,} of {n_takes:,} recordings cannot be used: {_say_reasons(faulty)}"
    why = f"; the first: {shown.text.rstrip('.')}" if shown.text else ""
    if skips.n_takes >= n_takes:
        return f"{what}{why}. Nothing is left to learn from."
    # a hair more than the share, so that what is named here is enough when it is read back
    enough = math.ceil(1000 * share) / 1000
    return (
        f"{what}{why}. Mend them or leave them out, or let them be skipped with "
        f"--learner max_skipped_fraction={enough:g}."
    )


def _fault(one: Unusable) -> RecordingFault | None:
    return None if one.reason == "silent" else one.reason
