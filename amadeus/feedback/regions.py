"""What the ama marks: `START-END`, `all`, `2@START-END` for the second take, `START-END:WEIGHT` by what matters."""

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from amadeus.errors import ConfigError
from amadeus.feedback.evidence import Region

MAX_WEIGHT = 100.0
MIN_REGION_S = 0.05

_NUMBER = r"\d+(?:\.\d+)?|\.\d+"
_REGION = re.compile(
    rf"(?:(?P<take>\d+)@)?(?:(?P<all>all)|(?P<start>{_NUMBER})-(?P<end>{_NUMBER}))(?::(?P<weight>{_NUMBER}))?"
)


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
    if end_s < start_s:
        raise ConfigError(
            f"{option} {text} ends before it starts: write {match['end']}-{match['start']}."
        )
    if end_s - start_s < MIN_REGION_S:
        raise ConfigError(
            f"{option} {text} lasts {end_s - start_s:.2f} s: mark {MIN_REGION_S:g} s at least, a note or more."
        )
    weight = float(match["weight"] or 1.0)
    if not 0 < weight <= MAX_WEIGHT:
        raise ConfigError(
            f"{option} {text} has the weight {weight:g}: choose one above 0 and up to {MAX_WEIGHT:g}."
        )
    take = int(match["take"] or 1)
    if take < 1:
        raise ConfigError(f"{option} {text} names take {take}: they count from 1.")
    return Region(take - 1, start_s, end_s, is_good, weight)


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
