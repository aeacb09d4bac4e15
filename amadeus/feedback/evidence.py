"""How sure one can be that the good regions differ from the bad ones, and by how much.

Few examples are expected, and the notes of one region are of one kind: they were played one after the other, by the
same hand. So the notes of a region share their votes: n of them have n / (1 + (n - 1) / 4), never more than 4. The
difference is the weighted median of all differences between a good note and a bad one (Hodges and Lehmann), which a
single strange note does not move. Its standard error takes the larger of two spreads: that of the notes, and that of
the regions, so that regions of one side which contradict each other speak for nothing. What playing louder or higher
changes by itself is taken out first, by slopes within regions, and the doubt about these slopes is added.

Several traits are looked at, so the least of many doubts must be small: by Holm's rule the chance of one or more
false conclusions is at most `DOUBT`.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import special

from amadeus.feedback.descriptors import Blocks
from amadeus.feedback.regions import Region
from amadeus.feedback.traits import TRAITS

DOUBT = 0.1  # chance that a session concludes anything false
SIMILARITY = 0.25  # how much alike the notes of one region are taken to be

_PLAYED = ("loudness_db", "pitch_midi")
_PRIOR_SPREAD = (
    6.0,
    5.0,
)  # dB and semitones: how far notes that teach a slope must be apart
_PRIOR_NOTES = 4.0
_BOUND = 2.5  # spreads beyond which a note counts as if it were there
_FLOOR_SHARE = 0.25  # of what is audible: no instrument is steadier than that


class Evidence(NamedTuple):
    """What is known of one trait.

    Attributes:
      shift: How much more of it the good regions have, in the unit of the trait, playing taken out.
      raw_shift: The same with the playing left in.
      error: Standard error of `shift`.
      confidence: That the difference has this sign, in [0, 1], of this trait alone.
      overlap: Cliff's delta: share of the pairs in which the good has more, less that in which it has less.
      is_supported: Whether a conclusion may be drawn from it, all traits considered.
      is_audible: Whether the difference can be heard.
      good: Level of the good regions, playing taken out.
      bad: Level of the bad ones.
      n_good: Votes of the good regions.
      n_bad: Votes of the bad ones.
      contradicts: Whether the good regions lie on both sides of the bad ones, or the other way round.
      goes_with_playing: Whether there is a difference, but the playing explains it.
    """

    shift: float
    raw_shift: float
    error: float
    confidence: float
    overlap: float
    is_supported: bool
    is_audible: bool
    good: float
    bad: float
    n_good: float
    n_bad: float
    contradicts: bool
    goes_with_playing: bool


class _Marked(NamedTuple):
    """The notes in marked regions. Shapes [n_notes]."""

    value: np.ndarray
    region: np.ndarray
    weight: np.ndarray
    is_good: np.ndarray


class _Comparison(NamedTuple):
    shift: float
    error: float
    confidence: float
    overlap: float
    good: float
    bad: float
    n_good: float
    n_bad: float
    contradicts: bool


def weigh(takes: Sequence[Blocks], regions: Sequence[Region]) -> dict[str, Evidence]:
    """Weighs what the takes say of each trait.

    Args:
      takes: Their notes.
      regions: Those marked; they do not overlap.

    Returns:
      Evidence by trait; a trait that cannot be told in a good and in a bad region is left out.
    """
    groups = [_groups(number, take, regions) for number, take in enumerate(takes)]
    group = np.concatenate([*groups, np.zeros(0, int)])
    values = {
        name: np.concatenate([*(take.values[name] for take in takes), np.zeros(0)])
        for name in TRAITS
    }
    found: dict[str, tuple[_Comparison, _Comparison]] = {}
    for name, trait in TRAITS.items():
        plain = _compare(_mark(values[name], group, regions), trait.audible, 0.0)
        if plain is None:
            continue
        adjusted = plain
        if trait.goes_with_playing:
            cleaned, doubt = _take_playing_out(name, values, group, regions)
            adjusted = (
                _compare(_mark(cleaned, group, regions), trait.audible, doubt) or plain
            )
        found[name] = plain, adjusted
    supported = _holm({name: 1 - both[1].confidence for name, both in found.items()})
    return {
        name: _conclude(name, *both, is_supported=name in supported)
        for name, both in found.items()
    }


def votes(n_notes: float) -> float:
    """What the notes of one region count for together."""
    return n_notes / (1 + (n_notes - 1) * SIMILARITY) if n_notes > 0 else 0.0


def weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    """The value with half of the weight on either side; between two where it falls between them."""
    order = np.argsort(values, kind="stable")
    values, weights = values[order], weights[order]
    middle = np.cumsum(weights) - weights / 2
    return float(np.interp(weights.sum() / 2, middle, values))


def _groups(number: int, take: Blocks, regions: Sequence[Region]) -> np.ndarray:
    """The region of each note of a take, or a number below 0 that is the take's own."""
    group = np.full(take.n_blocks, -1 - number)
    for index, region in enumerate(regions):
        if region.take == number:
            group[take.inside(region.start_s, region.end_s)] = index
    return group


def _mark(values: np.ndarray, group: np.ndarray, regions: Sequence[Region]) -> _Marked:
    chosen = (group >= 0) & np.isfinite(values)
    region = group[chosen]
    counts = np.bincount(region, minlength=len(regions))
    share = np.array(
        [r.weight * votes(n) / max(n, 1) for r, n in zip(regions, counts, strict=True)]
    )
    is_good = np.array([r.is_good for r in regions], bool)
    if not len(region):
        nothing = np.zeros(0)
        return _Marked(nothing, nothing, nothing, np.zeros(0, bool))
    return _Marked(values[chosen], region, share[region], is_good[region])


def _compare(marked: _Marked, audible: float, doubt: float) -> _Comparison | None:
    good, bad = _side(marked, good=True), _side(marked, good=False)
    if not len(good.value) or not len(bad.value):
        return None
    differences = (good.value[:, None] - bad.value).ravel()
    pairs = (good.weight[:, None] * bad.weight).ravel()
    shift = weighted_median(differences, pairs)
    n_good, n_bad = _n_votes(good), _n_votes(bad)
    freedom = n_good + n_bad - 2
    spread = max(_spread(good, bad, freedom), _FLOOR_SHARE * audible)
    error = math.sqrt(
        max(spread**2 * (1 / n_good + 1 / n_bad), _of_regions(good) + _of_regions(bad))
        + doubt**2
    )
    return _Comparison(
        shift=shift,
        error=error,
        confidence=_confidence(shift / error, freedom),
        overlap=float(np.sign(differences) @ pairs / pairs.sum()),
        good=weighted_median(good.value, good.weight),
        bad=weighted_median(bad.value, bad.weight),
        n_good=n_good,
        n_bad=n_bad,
        contradicts=_contradict(good, bad, audible),
    )


def _side(marked: _Marked, *, good: bool) -> _Marked:
    chosen = (marked.is_good == good) & (marked.weight > 0)
    return _Marked(*(field[chosen] for field in marked))


def _n_votes(side: _Marked) -> float:
    """How many notes of equal weight would say as much."""
    total = correct = 0.0
    for region in np.unique(side.region):
        inside = side.weight[side.region == region]
        n_votes = votes(len(inside))
        weight = inside.sum() / n_votes
        total += weight * n_votes
        correct += weight**2 * n_votes
    return total**2 / correct


def _spread(good: _Marked, bad: _Marked, freedom: float) -> float:
    """Standard deviation of the notes around their side, strays held back."""
    deviations, weights = [], []
    for side in (good, bad):
        deviations.append(side.value - weighted_median(side.value, side.weight))
        weights.append(side.weight / side.weight.sum() * _n_votes(side))
    deviation, weight = np.concatenate(deviations), np.concatenate(weights)
    typical = 1.4826 * weighted_median(np.abs(deviation), weight)
    limit = _BOUND * typical if typical > 0 else np.inf
    held = np.clip(deviation, -limit, limit)
    return math.sqrt(float(weight @ held**2) / max(freedom, 1.0))


def _region_levels(side: _Marked) -> tuple[np.ndarray, np.ndarray]:
    levels, weights = [], []
    for region in np.unique(side.region):
        inside = side.region == region
        levels.append(weighted_median(side.value[inside], side.weight[inside]))
        weights.append(side.weight[inside].sum())
    return np.array(levels), np.array(weights)


def _of_regions(side: _Marked) -> float:
    """Variance of a side's level as its regions tell it; 0 where one region cannot."""
    levels, weights = _region_levels(side)
    if len(levels) < 2:
        return 0.0
    share = weights / weights.sum()
    around = levels - share @ levels
    n = len(levels)
    return float(share**2 @ around**2) * n / (n - 1)


def _confidence(ratio: float, freedom: float) -> float:
    """That a difference of so many standard errors has its sign."""
    if freedom <= 0:
        return 0.0
    return float(1 - 2 * special.stdtr(freedom, -abs(ratio)))


def _contradict(good: _Marked, bad: _Marked, audible: float) -> bool:
    goods, bads = _region_levels(good)[0], _region_levels(bad)[0]
    for ours, theirs in ((goods, bads), (bads, goods)):
        if len(ours) < 2:
            continue
        if (
            ours.max() - theirs.max() >= audible
            and theirs.min() - ours.min() >= audible
        ):
            return True
    return False


def _take_playing_out(
    name: str,
    values: Mapping[str, np.ndarray],
    group: np.ndarray,
    regions: Sequence[Region],
) -> tuple[np.ndarray, float]:
    """Values as if all was played alike, and the standard error this adds to a difference of the sides."""
    played = np.stack([values[key] for key in _PLAYED], axis=1)
    known = np.isfinite(values[name]) & np.isfinite(played).all(axis=1)
    if known.sum() < 3:
        return values[name], 0.0
    centred = np.column_stack([played, values[name]])
    for number in np.unique(group[known]):
        inside = known & (group == number)
        centred[inside] -= centred[inside].mean(axis=0)
    x, y = centred[known, :2], centred[known, 2]
    ridge = np.diag(_PRIOR_NOTES * np.square(_PRIOR_SPREAD))
    slopes, covariance = _fit_slopes(x, y, ridge)
    middle = np.median(played[known], axis=0)
    cleaned = values[name] - np.nan_to_num((played - middle) @ slopes)
    way = np.array([_distance(values[key], known, group, regions) for key in _PLAYED])
    return cleaned, math.sqrt(float(way @ covariance @ way))


def _fit_slopes(
    x: np.ndarray, y: np.ndarray, ridge: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Slopes by least squares, strays held back, and their covariance."""
    weight = np.ones(len(y))
    for _ in range(5):
        inverse = np.linalg.inv(x.T @ (x * weight[:, None]) + ridge)
        slopes = inverse @ (x.T @ (weight * y))
        rest = np.abs(y - x @ slopes)
        limit = max(1.5 * 1.4826 * float(np.median(rest)), 1e-9)
        weight = np.minimum(1.0, limit / np.maximum(rest, 1e-12))
    n_free = max(len(y) - 2, 1)
    variance = float(weight @ (y - x @ slopes) ** 2) / n_free
    return slopes, variance * inverse


def _distance(
    values: np.ndarray, known: np.ndarray, group: np.ndarray, regions: Sequence[Region]
) -> float:
    marked = _mark(np.where(known, values, np.nan), group, regions)
    good, bad = _side(marked, good=True), _side(marked, good=False)
    if not len(good.value) or not len(bad.value):
        return 0.0
    return weighted_median(good.value, good.weight) - weighted_median(
        bad.value, bad.weight
    )


def _holm(doubts: Mapping[str, float]) -> set[str]:
    """The traits whose doubts are small enough when all are looked at."""
    supported: set[str] = set()
    for rank, name in enumerate(sorted(doubts, key=lambda key: doubts[key])):
        if doubts[name] > DOUBT / (len(doubts) - rank):
            break
        supported.add(name)
    return supported


def _conclude(
    name: str, plain: _Comparison, adjusted: _Comparison, *, is_supported: bool
) -> Evidence:
    audible = TRAITS[name].audible
    is_audible = abs(adjusted.shift) >= audible
    seems = plain.confidence >= 1 - DOUBT / 2 and abs(plain.shift) >= audible
    return Evidence(
        shift=adjusted.shift,
        raw_shift=plain.shift,
        error=adjusted.error,
        confidence=adjusted.confidence,
        overlap=adjusted.overlap,
        is_supported=is_supported and is_audible,
        is_audible=is_audible,
        good=adjusted.good,
        bad=adjusted.bad,
        n_good=adjusted.n_good,
        n_bad=adjusted.n_bad,
        contradicts=adjusted.contradicts,
        goes_with_playing=seems and not (is_supported and is_audible),
    )
