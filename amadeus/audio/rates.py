"""What recordings of several sample rates mean for a voice that has one."""

from collections.abc import Mapping


def say_dull(rates: Mapping[int, int], *, sample_rate: int) -> str:
    """Says which part of the takes ends below what a voice could reach: a clause without a full stop, empty if none.

    All takes are brought to the rate of the learner; what was never recorded is silence in them.

    Args:
      rates: How many takes were recorded at which sample rate, in Hz.
      sample_rate: Of the learner, in Hz.
    """
    low = {rate: count for rate, count in rates.items() if rate < sample_rate and count}
    if not low:
        return ""
    n_takes, n_low = sum(rates.values()), sum(low.values())
    best = max(low)
    named = " or ".join(f"{rate} Hz" for rate in sorted(low))
    are = "was" if n_low == 1 else "were"
    what = (
        f"{n_low:,} of {n_takes:,} takes {are} recorded at {named}: nothing above {best // 2} Hz to learn there, where "
        f"a voice of {sample_rate} Hz reaches {sample_rate // 2} Hz"
    )
    if n_low == n_takes:
        return f"{what}; sample_rate={best} holds all there is at less cost"
    return (
        f"{what}, so their notes will sound duller than the others; leave them out, or set "
        f"sample_rate={best} if all shall sound alike"
    )
