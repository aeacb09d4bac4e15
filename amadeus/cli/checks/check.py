"""What a look at something found: the common shape of all that `amadeus doctor` says."""

from typing import Literal, NamedTuple

State = Literal["ok", "warning", "problem"]


class Check(NamedTuple):
    """What was looked at, how it stands, and how to mend it."""

    name: str
    state: State
    text: str
    mend: str = ""


def judge(name: str, fits: bool, text: str, mend: str) -> Check:
    """Finds it well or a problem; `mend` is said only of a problem."""
    return Check(name, "ok", text) if fits else Check(name, "problem", text, mend)
