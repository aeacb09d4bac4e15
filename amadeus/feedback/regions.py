"""What the ama marks: `START-END`, `all`, `2@START-END` for the second take, `START-END:WEIGHT` by what matters."""

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from amadeus.errors import ConfigError

MAX_WEIGHT = 100.0
MIN_REGION_S = 0.05

_NUMBER = r"\d+(?:\.\d+)?|\.\d+"
_REGION = re.compile(
    rf"(?:(?P<take>\d+)@)?(?:(?P<all>all)|(?P<start>{_NUMBER})-(?P<end>{_NUMBER}))(?::(?P<weight>{_NUMBER}))?"
)


class Region(NamedTuple):
    """A part of a take that was called good or bad.

    Attributes:
      take: Which take, from 0.
      start_s: In seconds.
      end_s: In seconds.
      is_good: What the ama called it.
      weight: How much it matters against the others.
    """

    take: int
    start_s: float
    end_s: float
    is_good: bool
    weight: float = 1.0


class Marked(NamedTuple):
    """Regions that can be judged, and what became of the others, a sentence each."""

    regions: list[Region]
    remarks: list[str]


def parse_region(text: str, *, is_good: bool) -> Region:
    """Reads a region; the end of `all` is infinite.

    Raises:
      ConfigError: It is no region, or a reversed one, or its weight cannot be.
    """
    option = "--good" if is_good else "--bad"
    match = _REGION.fullmatch(text.strip())
    if match is None:
        raise ConfigError(
            f"{option} {text} is no region: write START-END in seconds, such as 1.2-3.4, with a weight as 1.2-3.4:2, "
            "or all."
        )
    start_s, end_s = 0.0, math.inf
    if match["all"] is None:
        start_s, end_s = float(match["start"]), float(match["end"])
    region = Region(
        int(match["take"] or 1) - 1,
        start_s,
        end_s,
        is_good,
        float(match["weight"] or 1.0),
    )
    check_region(region, f"{option} {text}")
    return region


def check_region(region: Region, called: str = "") -> None:
    """Refuses a region that cannot be, whatever its take is like.

    Args:
      region: Whose end may be infinite.
      called: How the ama wrote it; empty: it is named by its seconds.

    Raises:
      ConfigError: It is reversed, too short, no numbers, before its take, or its weight cannot be.
    """
    called = called or say_region(region)
    start_s, end_s, weight = region.start_s, region.end_s, region.weight
    if not (math.isfinite(start_s) and start_s >= 0) or math.isnan(end_s):
        raise ConfigError(
            f"{called} starts or ends at no moment of a take: give seconds from its start."
        )
    if end_s < start_s:
        raise ConfigError(
            f"{called} ends before it starts: write {end_s:g}-{start_s:g}."
        )
    if end_s - start_s < MIN_REGION_S:
        raise ConfigError(
            f"{called} lasts {end_s - start_s:.2f} s: mark {MIN_REGION_S:g} s at least, a note or more."
        )
    if not 0 < weight <= MAX_WEIGHT:
        raise ConfigError(
            f"{called} has the weight {weight:g}: choose one above 0 and up to {MAX_WEIGHT:g}."
        )
    if region.take < 0:
        raise ConfigError(f"{called} names take {region.take + 1}: they count from 1.")


def fit_regions(
    regions: Sequence[Region], durations_s: Sequence[float], names: Sequence[str]
) -> Marked:
    """Holds regions against their takes; one that reaches beyond its take is cut there.

    Raises:
      ConfigError: A region lies outside its take, names a take that is not there, or overlaps another.
    """
    fitting, remarks = [], []
    for region in regions:
        if region.take >= len(durations_s):
            raise ConfigError(
                f"a region names take {region.take + 1} and {len(durations_s)} are given: name each with --performance."
            )
        duration_s, name = durations_s[region.take], names[region.take]
        if region.start_s > duration_s - MIN_REGION_S:
            raise ConfigError(
                f"{say_region(region)} lies outside {name}, which lasts {duration_s:.2f} s: mark what can be heard."
            )
        if region.end_s > duration_s:
            if math.isfinite(region.end_s):
                remarks.append(
                    f"{say_region(region)} reaches beyond {name}, which lasts {duration_s:.2f} s, and is cut there"
                )
            region = region._replace(end_s=duration_s)
        fitting.append(region)
    _refuse_overlaps(fitting)
    return Marked(fitting, remarks)


def say_region(region: Region, *, n_takes: int = 1) -> str:
    """Names a region, such as `good 1.2-3.4 s`."""
    kind = "good" if region.is_good else "bad"
    where = f"{region.take + 1}@" if n_takes > 1 else ""
    end = f"{region.end_s:g}" if math.isfinite(region.end_s) else ""
    return f"{kind} {where}{region.start_s:g}-{end} s"


def _refuse_overlaps(regions: Sequence[Region]) -> None:
    for one, other in _neighbours(regions):
        if one.take == other.take and other.start_s < one.end_s - 1e-9:
            raise ConfigError(
                f"{say_region(one)} and {say_region(other)} overlap: what is heard in both counts for neither, so mark "
                "each part once."
            )


def _neighbours(regions: Sequence[Region]) -> Iterator[tuple[Region, Region]]:
    return itertools.pairwise(sorted(regions, key=lambda r: (r.take, r.start_s)))
