import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amadeus.feedback.evidence import DOUBT, votes, weigh, weighted_median
from amadeus.feedback.regions import Region
from amadeus.feedback.traits import TRAITS
from tests.feedback.sounds import made_up

REGION_S = 2.0


def marked(n_pairs, *, weights=None):
    weights = weights or [1.0] * (2 * n_pairs)
    return [
        Region(0, REGION_S * i, REGION_S * (i + 1), i % 2 == 0, weight)
        for i, weight in zip(range(2 * n_pairs), weights, strict=True)
    ]


def session(rng, regions, *, trait="noise_db", shift=0.0, spread=1.0):
    """Weighs a made-up take whose good regions have `shift` more of a trait."""
    take = made_up(rng, spread=spread)
    for region in regions:
        if region.is_good:
            take.values[trait][take.inside(region.start_s, region.end_s)] += shift
    return weigh([take], regions)


def swapped(regions):
    return [region._replace(is_good=not region.is_good) for region in regions]


@given(seed=st.integers(0, 10_000), n_pairs=st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_swapping_good_and_bad_flips_every_sign(seed, n_pairs):
    take, regions = made_up(np.random.default_rng(seed)), marked(n_pairs)
    one, other = weigh([take], regions), weigh([take], swapped(regions))
    assert one.keys() == other.keys()
    for name, evidence in one.items():
        assert other[name].shift == pytest.approx(-evidence.shift, abs=1e-9)
        assert other[name].overlap == pytest.approx(-evidence.overlap, abs=1e-9)
        assert other[name].confidence == pytest.approx(evidence.confidence, abs=1e-9)
        assert other[name].is_supported == evidence.is_supported
        assert other[name].contradicts == evidence.contradicts


def test_more_evidence_gives_more_confidence():
    means = []
    for n_pairs in (1, 2, 3, 5):
        found = [
            session(np.random.default_rng(seed), marked(n_pairs), shift=3.0)
            for seed in range(60)
        ]
        means.append(np.mean([f["noise_db"].confidence for f in found]))
    assert np.all(np.diff(means) > 0)


def test_longer_regions_say_more_but_never_more_than_four_votes():
    counts = [votes(n) for n in (0, 1, 2, 5, 20, 1000)]
    assert counts[:2] == [0, 1]
    assert np.all(np.diff(counts) > 0)
    assert counts[-1] < 4


def test_a_larger_difference_is_surer(rng):
    take, regions = made_up(rng), marked(3)
    confidences = []
    for shift in (1.0, 3.0, 6.0, 12.0):
        values = dict(take.values)
        values["noise_db"] = values["noise_db"] + shift * sum(
            take.inside(r.start_s, r.end_s) for r in regions if r.is_good
        )
        found = weigh([take._replace(values=values)], regions)
        confidences.append(found["noise_db"].confidence)
    assert confidences == sorted(confidences)


def test_chance_concludes_something_false_in_at_most_its_share_of_sessions():
    n_sessions = 300
    wrong = sum(
        any(e.is_supported for e in session(np.random.default_rng(seed), marked(3)).values())
        for seed in range(n_sessions)
    )  # fmt: skip
    assert wrong / n_sessions <= DOUBT


def test_a_plain_difference_is_found_and_nothing_else():
    hits = []
    for seed in range(40):
        found = session(np.random.default_rng(seed), marked(3), shift=7.0)
        assert found["noise_db"].shift == pytest.approx(7.0, abs=4.0)
        hits.append([name for name, e in found.items() if e.is_supported])
    assert np.mean(["noise_db" in hit for hit in hits]) > 0.9
    assert sum(len(hit) for hit in hits) <= sum("noise_db" in hit for hit in hits) + 4


def test_regions_that_contradict_each_other_support_nothing(rng):
    take, regions = made_up(rng, spread=0.2), marked(2)
    first, _, third, _ = regions
    take.values["noise_db"][take.inside(*first[1:3])] += 10
    take.values["noise_db"][take.inside(*third[1:3])] -= 10
    evidence = weigh([take], regions)["noise_db"]
    assert evidence.contradicts
    assert not evidence.is_supported


def test_what_loudness_explains_is_not_laid_to_the_brightness(rng):
    take, regions = made_up(rng, n_notes=80), marked(3)
    for region in regions:
        inside = take.inside(region.start_s, region.end_s)
        louder = 12.0 if region.is_good else 0.0
        take.values["loudness_db"][inside] += louder
        take.values["brightness_octaves"][inside] += 0.05 * louder
    found = weigh([take], regions)
    assert found["loudness_db"].is_supported
    brightness = found["brightness_octaves"]
    assert brightness.raw_shift > 0.3
    assert abs(brightness.shift) < brightness.raw_shift / 2
    assert not brightness.is_supported
    assert brightness.goes_with_playing


def test_what_cannot_be_heard_is_no_conclusion(rng):
    found = session(rng, marked(4), shift=0.7, spread=0.01)
    assert found["noise_db"].confidence > 0.99
    assert not found["noise_db"].is_audible
    assert not found["noise_db"].is_supported


def test_only_the_proportion_of_weights_counts(rng):
    weights = [1.0, 2.0, 0.5, 1.0, 3.0, 1.0]
    take = made_up(rng)
    one = weigh([take], marked(3, weights=weights))
    other = weigh([take], marked(3, weights=[10 * w for w in weights]))
    for name in one:
        assert other[name].shift == pytest.approx(one[name].shift)
        assert other[name].confidence == pytest.approx(one[name].confidence)


def test_a_region_of_hardly_any_weight_is_as_good_as_not_marked(rng):
    take = made_up(rng, spread=0.2)
    regions = marked(3)
    take.values["noise_db"][take.inside(*regions[0][1:3])] += 30.0
    light = [regions[0]._replace(weight=1e-6), *regions[1:]]
    without = weigh([take], regions[1:])["noise_db"]
    with_it = weigh([take], light)["noise_db"]
    assert with_it.shift == pytest.approx(without.shift, abs=0.3)
    assert abs(weigh([take], regions)["noise_db"].raw_shift - without.raw_shift) > 0.1


def test_without_both_sides_there_is_no_evidence(rng):
    take, regions = made_up(rng), marked(2)
    assert weigh([take], [r for r in regions if r.is_good]) == {}
    assert weigh([take], []) == {}
    assert weigh([], []) == {}


def test_a_trait_nobody_can_tell_is_left_out(rng):
    take = made_up(rng)
    take.values["vibrato_rate_hz"][:] = np.nan
    found = weigh([take], marked(2))
    assert found.keys() == TRAITS.keys() - {"vibrato_rate_hz"}


def test_a_single_note_on_each_side_is_never_enough(rng):
    take = made_up(rng, n_notes=2)
    take.values["noise_db"][:] = [40.0, -40.0]
    regions = [Region(0, 0.0, 0.5, True), Region(0, 0.5, 1.0, False)]
    assert not any(e.is_supported for e in weigh([take], regions).values())


@given(
    values=st.lists(st.floats(-100, 100), min_size=1, max_size=9),
    weights=st.lists(st.floats(0.1, 10), min_size=9, max_size=9),
)
def test_the_weighted_median_lies_among_the_values(values, weights):
    found = weighted_median(np.array(values), np.array(weights[: len(values)]))
    assert min(values) - 1e-9 <= found <= max(values) + 1e-9


def test_the_weighted_median_of_equal_weights_is_the_median():
    for values in ([3.0, 1.0, 2.0], [4.0, 1.0, 2.0, 3.0]):
        found = weighted_median(np.array(values), np.ones(len(values)))
        assert found == pytest.approx(np.median(values))
